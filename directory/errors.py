"""Errors of the directory. Their texts can be shown to operators.

DirectoryError
├── DirectoryUnavailable   it can't be asked for the moment: answer "later", never "wrong" or "unknown"
├── NotFound               no account, address, alias or group of that name
├── Taken                  the login, address or group name belongs to another already
└── Invalid                what was typed can't be
    ├── InvalidName        as a login, address or domain
    └── UnusableHash       as a password hash
"""

from __future__ import annotations


class DirectoryError(Exception):
    """Any error that the directory raises on purpose."""


class DirectoryUnavailable(DirectoryError):
    """The directory can't be asked for the moment: answer "later", never "wrong" or "unknown"."""


class NotFound(DirectoryError):
    """No account, address, alias or group of that name."""


class Taken(DirectoryError):
    """The login, address or group name belongs to another already."""


class Invalid(DirectoryError):
    """What was typed can't be; the text says why."""


class InvalidName(Invalid):
    """A login, address or domain that nobody can have."""


class UnusableHash(Invalid):
    """A hash of a kind that is not accepted, or one that would take too much work to check."""

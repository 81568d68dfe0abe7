"""Rights to mailboxes: their letters, what each command takes, and what a list gives to whom (RFC 4314). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Flag
from functools import cache

from storage.model import Grant, Settable, System

#: The identifier that everybody has.
ANYONE = "anyone"


class Rights(Flag):
    """RFC 4314 section 2.1. ``l r s w i p k x t e a``."""

    NONE = 0
    LOOKUP = 1
    READ = 2
    SEEN = 4
    WRITE = 8
    INSERT = 16
    POST = 32
    CREATE = 64
    DELETE_MAILBOX = 128
    DELETE_MESSAGES = 256
    EXPUNGE = 512
    ADMIN = 1024


_LETTERS: dict[str, Rights] = {
    "l": Rights.LOOKUP,
    "r": Rights.READ,
    "s": Rights.SEEN,
    "w": Rights.WRITE,
    "i": Rights.INSERT,
    "p": Rights.POST,
    "k": Rights.CREATE,
    "x": Rights.DELETE_MAILBOX,
    "t": Rights.DELETE_MESSAGES,
    "e": Rights.EXPUNGE,
    "a": Rights.ADMIN,
}

#: Rights of the standard before, each a union of ours (RFC 4314 section 2.1.1).
_OBSOLETE: dict[str, Rights] = {
    "c": Rights.CREATE | Rights.DELETE_MAILBOX,
    "d": Rights.DELETE_MESSAGES | Rights.EXPUNGE,
}

ALL = ~Rights.NONE

#: What the owner of a mailbox can't be without: to find it, and to take rights back.
OWNERS = Rights.LOOKUP | Rights.ADMIN

#: Rights that let MYRIGHTS tell of a mailbox (RFC 4314 section 4).
SHOWS = Rights.LOOKUP | Rights.READ | Rights.INSERT | Rights.CREATE | Rights.DELETE_MAILBOX | Rights.ADMIN

#: Rights that make a mailbox open for writing: SELECT says READ-WRITE with one of them (RFC 4314 section 5.2).
CHANGES = Rights.INSERT | Rights.EXPUNGE | Rights.DELETE_MESSAGES | Rights.SEEN | Rights.WRITE


#: Rights of which one lets annotations be known and private ones be set, with l (RFC 5464 section 3.3).
NOTES = Rights.READ | Rights.SEEN | Rights.WRITE | Rights.INSERT | Rights.POST


def of_letters(letters: str) -> Rights:
    """Rights of letters, obsolete ones included. Raises ValueError for a letter that is none."""
    rights = Rights.NONE
    for letter in letters:
        found = _LETTERS.get(letter) or _OBSOLETE.get(letter)
        if found is None:
            raise ValueError(letter)
        rights |= found
    return rights


def letters_of(rights: Rights) -> str:
    """Letters in the order of RFC 4314 section 2.1."""
    return "".join(letter for letter, right in _LETTERS.items() if right in rights)


def shown(rights: Rights) -> str:
    """Letters for a response: ``c`` and ``d`` too, for old clients (RFC 4314 section 2.1.1)."""
    return letters_of(rights) + "".join(letter for letter, union in _OBSOLETE.items() if union & rights)


def effective(grants: Iterable[Grant], identifiers: Collection[str], *, owner: str | None = None) -> Rights:
    """What a list gives to somebody with these identifiers: all that is given less all that is taken (section 2).

    ``owner`` is set for the owner alone, to the own identifier: without an entry for it everything is given, and
    ``OWNERS`` can't be taken away.
    """
    given = taken = Rights.NONE
    listed = False
    for grant in grants:
        if grant.identifier in identifiers:
            given |= of_letters(grant.rights)
            listed |= grant.identifier == owner
        elif grant.identifier.startswith("-") and grant.identifier[1:] in identifiers:
            taken |= of_letters(grant.rights)
    if owner is None:
        return given & ~taken
    return ((given if listed else ALL) & ~taken) | OWNERS


@cache
def settable(rights: Rights) -> Settable:
    r"""Flags that may be changed: ``s`` is \Seen, ``t`` \Deleted, ``w`` the rest."""
    system = System.NONE
    if Rights.SEEN in rights:
        system |= System.SEEN
    if Rights.DELETE_MESSAGES in rights:
        system |= System.DELETED
    if Rights.WRITE in rights:
        system |= System.ANSWERED | System.FLAGGED | System.DRAFT
    return Settable(int(system), Rights.WRITE in rights)

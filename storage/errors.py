"""Errors of the store.

StoreError
├── Unavailable            the database or the disk is away for the moment: try again later
│   ├── Unreadable         the disk does not give a body: others may be well
│   ├── Contended          the database undid this transaction in favour of another: again at once
│   └── DiskFull           no room: nothing was kept
├── NoSuchAccount
├── NoSuchMailbox
├── MailboxExists
├── InvalidName            a mailbox name that can't be: its reason is in the text
├── NotPermitted           the operation is never allowed on this mailbox (DELETE INBOX)
├── UseRefused             a special use that the mailbox can't have: the text says why
├── LimitReached           too many mailboxes, keywords, ...: ``what`` names it
│   └── TooManyAnnotations
├── OverQuota
├── QuotaTaken             the account takes from another shared quota already
├── TooBig                 one message above the limit
├── AnnotationTooBig       one value above the limit, which it names
├── NoSuchMessage          it was expunged
└── Damaged                a body that the index knows is missing or differs
"""

from __future__ import annotations

from collections.abc import Iterable


class StoreError(Exception):
    """Any error that the store raises on purpose."""


class Unavailable(StoreError):
    """The database or the disk is away for the moment; the same call may succeed later."""


class Unreadable(Unavailable):
    """The disk does not give the octets of a body; those of others may be well."""


class Contended(Unavailable):
    """The database undid the transaction because it stood in another one's way; the same again succeeds."""


class DiskFull(Unavailable):
    """There is no room on the disk; nothing was kept."""


class NoSuchAccount(StoreError):
    """The account has no mail store."""


class NoSuchMailbox(StoreError):
    """No mailbox of that name."""


class MailboxExists(StoreError):
    """A mailbox of that name exists already."""


class InvalidName(StoreError):
    """The mailbox name is not acceptable; the text says why."""


class NotPermitted(StoreError):
    """The operation is never allowed on this mailbox."""


class UseRefused(StoreError):
    """The mailbox can't have that special use; the text says why."""


class LimitReached(StoreError):
    """A count limit of the account or mailbox is reached."""


class TooManyAnnotations(LimitReached):
    """A mailbox, or the server, has as many annotations as it may have; nothing was changed."""


class OverQuota(StoreError):
    """The quota of an account would be exceeded; nothing was kept.

    ``accounts`` are all of a request that have no room, ``account`` the first of them.
    """

    def __init__(self, account: int, text: str = "quota exceeded", accounts: Iterable[int] = ()) -> None:
        super().__init__(text)
        self.account = account
        self.accounts = frozenset({account, *accounts})


class QuotaTaken(StoreError):
    """The account takes from another shared quota already."""


class TooBig(StoreError):
    """The message is larger than the limit."""


class AnnotationTooBig(StoreError):
    """The value of an annotation is larger than ``limit`` octets; nothing was changed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an annotation may have {limit} octets")
        self.limit = limit


class NoSuchMessage(StoreError):
    """The message was expunged."""


class Damaged(StoreError):
    """A body that the index knows is missing on disk or differs from its row."""

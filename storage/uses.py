"""Which mailbox may have which special use (RFC 6154): one mailbox of an account has a use, and not INBOX."""

from __future__ import annotations

from collections.abc import Iterable

from storage.errors import UseRefused
from storage.model import COMPUTED_USES, Mailbox, SpecialUse
from storage.names import INBOX


def check_use(use: SpecialUse | None, name: str, there: Iterable[Mailbox]) -> None:
    """Raises UseRefused when the mailbox of that name can't have the use, given all mailboxes of the account."""
    if use in COMPUTED_USES:
        raise UseRefused("a mailbox that is made of other mailboxes' messages can't be had here")
    if use is not None and name == INBOX:
        raise UseRefused("INBOX has its own use")
    if use is not None and any(box.special_use is use for box in there):
        raise UseRefused("another mailbox has that use: take it from there first")

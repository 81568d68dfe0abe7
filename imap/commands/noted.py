"""What a session may know of the annotations of mailboxes (RFC 5464 section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable

from imap.session.context import Context
from imap.session.places import Place
from imap.session.rights import NOTES
from imap.wire.responses import Metadata
from storage.annotations import SPECIAL_USE


def computed_of(context: Context, place: Place) -> dict[str, bytes]:
    """Entries that say what is kept elsewhere: what its owner uses a mailbox for (RFC 6154 section 4)."""
    use = place.mailbox.special_use
    return {SPECIAL_USE: use.value.encode()} if use is not None and place.account == context.number else {}


class Noted:
    """Some entries of many mailboxes, read for an account at a time (RFC 9590)."""

    def __init__(self, context: Context, entries: Iterable[str]) -> None:
        """``entries`` are names as the client wrote them."""
        self._context = context
        self._entries = {entry.lower(): entry for entry in entries}
        self._known: dict[int, dict[int, dict[str, bytes]]] = {}

    def of(self, place: Place) -> Iterable[Metadata]:
        """The entries of a mailbox, NIL where there are none; nothing without the rights."""
        if not self._entries or not place.rights & NOTES:
            return
        context, account = self._context, place.account
        if account not in self._known:
            self._known[account] = context.store.annotations.values(account, context.number, self._entries)
        values = self._known[account].get(place.id, {}) | computed_of(context, place)
        yield Metadata(place.name, tuple((entry, values.get(key)) for key, entry in self._entries.items()))

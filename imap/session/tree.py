"""The names of mailboxes as a session sees them, with the levels above them and what LIST says of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from imap.session.places import Place
from imap.wire import commands as c
from imap.wire.responses import Listed
from storage.model import DELIMITER


class Tree:
    """All names of a session: mailboxes, subscribed names, and the levels above them."""

    def __init__(self, places: Iterable[Place], subscribed: Iterable[str], own: int) -> None:
        """``own`` is the session's account: of others it is not told what they use their mailboxes for."""
        self.places = {place.name: place for place in places}
        self.subscribed = set(subscribed)
        self._uses = {
            name: place.mailbox.special_use.value.encode()
            for name, place in self.places.items()
            if place.account == own and place.mailbox.special_use is not None
        }
        self._with_children = levels_above(self.places)
        self._above_subscribed = levels_above(self.subscribed)

    def names(self, command: c.List) -> list[str]:
        """Candidates in order: INBOX first, parents before children."""
        names = set(self.places) | self._with_children
        if "SUBSCRIBED" in command.select:
            names |= self.subscribed | self._above_subscribed
        return sorted(names, key=lambda name: (name != "INBOX", name.split(DELIMITER)))

    def selects(self, name: str, command: c.List) -> bool:
        """True for a name that the selection options leave in."""
        if "SUBSCRIBED" in command.select and name not in self.subscribed:
            return False
        return "SPECIAL-USE" not in command.select or name in self._uses

    def listed(self, name: str, command: c.List, *, extended: bool, above: bool) -> Listed:
        """The answer for a name; ``above`` when something below it is selected (RFC 5258 section 3.5)."""
        attributes: list[bytes] = []
        if name not in self.places:
            # One of them only: the first implies the second, which is all that old clients know.
            attributes.append(b"\\NonExistent" if extended else b"\\Noselect")
        if {"SUBSCRIBED"} & (command.select | command.give) and name in self.subscribed:
            attributes.append(b"\\Subscribed")
        child_info = tuple(option for option in ("SUBSCRIBED", "SPECIAL-USE") if above and option in command.select)
        return Listed(name, (*attributes, *self.attributes(name)), child_info=child_info)

    def by_itself(self, name: str, old_name: str | None = None) -> Listed:
        """A name with all that can be said of it (RFC 9051 section 6.3.9.7, RFC 5465 section 5.4)."""
        attributes = [] if name in self.places else [b"\\NonExistent"]
        if name in self.subscribed:
            attributes.append(b"\\Subscribed")
        return Listed(name, (*attributes, *self.attributes(name)), old_name=old_name)

    def attributes(self, name: str) -> tuple[bytes, ...]:
        """Children and use of a name."""
        attributes: tuple[bytes, ...] = ()
        if name in self.places or name in self._with_children:
            attributes = (b"\\HasChildren" if name in self._with_children else b"\\HasNoChildren",)
        if name in self._uses:
            attributes += (self._uses[name],)
        return attributes


def levels_above(names: Iterable[str]) -> set[str]:
    """All levels above some names."""
    above: set[str] = set()
    for name in names:
        parent, slash, _ = name.rpartition(DELIMITER)
        while slash and parent not in above:
            above.add(parent)
            parent, slash, _ = parent.rpartition(DELIMITER)
    return above

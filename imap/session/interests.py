"""Which events a client wants to hear of, of which mailboxes (RFC 5465 section 6). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from imap.session.places import OTHERS, SHARED
from imap.wire.commands import EventGroup, Events, Item
from storage.model import DELIMITER, Mailbox, SpecialUse
from storage.names import INBOX


@dataclass(frozen=True, slots=True)
class Attention:
    """What is told of the selected mailbox. ``delayed``: removals wait for a command that lets numbers change.

    ``items`` are fetched of new messages.
    """

    events: Events = Events.NONE
    delayed: bool = False
    items: tuple[Item, ...] = ()


#: Of the selected mailbox nothing is told.
NO_ATTENTION = Attention()


class Interests:
    """Events by mailbox; those of the selected one are not among them."""

    def __init__(self, groups: Iterable[EventGroup], spelled: Callable[[str], str] = str) -> None:
        """``spelled`` turns a name as the client writes it into the one under which it is known."""
        self._groups = [
            (group, frozenset(map(spelled, group.names))) for group in groups if "SELECTED" not in group.kind
        ]
        self.all = Events.NONE
        for group, _ in self._groups:
            self.all |= group.events

    @property
    def wide(self) -> bool:
        """True when mailboxes of other accounts may be meant."""
        return any(group.kind == "SUBSCRIBED" or any(map(_reaches_out, names)) for group, names in self._groups)

    def of(self, name: str, mailbox: Mailbox | None, *, subscribed: bool) -> Events:
        """The events wanted of a mailbox, which need not be there, by its name in this session."""
        events = Events.NONE
        for group, names in self._groups:
            if _fits(group.kind, names, name, mailbox, subscribed):
                events |= group.events
        return events


def attention(groups: Iterable[EventGroup]) -> Attention:
    """What is told of the selected mailbox; nothing when no group names it (RFC 5465 section 3.1)."""
    for group in groups:
        if "SELECTED" in group.kind:
            return Attention(group.events, group.kind == "SELECTED-DELAYED", group.items)
    return NO_ATTENTION


def everything(events: Events) -> Interests:
    """Some events of all mailboxes."""
    return Interests([EventGroup("SUBTREE", ("",), events)])


def _reaches_out(name: str) -> bool:
    return not name or (name + DELIMITER).startswith((OTHERS, SHARED))


def _fits(kind: str, names: frozenset[str], name: str, mailbox: Mailbox | None, subscribed: bool) -> bool:
    match kind:
        case "SUBSCRIBED":
            return subscribed
        case "MAILBOXES":
            return name in names
        case "SUBTREE":
            return name in names or "" in names or any(name.startswith(top + DELIMITER) for top in names)
    personal = not name.startswith((OTHERS, SHARED))
    if kind == "INBOXES":
        return personal and mailbox is not None and takes_mail(mailbox)
    return personal


def takes_mail(mailbox: Mailbox) -> bool:
    """True where mail is delivered to: INBOX, and Junk."""
    return mailbox.name == INBOX or mailbox.special_use is SpecialUse.JUNK

"""NOTIFY by the grammar of RFC 5465 section 8."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.lexer import Lexer

#: Groups of one command, names in one group, items of one event.
_MOST_GROUPS = 100
_MOST_NAMED = 500

_SELECTED = ("SELECTED", "SELECTED-DELAYED")
_EVENTS = {name.upper(): event for name, event in c.EVENT_NAMES.items()}


def notify(p: Lexer, item: Callable[[], c.Item]) -> c.Command:
    """``item`` reads an item of FETCH."""
    p.space()
    if p.take_word(b"NONE"):
        return c.Notify(None)
    if not p.take_word(b"SET"):
        raise ParseError("NOTIFY takes SET or NONE")
    p.space()
    status = p.take_word(b"STATUS")
    if status:
        p.space()
    groups = [_group(p, item)]
    while p.take(b" "):
        groups.append(_group(p, item))
    if len(groups) > _MOST_GROUPS:
        raise ParseError(f"NOTIFY takes {_MOST_GROUPS} groups of events")
    if sum(group.kind in _SELECTED for group, _ in groups) > 1:
        raise ParseError("the selected mailbox is named twice")
    return c.Notify(tuple(group for group, _ in groups), status, all(known for _, known in groups))


def _group(p: Lexer, item: Callable[[], c.Item]) -> tuple[c.EventGroup, bool]:
    """A group of events, and whether all of them are known."""
    p.open()
    kind = p.word().decode()
    names: tuple[str, ...] = ()
    if kind in ("SUBTREE", "MAILBOXES"):
        p.space()
        names = tuple(p.listed(p.mailbox)) if p.next == b"(" else (p.mailbox(),)
    elif kind not in (*_SELECTED, "INBOXES", "PERSONAL", "SUBSCRIBED"):
        raise ParseError("there is no such choice of mailboxes")
    p.space()
    events, items, known = c.Events.NONE, [], True
    if not p.take_word(b"NONE"):
        for event, some in p.listed(lambda: _event(p, item)):
            known &= event is not c.Events.NONE
            events |= event
            items += some
    p.close()
    if max(len(names), len(items)) > _MOST_NAMED:
        raise ParseError(f"a group of events names {_MOST_NAMED} things at most")
    _check(kind, events, items)
    return c.EventGroup(kind, names, events, tuple(dict.fromkeys(items))), known


def _event(p: Lexer, item: Callable[[], c.Item]) -> tuple[c.Events, list[c.Item]]:
    """An event, NONE for one that is not known here, and what is to be fetched when it happens."""
    event = _EVENTS.get(p.atom().upper(), c.Events.NONE)
    items: list[c.Item] = []
    if event is c.Events.MESSAGE_NEW and p.take(b" ("):
        p.place -= 1
        items = [_peeking(one) for one in p.listed(item)]
    return event, items


def _peeking(item: c.Item) -> c.Item:
    r"""What is sent unasked was not read by anybody: it never sets \Seen."""
    return item if isinstance(item, c.Datum) else replace(item, sees=False)


def _check(kind: str, events: c.Events, items: Iterable[c.Item]) -> None:
    """What RFC 5465 sections 5 and 6.1 want to be refused with BAD."""
    both = c.Events.MESSAGE_NEW | c.Events.MESSAGE_EXPUNGE
    if events & c.MESSAGES and both not in events:
        raise ParseError("MessageNew and MessageExpunge go together, and FlagChange with them")
    if kind in _SELECTED and events & ~c.MESSAGES:
        raise ParseError("of the selected mailbox only events of messages can be told")
    if kind not in _SELECTED and any(True for _ in items):
        raise ParseError("only of the selected mailbox something can be fetched")

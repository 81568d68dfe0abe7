"""APPEND (RFC 3501 section 6.3.11), of several messages too (RFC 3502), with APPENDUID (RFC 4315)."""

from __future__ import annotations

from dataclasses import replace

from imap.errors import Refused
from imap.session.context import Context
from imap.session.places import Place
from imap.session.rights import Rights, settable
from imap.session.steps import CommandSteps
from imap.spool import Spool
from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.responses import Kind, Status
from imap.wire.sets import write
from message.content import MemoryContent
from storage.database import disk_error
from storage.errors import NoSuchMailbox
from storage.model import EVERY_FLAG, NewMessage, Settable


def append(context: Context, tag: bytes, command: c.Append) -> CommandSteps:
    """All messages or none. The connection gives back what they were spooled in."""
    messages = [_new(one) for one in command.messages]
    place = target(context, command.mailbox)
    messages = [_within(settable(place.rights), one) for one in messages]
    uids = context.store.append(place.account, place.id, messages)
    context.look_again()
    code = b"APPENDUID %d %b" % (place.mailbox.uidvalidity, write(uids))
    yield Status(Kind.OK, "Kept", code, tag)


def target(context: Context, name: str) -> Place:
    """The mailbox that messages are to go to.

    Where there is none Refused with TRYCREATE (RFC 3501 section 6.3.11), if it could be made (RFC 4314 section 4).
    """
    try:
        return context.place(name, Rights.INSERT)
    except NoSuchMailbox:
        if not may_create(context, name):
            raise
        raise Refused("There is no such mailbox", b"TRYCREATE") from None


def may_create(context: Context, name: str) -> bool:
    """True when the session has the right to make a mailbox of that name."""
    try:
        context.future(name)
    except Refused:
        return False
    return True


def _within(may: Settable, one: NewMessage) -> NewMessage:
    """Without the flags that the session may not set there."""
    if may == EVERY_FLAG:
        return one
    return replace(one, system=one.system & may.system, keywords=one.keywords if may.keywords else ())


def _new(one: c.Appended) -> NewMessage:
    if isinstance(one.content, Spool):
        if one.content.failure is not None:
            raise disk_error(one.content.failure)
        empty, has_nul, content = not one.content.size, one.content.has_nul, one.content.content()
    else:
        assert isinstance(one.content, bytes)
        empty, has_nul, content = not one.content, b"\0" in one.content, MemoryContent(one.content)
    if has_nul:
        # RFC 3501 section 4.3: a literal is made of CHAR8, which is everything but NUL.
        raise ParseError("a message with NUL can't be taken")
    if empty:
        raise Refused("There is no message")
    return NewMessage(content, one.system, one.keywords, one.date, one.zone)

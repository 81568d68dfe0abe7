"""APPEND (RFC 3501 section 6.3.11), of several messages too (RFC 3502), with APPENDUID (RFC 4315)."""

from __future__ import annotations

from imap.errors import Refused
from imap.session.context import Context
from imap.session.steps import CommandSteps
from imap.spool import Spool
from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.responses import Kind, Status
from imap.wire.sets import write
from message.content import MemoryContent
from storage.database import disk_error
from storage.errors import NoSuchMailbox
from storage.model import Mailbox, NewMessage


def append(context: Context, tag: bytes, command: c.Append) -> CommandSteps:
    """All messages or none. The connection gives back what they were spooled in."""
    messages = [_new(one) for one in command.messages]
    mailbox = target(context, command.mailbox)
    uids = context.store.append(context.number, mailbox.id, messages)
    context.look_again()
    code = b"APPENDUID %d %b" % (mailbox.uidvalidity, write(uids))
    yield Status(Kind.OK, "Kept", code, tag)


def target(context: Context, name: str) -> Mailbox:
    """The mailbox that messages are to go to. Refused with TRYCREATE (RFC 3501 section 6.3.11)."""
    try:
        return context.store.mailbox(context.number, name)
    except NoSuchMailbox:
        raise Refused("There is no such mailbox", b"TRYCREATE") from None


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

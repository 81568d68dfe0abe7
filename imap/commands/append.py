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
from message.content import Content, MemoryContent
from storage.database import disk_error
from storage.errors import NoSuchMailbox
from storage.model import Mailbox, NewMessage

#: Octets of a header that are looked at.
_HEADER = 256 * 1024


def append(context: Context, tag: bytes, command: c.Append) -> CommandSteps:
    """All messages or none. The connection gives back what they were spooled in."""
    messages = [_new(context, one) for one in command.messages]
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


def _new(context: Context, one: c.Appended) -> NewMessage:
    if isinstance(one.content, Spool):
        if one.content.failure is not None:
            raise disk_error(one.content.failure)
        empty, has_nul, content = not one.content.size, one.content.has_nul, one.content.content()
    else:
        assert isinstance(one.content, bytes)
        empty, has_nul, content = not one.content, b"\0" in one.content, MemoryContent(one.content)
    if has_nul and one.binary:
        raise Refused("Binary content is not kept as it is: encode it", b"UNKNOWN-CTE")
    if has_nul:
        # RFC 3501 section 4.3: a literal is made of CHAR8, which is everything but NUL.
        raise ParseError("a message with NUL can't be taken")
    if empty:
        raise Refused("There is no message")
    if not context.utf8 and _has_utf8_header(content):
        raise Refused("A header in UTF-8 takes ENABLE UTF8=ACCEPT", b"CANNOT")
    return NewMessage(content, one.system, one.keywords, one.date, one.zone)


def _has_utf8_header(content: Content) -> bool:
    """True for an internationalised message (RFC 6532), which RFC 9755 section 4 keeps from clients that know none.

    Old mail with another charset in its header is none: mail is moved here from other servers, and it has to come.
    """
    try:
        buffer = content.buffer()
        end = buffer.find(b"\r\n\r\n", 0, _HEADER)
        header = bytes(buffer[: end if end >= 0 else _HEADER])
    finally:
        content.close()
    if header.isascii():
        return False
    try:
        header.decode()
    except UnicodeDecodeError:
        return False
    return True

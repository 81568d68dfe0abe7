"""APPEND (RFC 3501 section 6.3.11), of several messages too (RFC 3502), with APPENDUID (RFC 4315)."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace as changed

from imap.commands.catenate import catenated, put
from imap.commands.portion import exceeded
from imap.commands.settled import settled
from imap.errors import Refused
from imap.session.context import Context
from imap.session.places import Place
from imap.session.rights import Rights, settable
from imap.session.steps import CommandSteps
from imap.spool import Spool
from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.responses import Kind, Status, ok
from imap.wire.sets import write
from message.content import Content, MemoryContent
from message.reencode import NotEncodable, without_nul
from storage.database import disk_error
from storage.errors import NoSuchMailbox
from storage.model import EVERY_FLAG, OWN_KEYWORDS, NewMessage, Settable

#: Octets of a header that are looked at.
_HEADER = 256 * 1024


def append(context: Context, tag: bytes, command: c.Append) -> CommandSteps:
    """All messages or none. The connection gives back what they were spooled in."""
    place = target(context, command.mailbox)
    if 0 < context.settings.message_limit < len(command.messages):
        raise Refused("There are more messages than one command keeps", exceeded(context))
    with ExitStack() as spools:
        messages = [_new(context, one, spools) for one in command.messages]
        messages = [_within(settable(place.rights), one) for one in messages]
        uids = context.store.append(place.account, place.id, messages)
    context.made(place, uids)
    code = b"APPENDUID %d %b" % (place.mailbox.uidvalidity, write(uids))
    yield Status(Kind.OK, "Kept", code, tag)


def replace(context: Context, tag: bytes, command: c.Replace) -> CommandSteps:
    """A message for another, in one transaction (RFC 8508); APPENDUID comes before the removal (section 4.3)."""
    box = context.writable(Rights.DELETE_MESSAGES | Rights.EXPUNGE)
    rows = [row for _, row in box.rows(box.places(command.number, uid=command.uid))]
    if not rows:
        raise Refused("There is no such message to be replaced", b"NONEXISTENT" if command.uid else b"EXPUNGEISSUED")
    place = target(context, command.mailbox)
    if place.account != box.account:
        raise Refused("A message is replaced within one account: append it there instead", b"CANNOT")
    with ExitStack() as spools:
        message = _new(context, command.message, spools)
        message = _within(settable(place.rights), message)
        uid = context.store.replace(box.account, box.id, rows[0].uid, place.id, message)
    context.made(place, [uid])
    context.look_again(numbers=True)
    yield ok("Kept", b"APPENDUID %d %d" % (place.mailbox.uidvalidity, uid))
    yield settled(context, tag, "Replaced")


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
    return changed(one, system=one.system & may.system, keywords=one.keywords if may.keywords else ())


def _new(context: Context, one: c.Appended, spools: ExitStack) -> NewMessage:
    """The message to be kept; what its pieces are put together in is closed with ``spools``."""
    whole = one.content
    if isinstance(whole, tuple):
        whole = Spool(context.services.spool)
        spools.callback(whole.close)
        catenated(context, one.content, whole)  # type: ignore[arg-type]
    if isinstance(whole, Spool):
        if whole.failure is not None:
            raise disk_error(whole.failure)
        empty, has_nul, content = not whole.size, whole.has_nul, whole.content()
    else:
        assert isinstance(whole, bytes)
        empty, has_nul, content = not whole, b"\0" in whole, MemoryContent(whole)
    if has_nul and one.binary:
        content = _encoded(context, content, spools)
    elif has_nul:
        # RFC 3501 section 4.3: a literal is made of CHAR8, which is everything but NUL.
        raise ParseError("a message with NUL can't be taken")
    if empty:
        raise Refused("There is no message")
    if not context.utf8 and _has_utf8_header(content):
        raise Refused("A header in UTF-8 takes ENABLE UTF8=ACCEPT", b"CANNOT")
    keywords = tuple(keyword for keyword in one.keywords if keyword.lower() not in OWN_KEYWORDS)
    return NewMessage(content, one.system, keywords, one.date, one.zone)


def _encoded(context: Context, content: Content, spools: ExitStack) -> Content:
    """Binary content in base64: what is kept has no NUL (RFC 3516 sections 4.4 and 6)."""
    spool = Spool(context.services.spool)
    spools.callback(spool.close)
    try:
        for piece in without_nul(content.buffer()):
            put(context, spool, piece)
    except NotEncodable:
        raise Refused("There is NUL where no encoding helps", b"UNKNOWN-CTE") from None
    finally:
        content.close()
    if spool.failure is not None:
        raise disk_error(spool.failure)
    return spool.content()


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

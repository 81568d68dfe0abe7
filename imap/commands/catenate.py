"""CATENATE (RFC 4469): a message put together of new octets and of parts of messages that are here already."""

from __future__ import annotations

from collections.abc import Iterator

from imap.commands.sections import Body
from imap.errors import Refused
from imap.session.context import Context
from imap.session.rights import Rights
from imap.spool import Spool
from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.urls import MessageUrl, parse_url, shown
from storage.database import disk_error
from storage.errors import NoSuchMailbox, NoSuchMessage
from storage.model import Columns

_BLOCK = 64 * 1024


def catenated(context: Context, pieces: tuple[c.Url | c.Text, ...], spool: Spool) -> None:
    """Fill the spool. Refused with BADURL for the first URL that leads to nothing, and with TOOBIG."""
    for piece in pieces:
        blocks = _octets(context, piece.octets) if isinstance(piece, c.Url) else _text(piece)
        for block in blocks:
            put(context, spool, block)


def put(context: Context, spool: Spool, octets: bytes) -> None:
    """Octets of a message that is put together here. Refused with TOOBIG."""
    if spool.size + len(octets) > context.settings.append_limit:
        raise Refused(f"A message may have {context.settings.append_limit} octets", b"TOOBIG")
    spool.write(octets)


def _text(piece: c.Text) -> Iterator[bytes]:
    if isinstance(piece.content, bytes):
        yield piece.content
        return
    assert isinstance(piece.content, Spool)
    if piece.content.failure is not None:
        raise disk_error(piece.content.failure)
    content = piece.content.content()
    yield from content.blocks()
    content.close()


def _octets(context: Context, url: bytes) -> Iterator[bytes]:
    """What FETCH BODY.PEEK would give."""
    try:
        yield from _found(context, parse_url(url))
    except (ParseError, Refused, NoSuchMailbox, NoSuchMessage):
        raise Refused("The URL leads to no message or part here", b"BADURL " + shown(url)) from None


def _found(context: Context, url: MessageUrl) -> Iterator[bytes]:
    if url.mailbox is None:
        mailbox = context.box().view.mailbox
    else:
        mailbox = context.place(url.mailbox, Rights.READ).mailbox
    if url.uidvalidity not in (None, mailbox.uidvalidity):
        raise NoSuchMessage("the mailbox was made anew")
    row = context.store.view(mailbox.account, mailbox.id).row(url.uid)
    columns = next(iter(context.store.contents(mailbox.account, mailbox.id, [url.uid], Columns.PARTS)), None)
    if row is None or columns is None:
        raise NoSuchMessage("there is no such message")
    with Body(context.store.body(mailbox.account, mailbox.id, row), columns.parts) as body:
        octets = body.section(url.section)
        if octets is None:
            raise NoSuchMessage("there is no such part")
        origin, count = url.partial
        with octets:
            end = len(octets) if count is None else min(len(octets), origin + count)
            for start in range(origin, end, _BLOCK):
                yield bytes(octets[start : min(start + _BLOCK, end)])

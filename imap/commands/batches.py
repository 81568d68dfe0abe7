"""UIDBATCHES (RFC 10022), as Cyrus IMAP answers it: where to cut a mailbox so that all pieces have as many messages."""

from __future__ import annotations

from imap.session.context import Context
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import Kind, Status, UidBatches


def uid_batches(context: Context, tag: bytes, command: c.UidBatches) -> CommandSteps:
    """Ranges that leave no UID out; the last one ends with UID 1, whether there is a message or not.

    Batches may be as small and as many as the client likes.
    """
    size, first, last = command.size, command.first, command.last
    if not size or not first or (last is not None and last < first):
        yield Status(Kind.BAD, "Batches and their size are counted from 1, in rising order", b"CLIENTBUG", tag)
        return
    uids = context.box().uids
    count = -(-len(uids) // size)
    wanted = range(first, min(count, count if last is None else last) + 1)
    highest = [uids[len(uids) - (batch - 1) * size - 1] for batch in wanted]
    lowest = [uids[len(uids) - batch * size] if batch < count else 1 for batch in wanted]
    yield UidBatches(tag, tuple(zip(highest, lowest, strict=True)))

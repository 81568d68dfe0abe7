"""The answer to commands that remove messages."""

from __future__ import annotations

from imap.session.context import Context
from imap.session.steps import WhenTold
from imap.wire.responses import Kind, Status


def settled(context: Context, tag: bytes, text: str) -> WhenTold:
    """OK after removals; HIGHESTMODSEQ says up to where all is told (RFC 7162 section 3.2.7, RFC 6851 section 4.4)."""

    def answer() -> Status:
        code = b"HIGHESTMODSEQ %d" % context.box().settled if context.condstore else None
        return Status(Kind.OK, text, code, tag)

    return WhenTold(answer)

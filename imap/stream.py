"""Pulls a session's steps, a bounded amount at a time, so that no answer is ever whole in memory."""

from __future__ import annotations

from dataclasses import dataclass

from imap.session.steps import BLOCKS, Steps, Wish

#: Octets taken from a generator before they are handed to the transport.
PORTION = 128 * 1024


@dataclass(frozen=True, slots=True)
class Portion:
    """Octets to be written, then a wish to be fulfilled. ``ended`` is true when nothing more comes."""

    octets: bytes
    wish: Wish | None = None
    ended: bool = False


def pull(steps: Steps, value: bytes | None, *, may_block: bool, before: bytes = b"") -> Portion:
    """Run the steps on, with the answer to their last wish, up to a portion, a wish or their end.

    Called in a worker thread with ``may_block``, else in the reactor's, never by two threads at a time. ``before`` are
    octets to be sent first, in the same portion.
    """
    pieces = [before] if before else []
    size = len(before)
    try:
        while size < PORTION:
            step = steps.send(value)
            value = None
            if not isinstance(step, bytes):
                if step is BLOCKS and may_block:
                    continue
                return Portion(b"".join(pieces), step)
            pieces.append(step)
            size += len(step)
    except StopIteration:
        return Portion(b"".join(pieces), ended=True)
    return Portion(b"".join(pieces))

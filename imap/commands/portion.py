"""MESSAGELIMIT (RFC 9738): one command works on no more messages than this, those with the highest UIDs first.

What was left out is told with the tagged answer, by the lowest UID that was worked on: the client goes on below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from imap.session.context import Context
from imap.session.selected import Places, SelectedMailbox

T = TypeVar("T")


def portion(context: Context, box: SelectedMailbox, places: Places) -> Places:
    """The places that the command works on: all, or as many as the limit allows, from the end."""
    left = context.settings.message_limit
    if not left or sum(end - start for start, end in places) <= left:
        return places
    kept: list[tuple[int, int]] = []
    for start, end in reversed(places):
        kept.append((max(start, end - left), end))
        left -= end - kept[-1][0]
        if not left:
            break
    context.left_out = exceeded(context, box.uids[kept[-1][0]])
    return kept[::-1]


def portion_of_rows(context: Context, rows: Sequence[tuple[int, T]], uid_of: Sequence[int]) -> Sequence[tuple[int, T]]:
    """The same of numbered rows; ``uid_of`` is the session's numbering."""
    limit = context.settings.message_limit
    if not limit or len(rows) <= limit:
        return rows
    context.left_out = exceeded(context, uid_of[rows[-limit][0] - 1])
    return rows[-limit:]


def portion_of_uids(context: Context, uids: list[int]) -> list[int]:
    """The same of rising UIDs."""
    limit = context.settings.message_limit
    if not limit or len(uids) <= limit:
        return uids
    context.left_out = exceeded(context, uids[-limit])
    return uids[-limit:]


def exceeded(context: Context, lowest: int | None = None) -> bytes:
    """The response code; ``lowest`` is the lowest UID that is worked on, None where nothing can be done by halves."""
    code = b"MESSAGELIMIT %d" % context.settings.message_limit
    return code if lowest is None else b"%b %d" % (code, lowest)

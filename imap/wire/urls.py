"""URLs of messages and their parts, as CATENATE takes them (RFC 4469 section 3, RFC 5092)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from imap.wire.commands import Section
from imap.wire.errors import ParseError
from imap.wire.parser import section

_URL = re.compile(
    rb"(?:/(?P<mailbox>[^;?/][^;?]*?))?(?:;UIDVALIDITY=(?P<validity>[1-9][0-9]{0,9}))?/?;UID=(?P<uid>[1-9][0-9]{0,9})"
    rb"(?:/;SECTION=(?P<section>[^;?]+?))?(?:/;PARTIAL=(?P<origin>[0-9]{1,19})(?:\.(?P<count>[1-9][0-9]{0,18}))?)?",
    re.IGNORECASE,
)
_UNSAFE = re.compile(rb"[^\x21-\x5c\x5e-\x7e]")


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """A message or a section of it. ``mailbox`` None is the selected one, ``uidvalidity`` None any.

    ``partial`` is the origin and the count, None for all that follows.
    """

    mailbox: str | None
    uidvalidity: int | None
    uid: int
    section: Section
    partial: tuple[int, int | None]


def parse_url(url: bytes) -> MessageUrl:
    """A URL relative to one's own account. Raises ParseError for others, and for what is none."""
    found = _URL.fullmatch(url)
    if not found:
        raise ParseError("that is no URL of a message here")
    mailbox, validity, origin, count = found.group("mailbox", "validity", "origin", "count")
    try:
        name = None if mailbox is None else unquote_to_bytes(mailbox).decode()
    except UnicodeDecodeError:
        raise ParseError("the mailbox in the URL is not UTF-8") from None
    return MessageUrl(
        name,
        int(validity) if validity else None,
        int(found["uid"]),
        section(unquote_to_bytes(found["section"] or b"")),
        (int(origin or 0), int(count) if count else None),
    )


def shown(url: bytes) -> bytes:
    """The URL as it may stand in a response code."""
    return _UNSAFE.sub(lambda octet: b"%%%02X" % ord(octet[0]), url[:1000])

"""EHLO keywords, in both directions. Pure. RFC 5321 section 4.1.1.1; each keyword's RFC is named beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from smtp.wire.reply import Reply

_ALWAYS = (
    "PIPELINING",  # RFC 2920
    "8BITMIME",  # RFC 6152
    "SMTPUTF8",  # RFC 6531
    "ENHANCEDSTATUSCODES",  # RFC 2034
    "CHUNKING",  # RFC 3030
    "DSN",  # RFC 3461
)
_SIZE = re.compile(r"[0-9]{1,20}")


def ehlo_reply(hostname: str, *, size: int, starttls: bool, mechanisms: tuple[str, ...]) -> Reply:
    """The answer to EHLO: ``size`` in octets (RFC 1870), STARTTLS (RFC 3207), AUTH when there are mechanisms (RFC
    4954).
    """
    keywords = [f"SIZE {size}", *_ALWAYS]
    if starttls:
        keywords.append("STARTTLS")
    if mechanisms:
        keywords.append("AUTH " + " ".join(mechanisms))
    return Reply(250, "", hostname, tuple(keywords))


@dataclass(frozen=True, slots=True)
class Offer:
    """What a far server said that it can do. ``size`` None: no limit known (RFC 1870 section 4)."""

    keywords: frozenset[str] = frozenset()
    size: int | None = None

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords


def parse_offer(text: str) -> Offer:
    """The text of a 250 answer to EHLO, lines separated by ``\\n``; the first line is the greeting. Never raises."""
    keywords = set()
    size = None
    for line in text.split("\n")[1:]:
        words = line.split()
        if not words:
            continue
        keyword = words[0].upper()
        keywords.add(keyword)
        if keyword == "SIZE" and len(words) > 1 and _SIZE.fullmatch(words[1]):
            size = int(words[1]) or None
    return Offer(frozenset(keywords), size)

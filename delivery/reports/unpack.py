"""What a report speaks of: the messages attached to it, or the ids that its text and its References name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from message.content import Buffer
from message.headers import parse_headers
from message.parts import scan, walk
from message.transfer import decoded_blocks

#: Messages in one report that are looked at.
MOST = 20

#: Octets of text in which ids are looked for.
_TEXT = 64 * 1024

_ID = re.compile(rb"<[^<>\s]{1,250}@[^<>\s]{1,250}>")
_QUOTED_ID = re.compile(rb"message-id\s*:\s*(<[^<>\s]{1,250}@[^<>\s]{1,250}>)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subject:
    """A message that is spoken of: its id (``""`` if it has none), and its octets if they were attached."""

    message_id: str
    octets: bytes | None = None


def subjects(report: Buffer) -> list[Subject]:
    """The messages of a report, attached ones before those that are only named, each once, at most ``MOST``.

    Attached: message/rfc822 parts, and files named ``.eml``. Named: as iOS forwards inline, by References and
    In-Reply-To, and by a Message-ID line in the text (RFC 5322 section 3.6.4).
    """
    attached = list(_attached(report))
    if attached:
        return attached[:MOST]
    return [Subject(one) for one in dict.fromkeys(_named(report))][:MOST]


def _attached(report: Buffer) -> Iterator[Subject]:
    seen: set[bytes] = set()
    root = scan(report)
    inner: set[int] = set()
    for part in walk(root):
        if id(part) in inner:
            continue
        name = dict(part.disposition_params).get("filename") or dict(part.params).get("name") or ""
        if part.message is not None:
            inner |= {id(one) for one in walk(part.message)}
        elif not name.lower().endswith(".eml"):
            continue
        octets = b"".join(decoded_blocks(report, part))
        if octets and octets not in seen:
            seen.add(octets)
            yield Subject(_first_id(parse_headers(octets).first(b"Message-ID") or b""), octets)


def _named(report: Buffer) -> Iterator[str]:
    headers = parse_headers(report)
    for part in walk(scan(report)):
        if part.main == "text":
            text = b"".join(decoded_blocks(report, part))[:_TEXT].replace(b"&lt;", b"<").replace(b"&gt;", b">")
            for found in _QUOTED_ID.finditer(text):
                yield found[1].decode("ascii", "replace")
    for name in (b"In-Reply-To", b"References"):
        # The last one named is the one that was forwarded; those before it are what it answers.
        if ids := _ID.findall(headers.first(name) or b""):
            yield ids[-1].decode("ascii", "replace")


def _first_id(value: bytes) -> str:
    found = _ID.search(value)
    return found[0].decode("ascii", "replace") if found else ""

"""One message, decoded once for all rules and the tokenizer, within limits.

Everything is worked out on first use and kept: a rule that asks for the links costs nothing when another one asked
before. Views read the message's octets and never the network, the clock or the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any, TypeVar

from mailauth.results import AuthenticationResults
from message.address import Address, parse_addresses
from message.parts import Part, walk
from message.text import Html, decoded, part_text, read_html
from spamfilter.archives import Contents, contents
from spamfilter.domains import site, within_any
from spamfilter.evidence import Evidence
from spamfilter.links import Link, distinct, in_text, read_link
from spamfilter.pictures import links_in
from spamfilter.signatures import ARCHIVES, Kind, kind_of
from spamfilter.words import BLOCK, folded, readable, splits_words

MAX_PARTS = 200
MAX_ATTACHMENTS = 30
MAX_ADDRESSES = 100
#: Decoded octets of an attachment that rules look at.
ATTACHMENT_START = 64 * 1024
#: Decoded octets of an archive that are looked at; the directory of a larger zip file is not reached.
ARCHIVE_LIMIT = 8 << 20
#: What anything holds that is no archive.
NOTHING = Contents()

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Attachment:
    """A part that is not shown as text, whose header is at ``at``. ``name`` is lower case, ``type`` as declared,
    ``start`` its first octets; ``whole`` decodes the rest."""

    at: int
    name: str
    type: str
    start: bytes
    whole: Callable[[], bytes]

    @cached_property
    def kind(self) -> Kind:
        """What it is by its content."""
        return kind_of(self.start)

    @cached_property
    def contents(self) -> Contents:
        """What it holds when it is an archive (documents of today's offices are)."""
        return contents(self.whole()) if self.kind in ARCHIVES else NOTHING

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions, last one first: "facture.pdf.exe" -> ("exe", "pdf")."""
        pieces = self.name.rstrip(". ").split(".")
        return tuple(piece.strip() for piece in reversed(pieces[1:][-3:]))

    @property
    def extension(self) -> str:
        """The last extension or ""."""
        return self.extensions[0] if self.extensions else ""


class Views:
    """What a message looks like, to people and to programs."""

    def __init__(self, evidence: Evidence, text_limit: int) -> None:
        """``text_limit``: characters of decoded text looked at in all, plain and HTML each."""
        self.evidence = evidence
        self.headers = evidence.headers
        self._limit = text_limit
        self._answers: dict[Callable[[Views], Any], Any] = {}

    def once(self, question: Callable[[Views], _Answer]) -> _Answer:
        """The answer of a function of the message, worked out once: for what a few rules share."""
        if question not in self._answers:
            self._answers[question] = question(self)
        answer: _Answer = self._answers[question]
        return answer

    # Header fields

    def has(self, name: bytes) -> bool:
        """True when the field is there."""
        return self.headers.count(name) > 0

    @cached_property
    def raw_subject(self) -> str:
        """The decoded subject with everything that is in it."""
        return self.headers.text(b"subject")[:BLOCK]

    @cached_property
    def subject(self) -> str:
        """The subject as people read it."""
        return readable(self.raw_subject)

    @cached_property
    def folded_subject(self) -> str:
        """The subject for looking up phrases."""
        return folded(self.subject)

    def addresses(self, name: bytes) -> list[Address]:
        """The first addresses of a field, in all its occurrences."""
        found: list[Address] = []
        for value in self.headers.all(name)[:10]:
            found += parse_addresses(value[:BLOCK], MAX_ADDRESSES)
        return found[:MAX_ADDRESSES]

    @cached_property
    def authors(self) -> list[Address]:
        """The addresses of From."""
        return self.addresses(b"from")

    @cached_property
    def author(self) -> Address | None:
        """The first whole address of From; names with an unquoted comma leave pieces before it."""
        whole = (author for author in self.authors if author.domain)
        return next(whole, self.authors[0] if self.authors else None)

    @cached_property
    def author_name(self) -> str:
        """The display name of the first author as people read it."""
        return readable(self.author.name[:1000]).strip() if self.author else ""

    @cached_property
    def folded_author_name(self) -> str:
        """The beginning of that name, for looking up names."""
        return folded(self.author_name[:200])

    @cached_property
    def author_domain(self) -> str:
        """The domain of the first author, "" when there is none."""
        return self.author.domain[:253] if self.author else ""

    @cached_property
    def answers_to(self) -> list[Address]:
        """The addresses of Reply-To."""
        return self.addresses(b"reply-to")

    @cached_property
    def recipients(self) -> list[Address]:
        """The addresses of To and Cc."""
        return self.addresses(b"to") + self.addresses(b"cc")

    # Who is who

    @property
    def authentication(self) -> AuthenticationResults | None:
        """What DNS and signatures say, None when they were not checked."""
        return self.evidence.authentication

    def is_ours(self, domain: str) -> bool:
        """True for our mail domains and those below them."""
        return within_any(domain, self.evidence.local_domains)

    def is_authors(self, host: str) -> bool:
        """True when ``host`` belongs to the site of the author."""
        return bool(host) and site(host) == site(self.author_domain)

    # Parts

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """All leaves of the MIME tree, those of forwarded messages included."""
        leaves = (part for part in walk(self.evidence.root) if not part.children and part.message is None)
        return tuple(islice(leaves, MAX_PARTS))

    def _shown(self, sub: str) -> Iterable[Part]:
        return (p for p in self.parts if p.main == "text" and p.sub == sub and p.disposition != "attachment")

    @cached_property
    def _raw_plain(self) -> str:
        pieces: list[str] = []
        left = self._limit
        for part in self._shown("plain"):
            if left <= 0:
                break
            piece = part_text(self.evidence.buffer, part, left)[:left]
            pieces.append(piece)
            left -= len(piece) + 1
        return "\n".join(pieces)

    @cached_property
    def plain(self) -> str:
        """The text of all plain parts as people read it."""
        return readable(self._raw_plain)[: self._limit]

    @cached_property
    def html(self) -> tuple[Html, ...]:
        """All HTML parts, taken apart."""
        found: list[Html] = []
        left = 1 << 20
        for part in self._shown("html"):
            if left <= 0:
                break
            source = part_text(self.evidence.buffer, part, left)
            left -= len(source) + 1
            found.append(read_html(source))
        return tuple(found)

    @cached_property
    def html_text(self) -> str:
        """The text that HTML parts show."""
        return readable(self._raw_html_text)[: self._limit]

    @cached_property
    def _raw_html_text(self) -> str:
        return "\n".join(part.text for part in self.html)[: self._limit]

    @cached_property
    def splits_words(self) -> bool:
        """True when invisible characters stand inside words of the text."""
        return splits_words(self._raw_plain) or splits_words(self._raw_html_text)

    @cached_property
    def body(self) -> str:
        """The text that most people see: HTML when there is any, else plain."""
        return self.html_text if self.html_text.strip() else self.plain

    def words_up_to(self, most: int) -> int:
        """The number of words of the body, counted up to ``most``."""
        return min(len(self.body.split(None, most)), most)

    @cached_property
    def folded(self) -> str:
        """Subject and the first 16 KiB of text, for looking up phrases."""
        return self.folded_subject + folded(self.body[:BLOCK])

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """The first 100 distinct links, HTML ones before those written out."""
        return distinct(self._all_links())

    def _all_links(self) -> Iterable[Link]:
        for part in self.html:
            for href, shown in part.links:
                yield read_link(href, " ".join(readable(shown[:500]).split()))
        yield from in_text(self.plain, 4 * BLOCK)
        if not any(part.links for part in self.html):
            # Programs make links of addresses that are only written.
            yield from in_text(self.html_text, 4 * BLOCK)
        for found in self.codes:
            yield read_link(found, "")

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The web addresses in QR codes of pictures."""
        return links_in(self.attachments)

    @cached_property
    def web_links(self) -> tuple[Link, ...]:
        """The links that a browser opens."""
        return tuple(link for link in self.links if link.is_web)

    @cached_property
    def link_hosts(self) -> tuple[str, ...]:
        """The distinct hosts of web links, in order."""
        return tuple(dict.fromkeys(link.host for link in self.web_links))

    @cached_property
    def attachments(self) -> tuple[Attachment, ...]:
        """The parts that are files: named, marked as such, or of a type that is not shown as text."""
        files = (
            p for p in self.parts if p.disposition == "attachment" or p.filename or p.main not in ("text", "multipart")
        )
        return tuple(self._attachment(part) for part in islice(files, MAX_ATTACHMENTS))

    def with_only(self, attachment: Attachment) -> Views:
        """The same message as if this were all that is attached."""
        alone = copy(self)
        alone.__dict__["attachments"] = (attachment,)
        return alone

    def _attachment(self, part: Part) -> Attachment:
        start = decoded(self.evidence.buffer, part, ATTACHMENT_START)[:ATTACHMENT_START]
        whole = partial(self._whole, part)
        return Attachment(
            part.header_start, (part.filename or "")[:255].lower(), f"{part.main}/{part.sub}", start, whole
        )

    def _whole(self, part: Part) -> bytes:
        return decoded(self.evidence.buffer, part, ARCHIVE_LIMIT)[:ARCHIVE_LIMIT]

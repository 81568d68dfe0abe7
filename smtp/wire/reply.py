"""SMTP replies: a code, an enhanced status code, and text. Pure, for both directions.

RFC 5321 section 4.2 (codes, multi-line form), section 4.5.3.1.5 (512 octets a line), RFC 2034 and RFC 3463 (enhanced
codes).
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass, field

LINE = 512
_TEXT = 400

_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s+|$)")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def ascii_text(text: str) -> str:
    """``text`` fit for a reply line: controls become spaces, accents are dropped, what is left of non-ASCII becomes
    ``?``.

    RFC 6531 section 3.7.4.2 allows UTF-8 in replies only to clients that asked for it; ASCII is understood by all.
    """
    text = _CONTROLS.sub(" ", text).strip()
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).encode("ascii", "replace").decode("ascii")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. ``status`` is ``""`` where RFC 2034 section 3 wants none: greeting, EHLO, 3xx.

    ``more`` are further lines (EHLO keywords). Long text is folded into several lines of the same code.
    """

    code: int
    status: str
    text: str
    more: tuple[str, ...] = ()
    octets: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        start = f"{self.status} " if self.status else ""
        lines: list[str] = []
        for text in (self.text, *self.more):
            text = ascii_text(text)
            lines += [start + piece for piece in (textwrap.wrap(text, _TEXT) if len(text) > _TEXT else [text])]
        last = len(lines) - 1
        joined = "".join(f"{self.code}{' ' if n == last else '-'}{line}\r\n" for n, line in enumerate(lines))
        object.__setattr__(self, "octets", joined.encode("ascii"))

    @property
    def positive(self) -> bool:
        """True for 2xx and 3xx."""
        return self.code < 400

    @property
    def closing(self) -> bool:
        """True when the connection ends after this reply (RFC 5321 section 4.2.3: 221, 421)."""
        return self.code in (221, 421)

    def saying(self, text: str) -> Reply:
        """The same codes with other words."""
        return Reply(self.code, self.status, text)


class Refused(Exception):
    """Raised where a command can't be obeyed; carries the reply that says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.code} {reply.status} {reply.text}")
        self.reply = reply


def parse_status(code: int, text: str) -> tuple[str, str]:
    """Enhanced status code and remaining text of a far server's reply.

    A status that is missing, or of another class than ``code``, gives ``X.0.0`` (RFC 3463 section 3.1) and the text
    as it is. Lines of a multi-line reply are joined by spaces, each without the status.
    """
    kind = str(code)[0]
    status = ""
    words = []
    for line in text.split("\n"):
        found = _STATUS.match(line)
        if found and found[1] == kind:
            status = status or f"{found[1]}.{int(found[2])}.{int(found[3])}"
            line = line[found.end() :]
        words.append(line.strip())
    return status or f"{kind}.0.0", " ".join(word for word in words if word)

"""The links of a message: where they lead and what they show. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spamfilter.words import blocks, readable

MAX_LINKS = 100
MAX_LENGTH = 2048

# The first letter is looked for by itself: the search skips all others at a third of the time.
_IN_TEXT = re.compile(r"[hHwW](?:(?<=[hH])[tT][tT][pP][sS]?://|(?<=[wW])[wW][wW]\.)[^\s<>\"'\[\]{}|\\^`]+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}:")
_LABEL = re.compile(r"[\w-]{1,63}")


@dataclass(frozen=True, slots=True)
class Link:
    """One link. ``host`` is lower case without port and trailing dot, "" for mailto: and the like; ``rest`` is path and
    query as written; ``shown`` is the text that a reader sees, "" when the address itself stands in plain text."""

    url: str
    scheme: str
    host: str
    rest: str
    has_user: bool
    port: str
    shown: str = ""

    @property
    def is_web(self) -> bool:
        """True for a link that a browser opens on a host."""
        return self.host != "" and self.scheme in ("http", "https")

    @property
    def path(self) -> str:
        """The path without query and fragment."""
        return self.rest.split("?", 1)[0].split("#", 1)[0]


def read_link(url: str, shown: str = "") -> Link:
    """Take an address apart the way browsers do: backslashes are slashes, tabs and line ends are not there."""
    url = url[:MAX_LENGTH].strip().replace("\t", "").replace("\n", "").replace("\r", "")
    match = _SCHEME.match(url[:32].lower())
    if match:
        scheme, rest = match[0][:-1], url[match.end() :]
    elif url.startswith("//") or url[:4].lower() == "www.":
        scheme, rest = "http", "//" + url.lstrip("/")
    else:
        return Link(url, "", "", url, False, "", shown)
    if scheme not in ("http", "https", "ftp"):
        return Link(url, scheme, "", rest, False, "", shown)
    rest = rest.replace("\\", "/").lstrip("/")
    cut = min((at for at in (rest.find("/"), rest.find("?"), rest.find("#")) if at >= 0), default=len(rest))
    authority, rest = rest[:cut], rest[cut:]
    user, at, host = authority.rpartition("@")
    port = ""
    if not host.startswith("["):
        host, _, port = host.partition(":")
    host = readable(host).lower().rstrip(".")[:253]
    return Link(url, scheme, host, rest, bool(at and user), port[:6], shown)


def shown_host(link: Link) -> str:
    """The host that the text of the link claims, or "" when the text names none."""
    shown = link.shown.strip().lower()
    if not shown or " " in shown or "@" in shown or len(shown) > 300:
        return ""
    if shown.startswith(("http://", "https://", "www.")):
        return read_link(shown).host
    labels = shown.partition("/")[0].split(".")
    if not 2 <= len(labels) <= 8 or not labels[-1].isalpha() or not all(map(_LABEL.fullmatch, labels)):
        return ""
    return ".".join(labels)


def in_text(text: str, limit: int) -> Iterator[Link]:
    """Web addresses written out in plain text."""
    for block in blocks(text, limit):
        for match in _IN_TEXT.finditer(block):
            yield read_link(match[0].rstrip(".,;:!?)*_"))


def distinct(links: Iterable[Link], limit: int = MAX_LINKS) -> tuple[Link, ...]:
    """The first ``limit`` links with different address or text, in order. Stops reading after forty times as many."""
    seen: dict[tuple[str, str], Link] = {}
    for count, link in enumerate(links):
        if len(seen) >= limit or count >= 40 * limit:
            break
        seen.setdefault((link.url, link.shown), link)
    return tuple(seen.values())

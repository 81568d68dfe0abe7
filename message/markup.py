"""What a reader sees of an HTML body: visible text, links, images, forms, and how much text is hidden from sight.

A tokeniser by the rules of the HTML standard (section 13.2.5) with a flat list of open elements instead of a tree. Tree
builders follow the standard's recovery rules, which blow up on purpose-made input: with Lexbor, 80 KB of unclosed
``<font>`` become 480 MB of nodes and 100,000 ``<option>`` take twenty seconds. Here every character is looked at a
fixed number of times, whatever the input.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from message.words import printable

_NAME = r"[^\s/>][^\s/>=]*+"
_QUOTED = r"\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)"
_UNQUOTED = r"[^\s>\"'][^\s>]*+"
_TOKEN = re.compile(
    rf"(?P<text>[^<]++)"
    rf"|<(?P<end>/?)(?P<name>[a-zA-Z][^\s/>]*+)"
    rf"(?P<attributes>(?:[\s/]*+{_NAME}(?:\s*+=\s*+(?:{_QUOTED}|{_UNQUOTED})?)?)*+)[\s/]*+(?:>|\Z)"
    rf"|<!--(?:-?>|.*?(?:--!?>|\Z))"
    rf"|<[!?/][^>]*+(?:>|\Z)"
    rf"|(?P<stray><)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(rf"({_NAME})(?:\s*+=\s*+({_QUOTED}|{_UNQUOTED})?)?", re.DOTALL)
# html.unescape counts with numbers of any length; nothing above seven digits is a character.
_GIANT_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{8,}+;?")

_HIDING = re.compile(
    r"display\s*+:\s*+none"
    r"|visibility\s*+:\s*+(?:hidden|collapse)"
    r"|opacity\s*+:\s*+0*+(?:\.0*+)?\s*+(?:[;!]|\Z)"
    r"|max-height\s*+:\s*+0\s*+(?:px)?\s*+(?:[;!]|\Z)"
)
_FONT_SIZE = re.compile(r"font(?:-size)?\s*:[^;]{0,100}?(?<![\w.#-])([\d.]{1,10})\s*(?:px|pt|em|rem|%|;|/|!|\Z)")

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
_SKIPPED = frozenset(("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"))
_BLOCKS = frozenset(
    (
        "address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt", "fieldset",
        "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "option", "p",
        "pre", "section", "table", "tbody", "tfoot", "thead", "tr", "ul",
    )
)  # fmt: skip
_COUNTED = frozenset(("script", "iframe", "object", "embed", "frame", "input", "meta"))
_CELLS = frozenset(("td", "th"))
# Elements whose end tag may be missing before the next one of their kind (HTML standard, section 13.1.2.4).
_CLOSED_BY_NEXT = frozenset(("dd", "dt", "li", "option", "p", "td", "th", "tr"))
_DEPTH = 1000
_ATTRIBUTES = 100
_LINKS = 10_000
_URL_LENGTH = 8192
_ANCHOR_LENGTH = 2000
# Longest attributes that are remembered.
_KNOWN_LENGTH = 200
_NO_ATTRIBUTES: Mapping[str, str] = {}

# All but single spaces, which most are and which may stay.
_SPACES = re.compile(r" [ \t\r\f\v\xa0]++|[\t\r\f\v\xa0][ \t\r\f\v\xa0]*+")
_LINES = re.compile(r"\n[ \n]++")
_URL_SPACES = re.compile(r"[\t\r\n]+")


@dataclass(frozen=True, slots=True)
class Html:
    """What an HTML body shows.

    ``text`` is the visible text, blocks on lines of their own. ``links`` are (href, anchor text) pairs in order,
    ``images`` the addresses of images. ``forms`` counts forms, ``hidden`` the characters of text that a style or
    attribute keeps from sight. ``actions`` are the addresses that forms are sent to; ``passwords``, ``scripts``,
    ``frames`` and ``refreshes`` count password fields, script elements, embedded pages and jumps to other pages.
    """

    text: str
    links: tuple[tuple[str, str], ...]
    forms: int
    images: tuple[str, ...]
    hidden: int
    actions: tuple[str, ...] = ()
    passwords: int = 0
    scripts: int = 0
    frames: int = 0
    refreshes: int = 0


def read_html(source: str, limit: int = 1 << 20) -> Html:
    """Read at most ``limit`` characters of an HTML body. Linear, never raises."""
    return _Reader(source[:limit]).read()


class _Element(NamedTuple):
    """An open element: its name, whether its text is out of sight, whether its font has no size."""

    name: str
    hidden: bool
    no_size: bool


@dataclass(slots=True)
class _Reader:
    source: str
    out: list[str] = field(default_factory=list)
    open: list[_Element] = field(default_factory=lambda: [_Element("", False, False)])
    names: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    links: list[tuple[str, str]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    elements: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    forms: int = 0
    passwords: int = 0
    refreshes: int = 0
    hidden: int = 0
    href: str | None = None
    anchor_start: int = 0

    def read(self) -> Html:
        tokens = _TOKEN.finditer(self.source)
        while match := next(tokens, None):
            text, closing, name, attributes, stray = match.groups()
            if text is not None or stray is not None:
                self._text(match[0])
            elif name is not None:
                name = name.lower()
                if closing:
                    self._end(name)
                else:
                    self._start(name, attributes)
                    if name in _SKIPPED:
                        tokens = _TOKEN.finditer(self.source, _after(name, self.source, match.end()))
                if name in _BLOCKS:
                    self.out.append("\n")
                elif name in _CELLS:
                    self.out.append(" ")
        self._end_link()
        text = _tidy("".join(self.out))
        seen = self.elements
        return Html(
            text,
            tuple(self.links),
            self.forms,
            tuple(self.images),
            self.hidden,
            tuple(self.actions),
            self.passwords,
            seen["script"],
            seen["iframe"] + seen["object"] + seen["embed"] + seen["frame"],
            self.refreshes,
        )

    def _text(self, source: str) -> None:
        text = _unescape(source)
        element = self.open[-1]
        if element.hidden or element.no_size:
            self.hidden += len("".join(text.split()))
        else:
            self.out.append(text.replace("\n", " "))

    def _start(self, name: str, written: str) -> None:
        attributes = _attributes(written) if "=" in written or "hidden" in written.lower() else _NO_ATTRIBUTES
        if name == "a" or name == "area":
            self._start_link(attributes.get("href"))
        elif name == "img" and len(self.images) < _LINKS:
            self.images.append(_url(attributes.get("src", "")))
        elif name == "form":
            self.forms += 1
            if len(self.actions) < _LINKS:
                self.actions.append(_url(attributes.get("action", "")))
        elif name in _COUNTED:
            self._count(name, attributes)
        if name in _VOID or len(self.open) > _DEPTH:
            return
        if name in _CLOSED_BY_NEXT and self.open[-1].name == name:
            self._end(name)
        outer = self.open[-1]
        hidden, no_size = outer.hidden or name == "template" or "hidden" in attributes, outer.no_size
        if style := attributes.get("style"):
            hides, sizes = _style(style)
            hidden = hidden or hides
            if sizes is not None:
                no_size = not sizes
        self.open.append(_Element(name, hidden, no_size))
        self.names[name] += 1

    def _count(self, name: str, attributes: Mapping[str, str]) -> None:
        self.elements[name] += 1
        if name == "input":
            self.passwords += attributes.get("type", "").strip().lower() == "password"
        elif name == "meta":
            self.refreshes += attributes.get("http-equiv", "").strip().lower() == "refresh"

    def _end(self, name: str) -> None:
        if name == "a":
            self._end_link()
        if self.names.get(name):
            while True:
                element = self.open.pop()
                self.names[element.name] -= 1
                if element.name == name:
                    return

    def _start_link(self, href: str | None) -> None:
        self._end_link()
        if href is not None and len(self.links) < _LINKS:
            self.href = _url(href)
            self.anchor_start = len(self.out)

    def _end_link(self) -> None:
        if self.href is not None:
            anchor = " ".join("".join(self.out[self.anchor_start :]).split())
            self.links.append((self.href, anchor[:_ANCHOR_LENGTH]))
            self.href = None


def _after(name: str, source: str, position: int) -> int:
    """Where the end tag of an element begins whose content is no markup; the end of the source if there is none."""
    found = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(source, position)
    return found.start() if found else len(source)


def _attributes(written: str) -> Mapping[str, str]:
    return _known_attributes(written) if len(written) <= _KNOWN_LENGTH else _read_attributes(written)


def _read_attributes(written: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(written):
        name, value = match.groups()
        if value and value[0] in "\"'":
            value = value[1:].removesuffix(value[0])
        found.setdefault(name.lower(), _unescape(value or ""))
        if len(found) == _ATTRIBUTES:
            break
    return found


# Within a mail, and from mail to mail of one program, the same attributes come again and again.
_known_attributes = lru_cache(maxsize=1024)(_read_attributes)


def _style(style: str) -> tuple[bool, bool | None]:
    """Whether a style hides its element, and whether its font has a size; None when it does not say."""
    return _known_style(style) if len(style) <= _KNOWN_LENGTH else _read_style(style)


def _read_style(style: str) -> tuple[bool, bool | None]:
    style = style.lower()
    sizes = _FONT_SIZE.findall(style)
    return _HIDING.search(style) is not None, bool(sizes[-1].strip("0.")) if sizes else None


_known_style = lru_cache(maxsize=1024)(_read_style)


def _unescape(text: str) -> str:
    return html.unescape(_GIANT_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", text)) if "&" in text else text


def _url(written: str) -> str:
    return printable(_URL_SPACES.sub("", written).strip()[:_URL_LENGTH])


def _tidy(text: str) -> str:
    return _LINES.sub("\n", _SPACES.sub(" ", text).replace(" \n", "\n")).strip()

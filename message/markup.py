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
# A tag, a comment or a declaration; what stands between them is text, a stray "<" as well.
_MARKUP = re.compile(
    rf"<(?:(/?)([a-zA-Z][^\s/>]*+)((?:[\s/]*+{_NAME}(?:\s*+=\s*+(?:{_QUOTED}|{_UNQUOTED})?)?)*+)[\s/]*+(?:>|\Z)"
    rf"|!--(?:-?>|.*?(?:--!?>|\Z))"
    rf"|[!?/][^>]*+(?:>|\Z))",
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
_NOTED = _COUNTED | {"a", "area", "img", "form"}
_CELLS = frozenset(("td", "th"))
# Elements whose end tag may be missing before the next one of their kind (HTML standard, section 13.1.2.4).
_CLOSED_BY_NEXT = frozenset(("dd", "dt", "li", "option", "p", "td", "th", "tr"))
_DEPTH = 1000
_ATTRIBUTES = 100
_LINKS = 10_000
_URL_LENGTH = 8192
_ANCHOR_LENGTH = 2000
# Longest tag that is remembered.
_KNOWN_LENGTH = 200

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


#: An open element: its name, whether its text is out of sight, whether its font has no size. A plain tuple: there are
#: more of them than of anything else here.
_Element = tuple[str, bool, bool]


class _Tag(NamedTuple):
    """A start tag, or an end tag's name: ``hides`` its text by attribute or style; ``sized`` tells whether its font has
    a size, None when it does not say. ``space`` is what stands for its edges in the text."""

    name: str
    attributes: Mapping[str, str]
    hides: bool
    sized: bool | None
    space: str


@dataclass(slots=True)
class _Reader:
    source: str
    out: list[str] = field(default_factory=list)
    open: list[_Element] = field(default_factory=lambda: [("", False, False)])
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
        read = 0
        markup = _MARKUP.finditer(self.source)
        while match := next(markup, None):
            start, end = match.span()
            if read < start:
                self._text(self.source[read:start])
            read = end
            closing, name, attributes = match.groups()
            if name is None:
                continue
            tag = _tag(name, attributes)
            if closing:
                self._end(tag.name)
            else:
                self._start(tag)
                if tag.name in _SKIPPED:
                    read = _after(tag.name, self.source, end)
                    markup = _MARKUP.finditer(self.source, read)
            if tag.space:
                self.out.append(tag.space)
        if read < len(self.source):
            self._text(self.source[read:])
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
        _, hidden, no_size = self.open[-1]
        if hidden or no_size:
            self.hidden += len("".join(text.split()))
        else:
            self.out.append(text.replace("\n", " "))

    def _start(self, tag: _Tag) -> None:
        name = tag.name
        if name in _NOTED:
            self._note(name, tag.attributes)
        if name in _VOID or len(self.open) > _DEPTH:
            return
        outer, hidden, no_size = self.open[-1]
        if outer == name and name in _CLOSED_BY_NEXT:
            self._end(name)
            _, hidden, no_size = self.open[-1]
        self.open.append((name, hidden or tag.hides, no_size if tag.sized is None else not tag.sized))
        self.names[name] += 1

    def _note(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "a" or name == "area":
            self._start_link(attributes.get("href"))
        elif name == "img" and len(self.images) < _LINKS:
            self.images.append(_url(attributes.get("src", "")))
        elif name == "form":
            self.forms += 1
            if len(self.actions) < _LINKS:
                self.actions.append(_url(attributes.get("action", "")))
        else:
            self._count(name, attributes)

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
                ended, _, _ = self.open.pop()
                self.names[ended] -= 1
                if ended == name:
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


def _tag(name: str, written: str) -> _Tag:
    return _known_tag(name, written) if len(name) + len(written) <= _KNOWN_LENGTH else _read_tag(name, written)


def _read_tag(name: str, written: str) -> _Tag:
    name = name.lower()
    attributes = _attributes(written) if "=" in written or "hidden" in written.lower() else {}
    style = attributes.get("style", "").lower()
    hides = name == "template" or "hidden" in attributes or _HIDING.search(style) is not None
    sizes = _FONT_SIZE.findall(style)
    sized = bool(sizes[-1].strip("0.")) if sizes else None
    return _Tag(name, attributes, hides, sized, "\n" if name in _BLOCKS else " " if name in _CELLS else "")


# Within a mail, and from mail to mail of one program, the same tags come again and again.
_known_tag = lru_cache(maxsize=1024)(_read_tag)


def _attributes(written: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(written):
        name, value = match.groups()
        if value and value[0] in "\"'":
            value = value[1:].removesuffix(value[0])
        found.setdefault(name.lower(), _unescape(value or ""))
        if len(found) == _ATTRIBUTES:
            break
    return found


def _unescape(text: str) -> str:
    return html.unescape(_GIANT_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", text)) if "&" in text else text


def _url(written: str) -> str:
    return printable(_URL_SPACES.sub("", written).strip()[:_URL_LENGTH])


def _tidy(text: str) -> str:
    return _LINES.sub("\n", _SPACES.sub(" ", text).replace(" \n", "\n")).strip()

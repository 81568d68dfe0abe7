"""The first words of a message, for lists (RFC 8970): plain text of at most 200 characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from message.content import Buffer
from message.parts import Part
from message.text import part_text, read_html
from message.words import printable

#: Characters of a preview (RFC 8970 section 3.3).
LENGTH = 200

#: Decoded octets of a part that are looked at: enough for the style sheets before the text of most letters in HTML.
_PLAIN = 4 * 1024
_HTML = 64 * 1024

_QUOTED_LINE = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
#: The line over a quotation, as French and English mail programs write it.
_ATTRIBUTION = re.compile(r"^(?:Le|On) [^\n]{1,200}(?:a écrit|wrote)\s?:[ \t\r]*$", re.MULTILINE)


def preview(buffer: Buffer, root: Part) -> str:
    """What a reader sees first, quotations left out; ``""`` where there is no text. Never raises.

    Plain text goes before HTML, as it costs less and says the same. Attachments and attached messages don't count.
    """
    for kind, limit in (("plain", _PLAIN), ("html", _HTML)):
        for part in _bodies(root):
            if part.main == "text" and part.sub == kind:
                source = part_text(buffer, part, limit)
                words = _first_words(source if kind == "plain" else read_html(source, limit).text)
                if words:
                    return words
    return ""


def _bodies(root: Part) -> Iterator[Part]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.disposition != "attachment":
            yield part
            waiting.extend(reversed(part.children))


def _first_words(text: str) -> str:
    if ">" in text:
        text = _QUOTED_LINE.sub("", text)
    if "a écrit" in text or "wrote" in text:
        text = _ATTRIBUTION.sub("", text)
    words = printable(" ".join(text.split(None, LENGTH + 1)[: LENGTH + 1]))
    if len(words) <= LENGTH:
        return words
    start = words[: LENGTH - 1]
    return (start.rpartition(" ")[0] or start) + "…"

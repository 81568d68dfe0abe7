"""Texts of strangers in our own mails: on one line, bounded, with nothing that a mail program makes a link of."""

from __future__ import annotations

import re
import unicodedata

from message.words import printable

#: What programs turn into links: a dot or an @ within a word, and the colon of a scheme.
_DOT = re.compile(r"(?<=\w)[.\u3002\uff0e\uff61](?=\w)")
_SCHEME = re.compile(r"(?<=[A-Za-z])[:\uff1a](?=\S)")


def defused(text: str, longest: int = 100) -> str:
    """The text without controls and marks of direction, cut to ``longest`` characters, its addresses made unclickable:
    ``http[:]//a[.]b``."""
    line = "".join(c for c in printable(text[: 4 * longest]) if unicodedata.category(c) not in ("Cf", "Cc", "Cs"))
    line = " ".join(line.split())
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    return _SCHEME.sub("[:]", _DOT.sub("[.]", line))

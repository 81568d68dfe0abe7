"""Text as people read it: invisible characters out, one form for equal letters, accents folded, homoglyphs undone.
Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise

#: Longest input of one regular expression (a bound on backtracking as well as on time).
BLOCK = 16 * 1024
# unicodedata sorts runs of combining marks by insertion, in quadratic time: only short pieces are given to it.
_PIECE = 1024

#: Characters that print nothing and only break words apart or turn them round; the soft hyphen is one of them.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]+"
)
_MARKS = re.compile("[\u0300-\u036f]+")
# Joiners and soft hyphens have honest uses, but not between two Latin letters of a word, nor do the others.
_SPLITTERS = "\u200b\u200c\u200d\u2060\ufeff\u180e"
_SPLIT_WORD = re.compile(f"(?<=[A-Za-zÀ-ÿ])[{_SPLITTERS}](?=[A-Za-zÀ-ÿ])")
_MIXED_SCRIPTS = re.compile("[\u0370-\u052f](?:(?=[A-Za-z])|(?<=[A-Za-z].))")
_WORD_START = re.compile(r"\b\w{1,4}")
_STYLED = re.compile("[\U0001d400-\U0001d7ff\uff21-\uff3a\uff41-\uff5a\u24b6-\u24e9\u0334-\u0338\U0001f130-\U0001f189]")

# A letter struck through is no letter of any language that is written here.
_STRUCK = re.compile("[A-Za-z][\u0334-\u0338]")

# Letters of other scripts that look like Latin ones (Unicode TR 39, the common subset), in lower case.
_LOOKS_LIKE = str.maketrans(
    "авсԁеһіјкӏмнорԛгѕтѵԝхуҽёїЇІЈαβεικνορτυχγωɑɡıɩłøđ",
    "abcdehijkimhopqrstvwxyeeiiijabeiknoptuxywagiilod",
)
_DIGIT_LETTERS = str.maketrans("013457", "oieasi")
_LIGATURES = (("œ", "oe"), ("æ", "ae"), ("ß", "ss"), ("’", "'"), ("ʼ", "'"), ("‘", "'"))


def blocks(text: str, limit: int) -> Iterator[str]:
    """The first ``limit`` characters in blocks of at most ``BLOCK``, cut at a space where there is one near the end."""
    start, end = 0, min(len(text), limit)
    while start < end:
        stop = min(start + BLOCK, end)
        if stop < end and (space := text.rfind(" ", stop - 1024, stop)) > start:
            stop = space
        yield text[start:stop]
        start = stop


def _normalised(form: str, text: str) -> str:
    return "".join(unicodedata.normalize(form, text[i : i + _PIECE]) for i in range(0, len(text), _PIECE))  # type: ignore[arg-type]


def _is_latin(text: str) -> bool:
    """True for text of ISO 8859-1: asked in a hundredth of the time that a search through the text takes."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def readable(text: str) -> str:
    """The text in Unicode form NFKC without invisible characters."""
    if text.isascii():
        return text
    if not unicodedata.is_normalized("NFKC", text):
        text = _normalised("NFKC", text)
    if _is_latin(text) and "\xad" not in text:
        return text
    return _INVISIBLE.sub("", text)


def unaccented(text: str) -> str:
    """Lower case without accents and ligatures, curly apostrophes straightened: "L’Été" -> "l'ete"."""
    if text.isascii():
        return text.lower()
    text = _UNACCENTED(text) or _unaccented(text)
    for ligature, letters in _LIGATURES:
        text = text.replace(ligature, letters)
    return text


def _unaccented(text: str) -> str:
    return _MARKS.sub("", _normalised("NFD", text.lower()))


def lower(text: str) -> str:
    """``text.lower()``, much quicker for long texts with accents."""
    return text.lower() if text.isascii() else _LOWER(text) or text.lower()


class Exchange:
    """Exchanges letters one by one, in a tenth of the usual time: by tables of the octets that stand for them.

    Nearly all mail here is in letters of a charset of single octets. Called with a text, it gives the new one, or None
    for a text with other letters.
    """

    _CHARSETS = ("latin-1", "cp1252")

    def __init__(self, change: Callable[[str], str]) -> None:
        """``change`` gives the letter that takes the place of another."""
        letters = ((charset, (bytes([i]).decode(charset, "replace") for i in range(256))) for charset in self._CHARSETS)
        self._tables = {charset: "".join(map(change, each)).encode(charset, "replace") for charset, each in letters}

    def __call__(self, text: str) -> str | None:
        for charset, table in self._tables.items():
            try:
                return text.encode(charset).translate(table).decode(charset)
            except UnicodeEncodeError:
                continue
        return None


_LOWER, _UNACCENTED = Exchange(str.lower), Exchange(_unaccented)
_WORDS = Exchange(lambda letter: letter if re.match(r"\w", letter) else " ")


def folded(text: str) -> str:
    """What phrases are looked for in: unaccented, homoglyphs undone in words of mixed script, single spaces, padded by
    them."""
    text = unaccented(text)
    if mixed_scripts(text):
        text = text.translate(_LOOKS_LIKE)
    return f" {' '.join(text.split())} "


def skeleton(text: str) -> str:
    """What a name looks like at a glance, for comparing host names: equal skeletons are easily taken for each other."""
    text = unaccented(readable(text)).translate(_LOOKS_LIKE)
    return text.replace("rn", "m").replace("vv", "w").replace("cl", "d").translate(_DIGIT_LETTERS).replace("l", "i")


_TITLES = frozenset(
    (
        "m", "mr", "mme", "mlle", "dr", "pr", "prof", "professeur", "monsieur", "madame", "le", "la", "les", "de", "du",
        "des", "l", "d", "via", "pour", "service", "ext",
    )
)  # fmt: skip
_NAME_WORD = re.compile(r"[^\W\d_]+")
_NAME_WORDS = 12


def name_keys(name: str) -> tuple[str, ...]:
    """Keys under which a person's name is compared: at a glance, in any order, without titles; that of the whole name
    first, then those of two or three neighbouring words: "DURAND Paul (rectorat)" has the key of "Paul Durand" too.

    A name of one word has no key: too many people bear it.
    """
    text = unaccented(readable(name[:200]))
    if mixed_scripts(text):
        text = text.translate(_LOOKS_LIKE)
    words = [word for word in _NAME_WORD.findall(text.translate(_DIGIT_LETTERS)) if word not in _TITLES][:_NAME_WORDS]
    windows = [words] + [words[i : i + n] for n in (3, 2) for i in range(len(words) - n + 1)]
    keys = (" ".join(sorted(window)) for window in windows if len(window) >= 2)
    return tuple(dict.fromkeys(key for key in keys if len(key) >= 6))


_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]+")


def meaningless(name: str, consonants: int = 6) -> bool:
    """True for what is no word of any language, in lower case: so many consonants in a row, or letters and digits in
    turns."""
    turns = sum(a.isdigit() != b.isdigit() for a, b in pairwise(filter(str.isalnum, name)))
    return turns >= 5 or any(len(run) >= consonants for run in _CONSONANTS.findall(name))


def splits_words(text: str) -> bool:
    """True when invisible characters stand inside Latin words, which hides the words from filters only."""
    if not any(splitter in text for splitter in _SPLITTERS):
        return False
    return any(_SPLIT_WORD.search(block) for block in blocks(text, 4 * BLOCK))


def word_starts(text: str) -> frozenset[str]:
    """The first four letters (or fewer) of all words: a quick look at what can't be in the text."""
    words = _WORDS(text)
    return frozenset(_WORD_START.findall(text) if words is None else (word[:4] for word in set(words.split())))


def styled_letters(text: str) -> bool:
    """True for words in letters made for formulas or for columns of Chinese type, or struck through by combining marks:
    they read like plain letters and match no filter's words."""
    return not text.isascii() and (len(_STYLED.findall(text[:BLOCK])) >= 3 or _STRUCK.search(text[:BLOCK]) is not None)


def mixed_scripts(text: str) -> str:
    """The first word that mixes Latin with Cyrillic or Greek letters, or ``""``."""
    if _is_latin(text):
        return ""
    for block in blocks(text, 4 * BLOCK):
        if match := _MIXED_SCRIPTS.search(block):
            start = block.rfind(" ", 0, match.start()) + 1
            end = block.find(" ", match.end())
            return block[start : end if end >= 0 else None][:40].strip()
    return ""

"""The grammar of SEARCH (RFC 3501 section 6.4.4, RFC 4731, RFC 5032, RFC 7162), without recursion.

Nested keys are kept on a stack of frames, so neither ``NOT NOT NOT ...`` nor ``OR OR OR ...`` costs Python's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.lexer import Lexer
from imap.wire.sets import NumberSet
from storage.model import (
    Age,
    AllOf,
    Body,
    Dated,
    DateField,
    EmailId,
    Has,
    HasKeyword,
    Header,
    ModSeq,
    Size,
    System,
    Text,
    ThreadId,
    When,
)

#: Levels of the key tree after flattening; real clients stay below 10.
TREE_DEPTH = 64

_RETURNS = {b"MIN", b"MAX", b"ALL", b"COUNT"}
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")
_UTF8 = ("UTF-8", "UTF8")
_ASCII = ("US-ASCII", "ASCII")


def search(p: Lexer, numbers: Callable[[], NumberSet], limit: int, uid: bool) -> c.Search:
    """The arguments of SEARCH. ``limit`` is the number of keys. An unknown charset is left to the command."""
    returns: frozenset[str] | None = None
    charset: str | None = None
    p.space()
    if p.take_word(b"RETURN"):
        p.space()
        words = p.listed_or_empty(p.word)
        if not set(words) <= _RETURNS:
            raise ParseError("there is no such return option of SEARCH")
        returns = frozenset(word.decode() for word in words) or frozenset({"ALL"})
        p.space()
    if p.take_word(b"CHARSET"):
        p.space()
        charset = p.astring().decode("ascii", "replace").upper()
        p.space()
    reader = _Reader(p, numbers, limit, known_charset(charset))
    key = reader.keys()
    return c.Search(key, charset, returns, reader.modseq, uid, reader.numbered)


def known_charset(charset: str | None) -> bool:
    """True for the charsets of search strings that are taken; None is US-ASCII, read as UTF-8."""
    return charset is None or charset in _UTF8 or charset in _ASCII


@dataclass(slots=True)
class _Frame:
    """An open group: NOT and OR wait for 1 and 2 keys, a parenthesis (and the whole) for its end."""

    kind: str
    keys: list[c.Key] = field(default_factory=list)
    depth: int = 0

    @property
    def full(self) -> bool:
        return (self.kind == "NOT" and len(self.keys) == 1) or (self.kind == "OR" and len(self.keys) == 2)

    def add(self, key: c.Key, depth: int) -> None:
        self.keys.append(key)
        self.depth = max(self.depth, depth)

    def result(self) -> tuple[c.Key, int]:
        if self.kind == "NOT":
            inner = self.keys[0]
            return (inner.key, self.depth - 1) if isinstance(inner, c.Inverse) else (c.Inverse(inner), self.depth + 1)
        if self.kind == "OR":
            # OR in OR lies flat, so that long chains of them are not deep.
            flat: list[c.Key] = []
            for key in self.keys:
                flat.extend(key.keys if isinstance(key, c.Either) else (key,))
            grown = 0 if any(isinstance(key, c.Either) for key in self.keys) else 1
            return c.Either(tuple(flat)), self.depth + grown
        if len(self.keys) == 1:
            return self.keys[0], self.depth
        return c.Every(tuple(self.keys)), self.depth + 1


class _Reader:
    def __init__(self, p: Lexer, numbers: Callable[[], NumberSet], limit: int, decodable: bool) -> None:
        self._p = p
        self._numbers = numbers
        self._limit = limit
        self._decodable = decodable
        self._count = 0
        self.modseq = False
        self.numbered = False

    def keys(self) -> c.Key:
        """All keys up to the end of the command."""
        p = self._p
        stack = [_Frame("(")]
        while True:
            self._count += 1
            if self._count > self._limit:
                raise ParseError(f"a search may have {self._limit} keys")
            if p.next == b"(":
                p.open()
                stack.append(_Frame("("))
                continue
            if p.take_word(b"NOT") or p.take_word(b"OR"):
                stack.append(_Frame("NOT" if p.text[p.place - 3 : p.place].upper() == b"NOT" else "OR"))
                p.space()
                continue
            stack[-1].add(self._leaf(), 1)
            self._fold(stack)
            if len(stack) == 1 and not p.next and not p.at_literal:
                break
            p.space()
        key, depth = stack[0].result()
        if depth > TREE_DEPTH:
            raise ParseError("search keys are nested too deep")
        return key

    def _fold(self, stack: list[_Frame]) -> None:
        """Close what is complete."""
        while len(stack) > 1:
            if stack[-1].full or (stack[-1].kind == "(" and self._p.next == b")"):
                if stack[-1].kind == "(":
                    self._p.close()
                key, depth = stack.pop().result()
                stack[-1].add(key, depth)
            else:
                return

    def _leaf(self) -> c.Key:
        p = self._p
        if p.next.isdigit() or p.next == b"*":
            self.numbered = True
            return c.Numbers(self._numbers(), uid=False)
        word = p.word()
        if word in _PLAIN:
            return _PLAIN[word]
        if word not in _TAKES:
            raise ParseError("there is no such search key")
        p.space()
        return _TAKES[word](self)

    def text(self) -> str:
        octets = self._p.astring()
        if not self._decodable:
            return octets.decode("latin-1")
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            raise ParseError("a search string is not in its charset") from None

    def keyword(self) -> str:
        return self._p.atom().decode("ascii")

    def header(self) -> c.Key:
        name = self.text()
        self._p.space()
        return Header(name, self.text())

    def mod_sequence(self) -> c.Key:
        """RFC 7162 section 3.1.5: the entry, if given, is of no account, for one counter serves all flags."""
        self.modseq = True
        if self._p.next == b'"':
            self._p.string()
            self._p.space()
            if self._p.word() not in (b"ALL", b"PRIV", b"SHARED"):
                raise ParseError("MODSEQ takes all, priv or shared after an entry")
            self._p.space()
        return ModSeq(self._p.modseq())

    def object_id(self) -> str:
        """RFC 8474 section 7."""
        octets = self._p.astring()
        if not _OBJECT_ID.fullmatch(octets):
            raise ParseError("that can't be an id")
        return octets.decode("ascii")

    def sized(self, larger: bool) -> c.Key:
        return Size(self._p.number(2**63 - 1), larger)

    def aged(self, younger: bool) -> c.Key:
        return Age(self._p.nz_number(), younger)

    def dated(self, what: DateField, when: When) -> c.Key:
        return Dated(what, when, self._p.date())

    def uids(self) -> c.Key:
        return c.Numbers(self._numbers(), uid=True)


_PLAIN: dict[bytes, c.Key] = {
    b"ALL": AllOf(),
    b"ANSWERED": Has(System.ANSWERED),
    b"DELETED": Has(System.DELETED),
    b"DRAFT": Has(System.DRAFT),
    b"FLAGGED": Has(System.FLAGGED),
    b"SAVEDATESUPPORTED": AllOf(),
    b"SEEN": Has(System.SEEN),
    b"UNANSWERED": Has(System.ANSWERED, on=False),
    b"UNDELETED": Has(System.DELETED, on=False),
    b"UNDRAFT": Has(System.DRAFT, on=False),
    b"UNFLAGGED": Has(System.FLAGGED, on=False),
    b"UNSEEN": Has(System.SEEN, on=False),
    b"NEW": c.Every((c.Recent(True), Has(System.SEEN, on=False))),
    b"OLD": c.Recent(False),
    b"RECENT": c.Recent(True),
}

_TAKES: dict[bytes, Callable[[_Reader], c.Key]] = {
    b"BCC": lambda r: Header("Bcc", r.text()),
    b"BEFORE": lambda r: r.dated(DateField.INTERNAL, When.BEFORE),
    b"BODY": lambda r: Body(r.text()),
    b"CC": lambda r: Header("Cc", r.text()),
    b"FROM": lambda r: Header("From", r.text()),
    b"HEADER": _Reader.header,
    b"KEYWORD": lambda r: HasKeyword(r.keyword()),
    b"LARGER": lambda r: r.sized(larger=True),
    b"MODSEQ": _Reader.mod_sequence,
    b"EMAILID": lambda r: EmailId(r.object_id()),
    b"OLDER": lambda r: r.aged(younger=False),
    b"ON": lambda r: r.dated(DateField.INTERNAL, When.ON),
    b"SAVEDBEFORE": lambda r: r.dated(DateField.SAVED, When.BEFORE),
    b"SAVEDON": lambda r: r.dated(DateField.SAVED, When.ON),
    b"SAVEDSINCE": lambda r: r.dated(DateField.SAVED, When.SINCE),
    b"SENTBEFORE": lambda r: r.dated(DateField.SENT, When.BEFORE),
    b"SENTON": lambda r: r.dated(DateField.SENT, When.ON),
    b"SENTSINCE": lambda r: r.dated(DateField.SENT, When.SINCE),
    b"SINCE": lambda r: r.dated(DateField.INTERNAL, When.SINCE),
    b"SMALLER": lambda r: r.sized(larger=False),
    b"SUBJECT": lambda r: Header("Subject", r.text()),
    b"THREADID": lambda r: ThreadId(r.object_id()),
    b"TEXT": lambda r: Text(r.text()),
    b"TO": lambda r: Header("To", r.text()),
    b"UID": _Reader.uids,
    b"UNKEYWORD": lambda r: HasKeyword(r.keyword(), on=False),
    b"YOUNGER": lambda r: r.aged(younger=True),
}

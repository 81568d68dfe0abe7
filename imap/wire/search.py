"""The grammar of SEARCH, SORT, THREAD, ESEARCH (RFC 3501 section 6.4.4, RFC 5256, RFC 7377), without recursion.

Nested keys are kept on a stack of frames, so neither ``NOT NOT NOT ...`` nor ``OR OR OR ...`` costs Python's own.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.lexer import Lexer
from imap.wire.sets import NumberSet
from message.text import codec
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
    SortBy,
    SortKey,
    System,
    Text,
    ThreadId,
    Threading,
    When,
)

#: Levels of the key tree after flattening; real clients stay below 10.
TREE_DEPTH = 64

_RETURNS = {b"MIN", b"MAX", b"ALL", b"COUNT", b"SAVE", b"RELEVANCY", b"PARTIAL"}
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")
_PAGE = re.compile(rb"([1-9][0-9]{0,9}):([1-9][0-9]{0,9})|-([1-9][0-9]{0,9}):-([1-9][0-9]{0,9})")
_SCOPES = {b"SELECTED", b"INBOXES", b"PERSONAL", b"SUBSCRIBED"}
_SCOPES_OF_NAMES = {b"MAILBOXES", b"SUBTREE", b"SUBTREE-ONE"}

#: Mailboxes named in one search of several.
_SCOPE_NAMES = 1000

#: Criteria of one order.
_ORDER = 30

Numbers = Callable[[], NumberSet]


def search(p: Lexer, numbers: Numbers, limit: int, uid: bool) -> c.Search:
    """The arguments of SEARCH. ``limit`` is the number of keys. An unknown charset is left to the command."""
    p.space()
    returns, partial = _returns(p)
    charset: str | None = None
    if p.take_word(b"CHARSET"):
        p.space()
        charset = _charset(p)
        p.space()
    return _searched(p, numbers, limit, charset, returns, partial, uid)


def sort(p: Lexer, numbers: Numbers, limit: int, uid: bool) -> c.Sort:
    """The arguments of SORT (RFC 5256 section 5, RFC 5267 section 5)."""
    p.space()
    returns, partial = _returns(p)
    order = tuple(p.listed(lambda: _criterion(p)))
    if len(order) > _ORDER:
        raise ParseError(f"an order may have {_ORDER} criteria")
    p.space()
    charset = _charset(p)
    p.space()
    found = _searched(p, numbers, limit, charset, returns, partial, uid)
    if any(key.by is SortBy.RELEVANCY for key in order) and not is_inexact(found.key):
        raise ParseError("RELEVANCY needs a FUZZY key")
    return c.Sort(order, found, uid, found.numbered)


def thread(p: Lexer, numbers: Numbers, limit: int, uid: bool) -> c.MakeThreads:
    """The arguments of THREAD (RFC 5256 section 5)."""
    p.space()
    try:
        how = Threading(p.word().decode())
    except ValueError:
        raise ParseError("there is no such algorithm of THREAD") from None
    p.space()
    charset = _charset(p)
    p.space()
    found = _searched(p, numbers, limit, charset, None, None, uid)
    return c.MakeThreads(how, found, uid, found.numbered)


def multi_search(p: Lexer, numbers: Numbers, limit: int, uid: bool) -> c.MultiSearch:
    """The arguments of ESEARCH (RFC 7377 section 4)."""
    scopes: tuple[c.Scope, ...] = (c.Scope("SELECTED"),)
    if p.text[p.place : p.place + 4].upper() == b" IN ":
        p.place += 4
        scopes = tuple(p.listed(lambda: _scope(p)))
    found = search(p, numbers, limit, uid)
    alone = all(scope.kind == "SELECTED" for scope in scopes)
    if not alone and _has_numbers(found.key):
        raise ParseError("message numbers and $ have no meaning in other mailboxes")
    if not alone and found.returns and "SAVE" in found.returns:
        raise ParseError("SAVE is for the selected mailbox alone")
    if found.returns is None:
        found = dataclasses.replace(found, returns=frozenset({"ALL"}))
    return c.MultiSearch(scopes, found, numbered=found.numbered)


def partial_range(p: Lexer) -> c.Page:
    """``1:100``, or ``-1:-100`` counted from the end (RFC 9394 section 4)."""
    found = p.match(_PAGE)
    if not found:
        raise ParseError("expected a range like 1:100 or -1:-100")
    sign = -1 if found[3] else 1
    first, last = (sign * int(number) for number in found.groups() if number)
    if max(abs(first), abs(last)) > 2**32 - 1:
        raise ParseError("the range is too large")
    return first, last


def known_charset(charset: str | None) -> bool:
    """True for the charsets of search strings that are taken; None is US-ASCII, read as UTF-8."""
    return charset is None or codec(charset) is not None


def is_inexact(key: c.Key) -> bool:
    """Whether a FUZZY key is among the keys."""
    return any(isinstance(one, c.Inexact) for one in _all_keys(key))


def _has_numbers(key: c.Key) -> bool:
    return any(isinstance(one, c.Numbers) and (not one.uid or one.numbers.saved) for one in _all_keys(key))


def _all_keys(key: c.Key) -> Iterator[c.Key]:
    waiting = [key]
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, c.Inverse | c.Inexact):
            waiting.append(one.key)
        elif isinstance(one, c.Every | c.Either):
            waiting.extend(one.keys)


def _returns(p: Lexer) -> tuple[frozenset[str] | None, c.Page | None]:
    """``RETURN (...) `` if it is there."""
    if not p.take_word(b"RETURN"):
        return None, None
    partial: c.Page | None = None

    def option() -> str:
        nonlocal partial
        word = p.word()
        if word not in _RETURNS or (word == b"PARTIAL" and partial is not None):
            raise ParseError("there is no such return option, or it stands there twice")
        if word == b"PARTIAL":
            p.space()
            partial = partial_range(p)
        return word.decode()

    p.space()
    returns = frozenset(p.listed_or_empty(option)) or frozenset({"ALL"})
    if {"PARTIAL", "ALL"} <= returns:
        # RFC 9394 section 3.1.
        raise ParseError("either ALL or PARTIAL")
    p.space()
    return returns, partial


def _charset(p: Lexer) -> str:
    return p.astring().decode("ascii", "replace").upper()


def _criterion(p: Lexer) -> SortKey:
    reverse = p.take_word(b"REVERSE")
    if reverse:
        p.space()
    try:
        return SortKey(SortBy(p.word().decode()), reverse)
    except ValueError:
        raise ParseError("there is no such criterion of SORT") from None


def _scope(p: Lexer) -> c.Scope:
    word = p.word()
    if word in _SCOPES:
        return c.Scope(word.decode())
    if word not in _SCOPES_OF_NAMES:
        raise ParseError("there is no such scope of ESEARCH")
    p.space()
    names = p.listed(p.mailbox) if p.next == b"(" else [p.mailbox()]
    if len(names) > _SCOPE_NAMES:
        raise ParseError(f"ESEARCH takes {_SCOPE_NAMES} names")
    return c.Scope(word.decode(), tuple(names))


def _searched(
    p: Lexer,
    numbers: Numbers,
    limit: int,
    charset: str | None,
    returns: frozenset[str] | None,
    partial: c.Page | None,
    uid: bool,
) -> c.Search:
    """The keys, to the end of the command."""
    reader = _Reader(p, numbers, limit, charset)
    key = reader.keys()
    if returns and "RELEVANCY" in returns and not is_inexact(key):
        # RFC 6203 section 4.
        raise ParseError("RELEVANCY needs a FUZZY key")
    return c.Search(key, charset, returns, reader.modseq, uid, reader.numbered, partial)


#: Keys that a group takes which has no parentheses.
_TAKEN = {"NOT": 1, "FUZZY": 1, "OR": 2}


@dataclass(slots=True)
class _Frame:
    """An open group: NOT and FUZZY wait for 1 key, OR for 2, a parenthesis (and the whole) for its end."""

    kind: str
    keys: list[c.Key] = field(default_factory=list)
    depth: int = 0

    @property
    def full(self) -> bool:
        return len(self.keys) == _TAKEN.get(self.kind)

    def add(self, key: c.Key, depth: int) -> None:
        self.keys.append(key)
        self.depth = max(self.depth, depth)

    def result(self) -> tuple[c.Key, int]:
        if self.kind == "NOT":
            inner = self.keys[0]
            return (inner.key, self.depth - 1) if isinstance(inner, c.Inverse) else (c.Inverse(inner), self.depth + 1)
        if self.kind == "FUZZY":
            return c.Inexact(self.keys[0]), self.depth + 1
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
    def __init__(self, p: Lexer, numbers: Numbers, limit: int, charset: str | None) -> None:
        self._p = p
        self._numbers = numbers
        self._limit = limit
        self._codec = codec(charset) if charset else None
        self._decodable = known_charset(charset)
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
            group = next((kind for kind in _TAKEN if p.take_word(kind.encode())), None)
            if group:
                stack.append(_Frame(group))
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
        if p.next.isdigit() or p.next in (b"*", b"$"):
            self.numbered = self.numbered or p.next != b"$"
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
            # What is said to be US-ASCII is UTF-8 often enough.
            return octets.decode("utf-8" if self._codec in (None, "ascii") else self._codec)
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

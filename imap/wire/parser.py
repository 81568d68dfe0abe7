"""Commands by the grammar of RFC 3501 section 9 and of the extensions: texts and literals to ``Request`` values."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from imap.wire import commands as c
from imap.wire.errors import BadName, ParseError
from imap.wire.framing import Literal
from imap.wire.lexer import Lexer
from imap.wire.metadata import entries, get_metadata, set_metadata
from imap.wire.notify import notify
from imap.wire.search import multi_search, partial_range, search, sort, thread
from imap.wire.sets import NumberSet, parse_set
from storage.model import FlagChange, System

_SET = re.compile(rb"[0-9*:,]+")
_FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
_SECTION = re.compile(
    rb"((?:[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*)?)(?:(?:(?<=[0-9])\.|(?<=\[))"
    rb"(HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME))?(?=\]| )",
    re.IGNORECASE,
)
_PARTIAL = re.compile(rb"<([0-9]{1,19})\.([0-9]{1,19})>")
_PART = re.compile(rb"\[((?:[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*)?)\]")
_LAZY = re.compile(rb" \(LAZY\)", re.IGNORECASE)
_LABEL_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~]+")

#: Items of one FETCH, header fields of one section, pieces of one message.
_MOST_NAMED = 200

#: Octets of items of FETCH that are remembered, and how many of them.
_KNOWN_LENGTH = 500
_MOST_KNOWN = 1000
_KNOWN_ITEMS: dict[tuple[bytes, bool], tuple[c.Item, ...]] = {}

#: Part numbers of a section that are read; deeper ones name nothing that a message could have.
_SECTION_DEPTH = 200

_SYSTEM = {
    b"\\SEEN": System.SEEN,
    b"\\ANSWERED": System.ANSWERED,
    b"\\FLAGGED": System.FLAGGED,
    b"\\DELETED": System.DELETED,
    b"\\DRAFT": System.DRAFT,
}

_MACROS: dict[bytes, tuple[c.Datum, ...]] = {
    b"FAST": (c.Datum.FLAGS, c.Datum.INTERNALDATE, c.Datum.SIZE),
    b"ALL": (c.Datum.FLAGS, c.Datum.INTERNALDATE, c.Datum.SIZE, c.Datum.ENVELOPE),
    b"FULL": (c.Datum.FLAGS, c.Datum.INTERNALDATE, c.Datum.SIZE, c.Datum.ENVELOPE, c.Datum.BODY),
}
_DATA = {datum.value: datum for datum in c.Datum}
_WHOLES = {
    b"RFC822": c.Section((), "", (), None, b"RFC822", True),
    b"RFC822.HEADER": c.Section((), "HEADER", (), None, b"RFC822.HEADER", False),
    b"RFC822.TEXT": c.Section((), "TEXT", (), None, b"RFC822.TEXT", True),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one command may hold; beyond it the answer is BAD."""

    depth: int = 32
    set_members: int = 10_000
    search_keys: int = 1000


class Parser(Lexer):
    """A lexer that knows the limits."""

    __slots__ = ("limits",)

    def __init__(self, texts: tuple[bytes, ...], literals: tuple[Literal, ...], limits: Limits, utf8: bool) -> None:
        super().__init__(texts, literals, limits.depth, utf8)
        self.limits = limits

    def numbers(self) -> NumberSet:
        if self.take(b"$"):
            return NumberSet((), saved=True)
        found = self.match(_SET)
        if not found:
            raise ParseError("expected message numbers")
        return parse_set(found[0], self.limits.set_members)


Rule = Callable[[Parser], c.Command]


def parse(texts: tuple[bytes, ...], literals: tuple[Literal, ...], limits: Limits, utf8: bool = False) -> c.Request:
    """The command; ``utf8`` once the client said that it speaks UTF-8 (RFC 9051, RFC 9755).

    Raises ParseError, with the tag when it could be read, BadName with the tag, and nothing else.
    """
    parser = Parser(texts, literals, limits, utf8)
    tag: bytes | None = None
    try:
        tag = parser.tag()
        parser.space()
        name = parser.word()
        if name == b"UID":
            parser.space()
            name = b"UID " + parser.word()
        rule = RULES.get(name)
        if rule is None:
            raise ParseError("there is no such command")
        if any(b"\0" in text or b"\r" in text for text in texts):
            raise ParseError("NUL and CR are not allowed in a command")
        command = rule(parser)
        parser.end()
    except ParseError as error:
        raise ParseError(error.text, tag) from None
    except BadName as error:
        raise BadName(error.text, tag or b"*") from None
    return c.Request(tag, command)


# ---------------------------------------------------------------- rules


def _bare(command: c.Command) -> Rule:
    return lambda p: command


def _id(p: Parser) -> c.Command:
    """RFC 2971 section 3.3: at most 30 pairs, values up to 1024 octets."""
    p.space()
    if p.take_word(b"NIL"):
        return c.Id(())
    values = p.listed_or_empty(p.nstring)
    if len(values) % 2 or len(values) > 60 or any(value is not None and len(value) > 1024 for value in values):
        raise ParseError("ID takes up to 30 pairs of strings")
    texts = [None if value is None else value.decode("utf-8", "replace") for value in values]
    return c.Id(tuple((name or "", value) for name, value in zip(texts[::2], texts[1::2], strict=True)))


def _authenticate(p: Parser) -> c.Command:
    p.space()
    mechanism = p.atom().decode("ascii").upper()
    if not p.take(b" "):
        return c.Authenticate(mechanism, None)
    given = p.text[p.place :]
    p.place = len(p.text)
    return c.Authenticate(mechanism, b"" if given == b"=" else base64(given))


def base64(octets: bytes) -> bytes:
    """Strict base64 of a SASL exchange (RFC 3501 section 9). Raises ParseError."""
    try:
        return binascii.a2b_base64(octets, strict_mode=True)
    except binascii.Error:
        raise ParseError("that is not base64") from None


def _login(p: Parser) -> c.Command:
    p.space()
    user = p.astring()
    p.space()
    return c.Login(user, p.astring())


def _enable(p: Parser) -> c.Command:
    names: list[str] = []
    while p.take(b" "):
        names.append(p.atom().decode("ascii").upper())
    if not names or len(names) > 100:
        raise ParseError("ENABLE takes capability names")
    return c.Enable(tuple(names))


def _compress(p: Parser) -> c.Command:
    p.space()
    return c.Compress(p.atom().decode("ascii").upper())


def _select(read_only: bool) -> Rule:
    def rule(p: Parser) -> c.Command:
        p.space()
        mailbox = p.mailbox()
        given: list[c.Resync | None] = p.listed(lambda: _select_parameter(p)) if p.take(b" ") else []
        if len(given) > len(set(given)) or len([one for one in given if one]) > 1:
            raise ParseError("a parameter of SELECT is given twice")
        resync = next((one for one in given if one), None)
        return c.Select(mailbox, read_only, bool(given), resync)

    return rule


def _select_parameter(p: Parser) -> c.Resync | None:
    """``CONDSTORE`` (None), or ``QRESYNC (...)`` as in RFC 7162 section 7."""
    if p.take_word(b"CONDSTORE"):
        return None
    if not p.take_word(b"QRESYNC"):
        raise ParseError("there is no such parameter of SELECT")
    p.space()
    p.open()
    uidvalidity = p.nz_number()
    p.space()
    modseq = p.modseq()
    known: NumberSet | None = None
    pairs: tuple[tuple[int, int], ...] = ()
    if p.next == b" " and p.text[p.place + 1 : p.place + 2] != b"(":
        p.space()
        known = _known_set(p)
    if p.take(b" "):
        p.open()
        numbers = _known_set(p)
        p.space()
        pairs = _pairs(numbers, _known_set(p))
        p.close()
    p.close()
    return c.Resync(uidvalidity, modseq, known, pairs)


def _known_set(p: Parser) -> NumberSet:
    numbers = p.numbers()
    if any(None in member for member in numbers.members):
        raise ParseError("* does not stand for a number here")
    return numbers


def _pairs(numbers: NumberSet, uids: NumberSet) -> tuple[tuple[int, int], ...]:
    """Both sets rise and are of one size (RFC 7162 section 3.2.5.2). Of a range its ends are enough to compare."""
    pairs: list[tuple[int, int]] = []
    left, right = numbers.rising(), uids.rising()
    while left and right:
        (low, high), (uid_low, uid_high) = left.pop(), right.pop()
        width = min(high - low, uid_high - uid_low)
        pairs += [(high, uid_high), (high - width, uid_high - width)]
        if high - width > low:
            left.append((low, high - width - 1))
        if uid_high - width > uid_low:
            right.append((uid_low, uid_high - width - 1))
    if left or right:
        raise ParseError("there are not as many UIDs as message numbers")
    return tuple(sorted(set(pairs)))


def _mailbox(p: Parser) -> str:
    p.space()
    return p.mailbox()


def _create(p: Parser) -> c.Command:
    # A delimiter at the end only says that children will follow (RFC 3501 section 6.3.3).
    mailbox = _mailbox(p).removesuffix("/")
    if not p.take(b" "):
        return c.Create(mailbox)
    p.open()
    if not p.take_word(b"USE"):
        raise ParseError("there is no such parameter of CREATE")
    p.space()
    uses = p.listed_or_empty(lambda: _use(p))
    p.close()
    return c.Create(mailbox, tuple(uses))


def _use(p: Parser) -> str:
    p.expect(b"\\")
    return "\\" + p.atom().decode("ascii")


def _status_items(p: Parser) -> tuple[c.StatusItem, ...]:
    try:
        return tuple(dict.fromkeys(c.StatusItem(word) for word in p.listed(p.word)))
    except ValueError:
        raise ParseError("there is no such STATUS item") from None


def _status(p: Parser) -> c.Command:
    mailbox = _mailbox(p)
    p.space()
    return c.Status(mailbox, _status_items(p))


_LIST_SELECT = {b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"}
_LIST_GIVE = {b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE", b"MYRIGHTS"}


def _list(p: Parser) -> c.Command:
    """RFC 5258 section 6."""
    p.space()
    extended = p.next == b"("
    select: frozenset[str] = frozenset()
    if extended:
        words = p.listed_or_empty(p.word)
        if not set(words) <= _LIST_SELECT:
            raise ParseError("there is no such selection option")
        select = frozenset(word.decode() for word in words)
        if "RECURSIVEMATCH" in select and not select & {"SUBSCRIBED", "SPECIAL-USE"}:
            raise ParseError("RECURSIVEMATCH needs another selection option")
        p.space()
    reference = p.mailbox()
    p.space()
    if p.next == b"(":
        extended = True
        patterns = tuple(p.listed(p.list_mailbox))
    else:
        patterns = (p.list_mailbox(),)
    give: set[str] = set()
    status: tuple[c.StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()
    if p.take(b" "):
        extended = True
        if not p.take_word(b"RETURN"):
            raise ParseError("expected RETURN")
        p.space()
        give, status, metadata = _list_return(p)
    if len(patterns) > 100:
        raise ParseError("LIST takes up to 100 patterns")
    return c.List(reference, patterns, select, frozenset(give), status, extended, metadata)


def _list_return(p: Parser) -> tuple[set[str], tuple[c.StatusItem, ...], tuple[str, ...]]:
    give: set[str] = set()
    status: tuple[c.StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()
    if p.take(b"()"):
        return give, status, metadata
    p.open()
    while True:
        word = p.word()
        if word == b"STATUS":
            p.space()
            status = _status_items(p)
        elif word == b"METADATA":
            p.space()
            metadata = entries(p)
        elif word in _LIST_GIVE:
            give.add(word.decode())
        else:
            raise ParseError("there is no such return option")
        if not p.take(b" "):
            break
    p.close()
    return give, status, metadata


def _lsub(p: Parser) -> c.Command:
    p.space()
    reference = p.mailbox()
    p.space()
    return c.Lsub(reference, p.list_mailbox())


def _rename(p: Parser) -> c.Command:
    old = _mailbox(p)
    return c.Rename(old, _mailbox(p).removesuffix("/"))


def _subscribe(on: bool) -> Rule:
    return lambda p: c.Subscribe(_mailbox(p), on)


def _flag(p: Parser) -> bytes:
    found = p.match(_FLAG)
    if not found:
        raise ParseError("expected a flag")
    return found[0]


def _flags(listed: list[bytes]) -> tuple[System, tuple[str, ...]]:
    """System flags and keywords; \\Recent is the server's own and counts for nothing (RFC 3501 section 2.3.2)."""
    system = System.NONE
    keywords: dict[str, str] = {}
    for flag in listed:
        if flag.startswith(b"\\"):
            if flag.upper() == b"\\RECENT":
                continue
            if flag.upper() not in _SYSTEM:
                raise ParseError("there is no such system flag")
            system |= _SYSTEM[flag.upper()]
        else:
            keyword = flag.decode("ascii")
            keywords.setdefault(keyword.lower(), keyword)
    return system, tuple(keywords.values())


def _append(p: Parser) -> c.Command:
    mailbox = _mailbox(p)
    messages: list[c.Appended] = []
    while p.take(b" "):
        messages.append(_appended(p))
    if not messages:
        raise ParseError("APPEND takes a message")
    return c.Append(mailbox, tuple(messages))


def _text(p: Parser) -> str:
    """A space and an astring in UTF-8."""
    p.space()
    try:
        return p.astring().decode()
    except UnicodeDecodeError:
        raise ParseError("that is not UTF-8") from None


def _set_acl(p: Parser) -> c.Command:
    mailbox, identifier, rights = _mailbox(p), _text(p), _text(p)
    sign = rights[:1].encode() if rights[:1] in ("+", "-") else b""
    return c.SetAcl(mailbox, identifier, _CHANGES[sign], rights[len(sign) :])


def _replace(uid: bool) -> Rule:
    def rule(p: Parser) -> c.Command:
        p.space()
        number = p.numbers()
        if len(number.members) != 1 or number.members[0][0] != number.members[0][1]:
            raise ParseError("REPLACE takes one message")
        mailbox = _mailbox(p)
        p.space()
        return c.Replace(number, mailbox, _appended(p), uid)

    return rule


def _appended(p: Parser) -> c.Appended:
    system = System.NONE
    keywords: tuple[str, ...] = ()
    date: int | None = None
    zone = 0
    if p.next == b"(":
        system, keywords = _flags(p.listed_or_empty(lambda: _flag(p)))
        p.space()
    if p.next == b'"':
        date, zone = p.date_time()
        p.space()
    if p.take_word(b"CATENATE"):
        p.space()
        pieces = tuple(p.listed(lambda: _piece(p)))
        if len(pieces) > _MOST_NAMED:
            raise ParseError(f"CATENATE takes {_MOST_NAMED} pieces")
        return c.Appended(int(system), keywords, date, zone, pieces)
    return c.Appended(int(system), keywords, date, zone, *_message(p))


def _piece(p: Parser) -> c.Url | c.Text:
    """RFC 4469 section 5, RFC 6855 section 4."""
    if p.take_word(b"URL"):
        p.space()
        return c.Url(p.astring())
    if p.take_word(b"TEXT"):
        p.space()
        return c.Text(p.literal8())
    return c.Text(_message(p)[0])


def _message(p: Parser) -> tuple[Literal, bool]:
    """A message, and whether it may hold NUL: ``UTF8 (~{n}`` of RFC 6855, ``~{n}`` of RFC 3516, or a plain literal."""
    if p.take_word(b"UTF8"):
        p.space()
        p.open()
        message = p.literal8()
        p.close()
        return message, False
    binary = p.next == b"~"
    return p.literal8(), binary


def _get_quota(p: Parser) -> c.Command:
    p.space()
    return c.GetQuota(p.astring().decode("utf-8", "replace"))


def _set_quota(p: Parser) -> c.Command:
    p.space()
    root = p.astring().decode("utf-8", "replace")
    p.space()

    def resource() -> tuple[str, int]:
        name = p.atom().decode("ascii").upper()
        p.space()
        return name, p.number(2**63 - 1)

    return c.SetQuota(root, tuple(p.listed_or_empty(resource)))


def _uid_expunge(p: Parser) -> c.Command:
    p.space()
    return c.Expunge(p.numbers())


def _uid_batches(p: Parser) -> c.Command:
    p.space()
    size = p.number()
    if not p.take(b" "):
        return c.UidBatches(size, 1, None)
    first = p.number()
    p.expect(b":")
    return c.UidBatches(size, first, p.number())


def _searching(rule: Callable[..., c.Command], uid: bool = True) -> Rule:
    return lambda p: rule(p, p.numbers, p.limits.search_keys, uid)


# ---------------------------------------------------------------- FETCH


def _fetch(uid: bool) -> Rule:
    def rule(p: Parser) -> c.Command:
        p.space()
        numbers = p.numbers()
        p.space()
        items = _known_items(p) or _fetch_items(p)
        changed_since: int | None = None
        vanished = False
        partial: c.Page | None = None
        for word in p.listed(lambda: _fetch_parameter(p)) if p.take(b" ") else ():
            if word is None and not vanished and uid:
                vanished = True
            elif isinstance(word, tuple) and partial is None:
                partial = word
            elif isinstance(word, int) and changed_since is None:
                changed_since = word
            else:
                raise ParseError("parameters of FETCH are given twice or where they may not be")
        if vanished and changed_since is None:
            raise ParseError("VANISHED goes with CHANGEDSINCE")
        return c.Fetch(numbers, items, changed_since, uid, vanished, partial)

    return rule


def _fetch_parameter(p: Parser) -> int | c.Page | None:
    """The mod-sequence of CHANGEDSINCE, None for VANISHED (RFC 7162 section 7), the range of PARTIAL (RFC 9394)."""
    if p.take_word(b"PARTIAL"):
        p.space()
        return partial_range(p)
    if p.take_word(b"VANISHED"):
        return None
    if not p.take_word(b"CHANGEDSINCE"):
        raise ParseError("there is no such parameter of FETCH")
    p.space()
    return p.modseq()


def _known_items(p: Parser) -> tuple[c.Item, ...] | None:
    """Items up to the end of the command: mail programs have few, which are long, so each is read once."""
    rest = p.rest
    if rest is None or len(rest) > _KNOWN_LENGTH:
        return None
    key = (rest, p.utf8)
    items = _KNOWN_ITEMS.get(key)
    if items is not None:
        p.place = len(p.text)
        return items
    items = _fetch_items(p)
    if not p.next:
        if len(_KNOWN_ITEMS) >= _MOST_KNOWN:
            _KNOWN_ITEMS.clear()
        _KNOWN_ITEMS[key] = items
    return items


def _fetch_items(p: Parser) -> tuple[c.Item, ...]:
    if p.next == b"(":
        items = p.listed(lambda: _fetch_item(p))
    else:
        for macro, data in _MACROS.items():
            if p.take_word(macro):
                return data
        items = [_fetch_item(p)]
    if len(items) > _MOST_NAMED:
        raise ParseError(f"FETCH takes {_MOST_NAMED} items")
    return tuple(dict.fromkeys(items))


def _fetch_item(p: Parser) -> c.Item:
    word = p.word()
    if word in (b"BODY", b"BODY.PEEK") and p.take(b"["):
        return _section(p, sees=word == b"BODY")
    if word in (b"BINARY", b"BINARY.PEEK", b"BINARY.SIZE"):
        return _binary(p, word)
    if word in _WHOLES:
        return _WHOLES[word]
    if word not in _DATA:
        raise ParseError("there is no such FETCH item")
    if word == b"PREVIEW" and p.match(_LAZY):
        return c.Datum.LAZY_PREVIEW
    return _DATA[word]


def section(text: bytes) -> c.Section:
    """A section by itself, as URLs have it. Raises ParseError."""
    p = Parser((b"[" + text + b"]",), (), Limits(), utf8=False)
    p.expect(b"[")
    found = _section(p, sees=False)
    p.end()
    return found


def _section(p: Parser, sees: bool) -> c.Section:
    """``[1.2.HEADER.FIELDS (To)]<0.512>`` after its opening bracket."""
    found = p.match(_SECTION)
    if not found:
        raise ParseError("expected a section")
    numbers = tuple(map(int, found[1].split(b"."))) if found[1] else ()
    text = (found[2] or b"").decode("ascii").upper()
    if len(numbers) > _SECTION_DEPTH or (text == "MIME" and not numbers):
        raise ParseError("there is no such section")
    label = found[1] + (b"." if found[1] and text else b"") + text.encode()
    fields: list[bytes] = []
    if text.startswith("HEADER.FIELDS"):
        p.space()
        fields = p.listed(p.astring)
        if len(fields) > _MOST_NAMED:
            raise ParseError(f"a section may name {_MOST_NAMED} header fields")
        label += b" (" + b" ".join(map(_field_label, fields)) + b")"
    p.expect(b"]")
    partial = _partial(p)
    names = tuple(dict.fromkeys(field.lower() for field in fields))
    return c.Section(numbers, text, names, partial, b"BODY[" + label + b"]", sees)


def _partial(p: Parser) -> tuple[int, int] | None:
    if p.next != b"<":
        return None
    given = p.match(_PARTIAL)
    if not given or not int(given[2]) or max(int(given[1]), int(given[2])) > 2**63 - 1:
        raise ParseError("expected a partial like <0.1024>")
    return int(given[1]), int(given[2])


def _binary(p: Parser, word: bytes) -> c.Binary:
    """``[1.2]<0.512>`` (RFC 3516 section 7)."""
    found = p.match(_PART)
    if not found:
        raise ParseError("expected a part")
    numbers = tuple(map(int, found[1].split(b"."))) if found[1] else ()
    if len(numbers) > _SECTION_DEPTH:
        raise ParseError("there is no such section")
    size = word == b"BINARY.SIZE"
    label = (b"BINARY.SIZE[" if size else b"BINARY[") + found[1] + b"]"
    return c.Binary(numbers, None if size else _partial(p), label, word == b"BINARY", size)


def _field_label(name: bytes) -> bytes:
    """A field name as it stands in the answer."""
    if _LABEL_ATOM.fullmatch(name):
        return name
    if any(octet < 0x20 or octet > 0x7E for octet in name) or len(name) > 256:
        raise ParseError("that can't be a header field's name")
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


# ---------------------------------------------------------------- STORE, COPY, MOVE


_CHANGES = {b"+": FlagChange.ADD, b"-": FlagChange.REMOVE, b"": FlagChange.REPLACE}
_STORE_ITEM = re.compile(rb"([+-]?)FLAGS(\.SILENT)?(?= )", re.IGNORECASE)


def _store(uid: bool) -> Rule:
    def rule(p: Parser) -> c.Command:
        p.space()
        numbers = p.numbers()
        p.space()
        unchanged_since: int | None = None
        if p.next == b"(":
            p.open()
            if not p.take_word(b"UNCHANGEDSINCE"):
                raise ParseError("there is no such parameter of STORE")
            p.space()
            unchanged_since = p.modseq()
            p.close()
            p.space()
        found = p.match(_STORE_ITEM)
        if not found:
            raise ParseError("STORE takes FLAGS, +FLAGS or -FLAGS")
        p.space()
        if p.next == b"(":
            listed = p.listed_or_empty(lambda: _flag(p))
        else:
            listed = [_flag(p)]
            while p.take(b" "):
                listed.append(_flag(p))
        system, keywords = _flags(listed)
        return c.Store(numbers, _CHANGES[found[1]], system, keywords, bool(found[2]), unchanged_since, uid)

    return rule


def _copy(kind: type[c.Copy] | type[c.Move], uid: bool) -> Rule:
    def rule(p: Parser) -> c.Command:
        p.space()
        numbers = p.numbers()
        return kind(numbers, _mailbox(p), uid)

    return rule


RULES: dict[bytes, Rule] = {
    b"CAPABILITY": _bare(c.Capability()),
    b"NOOP": _bare(c.Noop()),
    b"LOGOUT": _bare(c.Logout()),
    b"ID": _id,
    b"STARTTLS": _bare(c.StartTls()),
    b"AUTHENTICATE": _authenticate,
    b"LOGIN": _login,
    b"ENABLE": _enable,
    b"COMPRESS": _compress,
    b"UNAUTHENTICATE": _bare(c.Unauthenticate()),
    b"SELECT": _select(read_only=False),
    b"EXAMINE": _select(read_only=True),
    b"CREATE": _create,
    b"DELETE": lambda p: c.Delete(_mailbox(p)),
    b"RENAME": _rename,
    b"SUBSCRIBE": _subscribe(True),
    b"UNSUBSCRIBE": _subscribe(False),
    b"LIST": _list,
    b"LSUB": _lsub,
    b"NAMESPACE": _bare(c.Namespace()),
    b"STATUS": _status,
    b"APPEND": _append,
    b"REPLACE": _replace(uid=False),
    b"UID REPLACE": _replace(uid=True),
    b"IDLE": _bare(c.Idle()),
    b"SETACL": _set_acl,
    b"DELETEACL": lambda p: c.DeleteAcl(_mailbox(p), _text(p)),
    b"GETACL": lambda p: c.GetAcl(_mailbox(p)),
    b"LISTRIGHTS": lambda p: c.ListRights(_mailbox(p), _text(p)),
    b"MYRIGHTS": lambda p: c.MyRights(_mailbox(p)),
    b"NOTIFY": lambda p: notify(p, lambda: _fetch_item(p)),
    b"GETMETADATA": get_metadata,
    b"SETMETADATA": set_metadata,
    b"GETQUOTA": _get_quota,
    b"GETQUOTAROOT": lambda p: c.GetQuotaRoot(_mailbox(p)),
    b"SETQUOTA": _set_quota,
    b"CHECK": _bare(c.Check()),
    b"CLOSE": _bare(c.Close()),
    b"UNSELECT": _bare(c.Unselect()),
    b"EXPUNGE": _bare(c.Expunge()),
    b"UID EXPUNGE": _uid_expunge,
    b"UIDBATCHES": _uid_batches,
    b"SEARCH": _searching(search, uid=False),
    b"UID SEARCH": _searching(search, uid=True),
    b"SORT": _searching(sort, uid=False),
    b"UID SORT": _searching(sort, uid=True),
    b"THREAD": _searching(thread, uid=False),
    b"UID THREAD": _searching(thread, uid=True),
    b"ESEARCH": _searching(multi_search),
    b"FETCH": _fetch(uid=False),
    b"UID FETCH": _fetch(uid=True),
    b"STORE": _store(uid=False),
    b"UID STORE": _store(uid=True),
    b"COPY": _copy(c.Copy, uid=False),
    b"UID COPY": _copy(c.Copy, uid=True),
    b"MOVE": _copy(c.Move, uid=False),
    b"UID MOVE": _copy(c.Move, uid=True),
}

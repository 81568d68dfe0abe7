"""Terminals of the grammar, read from a command's texts and literals (RFC 3501 section 9)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from imap.wire import mutf7
from imap.wire.errors import BadName, ParseError
from imap.wire.framing import Literal

T = TypeVar("T")

_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
_ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_LIST_MAILBOX = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_TAG = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9.=\-]*")
_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\xff]|\\["\\])*)"')
_ESCAPE = re.compile(rb"\\(.)")
_NUMBER = re.compile(rb"[0-9]+")
_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')
_DATE_TIME = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH = {name.lower(): number for number, name in enumerate(MONTHS, 1)}

#: The largest mod-sequence (RFC 7162 section 7).
MODSEQ_HIGHEST = 2**63 - 1


class Lexer:
    """Reads terminals one after the other. Every method raises ParseError when its terminal is not there."""

    __slots__ = ("_at", "_literals", "_texts", "depth", "depth_limit", "place", "text", "utf8")

    def __init__(self, texts: tuple[bytes, ...], literals: tuple[Literal, ...], depth: int, utf8: bool) -> None:
        """``depth`` is how deep parentheses may be; with ``utf8`` strings are UTF-8, names of mailboxes too."""
        self._texts = texts
        self._literals = literals
        self._at = 0
        self.text = texts[0]
        self.place = 0
        self.depth = 0
        self.depth_limit = depth
        self.utf8 = utf8

    # ---------------------------------------------------------------- looking

    @property
    def next(self) -> bytes:
        """The next octet; empty at the end and before a literal."""
        return self.text[self.place : self.place + 1]

    @property
    def at_literal(self) -> bool:
        return self.place == len(self.text) and self._at < len(self._literals)

    @property
    def rest(self) -> bytes | None:
        """All that is left of the command; None when there are literals in it."""
        return None if self._literals else self.text[self.place :]

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Take what matches here, or nothing."""
        found = pattern.match(self.text, self.place)
        if found:
            self.place = found.end()
        return found

    def take(self, octets: bytes) -> bool:
        """Take exactly these octets if they come next."""
        if self.text.startswith(octets, self.place):
            self.place += len(octets)
            return True
        return False

    def take_word(self, word: bytes) -> bool:
        """Take a keyword, compared without case, if it comes next and ends there."""
        end = self.place + len(word)
        if self.text[self.place : end].upper() != word or _WORD.fullmatch(self.text[end : end + 1]):
            return False
        self.place = end
        return True

    # ---------------------------------------------------------------- punctuation

    def expect(self, octets: bytes) -> None:
        if not self.take(octets):
            raise ParseError(f"expected {octets.decode()!r}")

    def space(self) -> None:
        if not self.take(b" "):
            raise ParseError("expected a space")

    def end(self) -> None:
        if self.place != len(self.text) or self._at != len(self._literals):
            raise ParseError("too many arguments")

    def open(self) -> None:
        """``(``, one level deeper."""
        self.expect(b"(")
        self.depth += 1
        if self.depth > self.depth_limit:
            raise ParseError("parentheses are nested too deep")

    def close(self) -> None:
        self.expect(b")")
        self.depth -= 1

    def listed(self, one: Callable[[], T]) -> list[T]:
        """``(one *(SP one))``."""
        self.open()
        items = [one()]
        while self.take(b" "):
            items.append(one())
        self.close()
        return items

    def listed_or_empty(self, one: Callable[[], T]) -> list[T]:
        """The same, which may be ``()``."""
        if self.take(b"()"):
            return []
        return self.listed(one)

    # ---------------------------------------------------------------- words and strings

    def tag(self) -> bytes:
        found = self.match(_TAG)
        if not found or len(found[0]) > 256:
            raise ParseError("a command begins with a tag")
        return found[0]

    def word(self) -> bytes:
        """A keyword, in capitals."""
        found = self.match(_WORD)
        if not found:
            raise ParseError("expected a keyword")
        return found[0].upper()

    def atom(self) -> bytes:
        found = self.match(_ATOM)
        if not found:
            raise ParseError("expected an atom")
        return found[0]

    def literal(self) -> Literal:
        if not self.at_literal:
            raise ParseError("expected a literal")
        value = self._literals[self._at]
        self._at += 1
        self.text = self._texts[self._at]
        self.place = 0
        return value

    def literal8(self) -> Literal:
        """A literal, or one with the mark of RFC 3516 section 7."""
        self.take(b"~")
        return self.literal()

    def string(self) -> bytes:
        """Quoted or literal; never has NUL."""
        if self.at_literal:
            value = self.literal()
            if not isinstance(value, bytes):
                raise ParseError("a message is not expected here")
            if b"\0" in value:
                raise ParseError("NUL is not allowed in a string")
            return value
        found = self.match(_QUOTED)
        if not found:
            raise ParseError("expected a string")
        if self.utf8 and not _is_utf8(found[1]):
            raise ParseError("a quoted string is not UTF-8")
        return _ESCAPE.sub(rb"\1", found[1]) if b"\\" in found[1] else found[1]

    def astring(self) -> bytes:
        found = self.match(_ASTRING)
        return found[0] if found else self.string()

    def nstring(self) -> bytes | None:
        return None if self.take_word(b"NIL") else self.string()

    def mailbox(self) -> str:
        """A mailbox name as it was typed."""
        return self._name(self.astring())

    def _name(self, octets: bytes) -> str:
        """8-bit is UTF-8 (RFC 9755 section 3); the rest is in modified UTF-7 as long as that is in use."""
        if self.utf8 or not octets.isascii():
            try:
                return octets.decode()
            except UnicodeDecodeError:
                raise BadName("the mailbox name is not UTF-8") from None
        return mutf7.decode(octets)

    def list_mailbox(self) -> str:
        """A pattern of LIST. What is no modified UTF-7 is taken as it stands: it fits no name, which is no error."""
        found = self.match(_LIST_MAILBOX)
        octets = found[0] if found else self.string()
        try:
            return self._name(octets)
        except BadName:
            return octets.decode("utf-8", "backslashreplace")

    # ---------------------------------------------------------------- numbers and dates

    def number(self, highest: int = 2**32 - 1) -> int:
        found = self.match(_NUMBER)
        if not found or len(found[0]) > 20 or int(found[0]) > highest:
            raise ParseError(f"expected a number up to {highest}")
        return int(found[0])

    def nz_number(self) -> int:
        number = self.number()
        if not number:
            raise ParseError("expected a number above 0")
        return number

    def modseq(self) -> int:
        return self.number(MODSEQ_HIGHEST)

    def date(self) -> date:
        """``1-Feb-2026``, quoted or not."""
        found = self.match(_DATE)
        if not found:
            raise ParseError("expected a date like 1-Feb-2026")
        try:
            return date(int(found[4]), _month(found[3]), int(found[2]))
        except ValueError:
            raise ParseError("there is no such date") from None

    def date_time(self) -> tuple[int, int]:
        """Seconds since the epoch and the zone in minutes east of UTC."""
        found = self.match(_DATE_TIME)
        if not found:
            raise ParseError('expected a date like "01-Feb-2026 12:30:00 +0100"')
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
        zone = (int(zone_hours) * 60 + int(zone_minutes)) * (-1 if sign == b"-" else 1)
        try:
            # A leap second counts as the one before it.
            moment = datetime(
                int(year), _month(month), int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC
            )
            if int(second) > 60 or abs(zone) >= 24 * 60 or int(zone_minutes) > 59:
                raise ValueError
            return int((moment - timedelta(minutes=zone)).timestamp()), zone
        except (ValueError, OverflowError):
            raise ParseError("there is no such date and time") from None


def _month(name: bytes) -> int:
    try:
        return _MONTH[name.lower()]
    except KeyError:
        raise ParseError("there is no such month") from None


def _is_utf8(octets: bytes) -> bool:
    if octets.isascii():
        return True
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True

"""Charsets, encoded words (RFC 2047) and parameters with charsets (RFC 2231): octets of a header as text.

Nothing here raises on any input, and every result is free of control characters and lone surrogates, so that it may go
into a header, a log line or a database as it is.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote, unquote_to_bytes

#: Octets of one field that are looked at; what follows is ignored.
FIELD_LIMIT = 64 * 1024
#: Encoded words decoded in one field; later ones stay as written.
WORD_LIMIT = 1000
#: Parameters of one field, and pieces of one parameter (RFC 2231 section 3).
PARAMETER_LIMIT = 100

# Python's codec -> the names senders write. A fixed list: names from a message never reach the codec registry, where
# "zlib", "rot13", "idna" or "undefined" would be found. ISO 8859-1 means windows-1252 in mail, GB 2312 means GB 18030,
# and so on (WHATWG Encoding, section 4.2).
_NAMES = {
    "ascii": "us-ascii ascii ansi_x3.4-1968 7bit 8bit unknown-8bit x-unknown",
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8",
    "cp1252": "iso-8859-1 iso8859-1 iso_8859-1 latin1 latin-1 l1 windows-1252 cp1252 x-ansi",
    "iso8859-2": "iso-8859-2 iso8859-2 latin2 l2",
    "iso8859-3": "iso-8859-3 latin3",
    "iso8859-4": "iso-8859-4 latin4",
    "iso8859-5": "iso-8859-5 iso8859-5",
    "iso8859-6": "iso-8859-6 iso-8859-6-i",
    "iso8859-7": "iso-8859-7 iso8859-7",
    "iso8859-8": "iso-8859-8 iso-8859-8-i",
    "cp1254": "iso-8859-9 iso8859-9 latin5 windows-1254 cp1254",
    "iso8859-10": "iso-8859-10 latin6",
    "cp874": "iso-8859-11 tis-620 windows-874 cp874",
    "iso8859-13": "iso-8859-13",
    "iso8859-14": "iso-8859-14",
    "iso8859-15": "iso-8859-15 iso8859-15 latin9 latin-9",
    "iso8859-16": "iso-8859-16",
    "cp1250": "windows-1250 cp1250",
    "cp1251": "windows-1251 cp1251",
    "cp1253": "windows-1253 cp1253",
    "cp1255": "windows-1255 cp1255",
    "cp1256": "windows-1256 cp1256",
    "cp1257": "windows-1257 cp1257",
    "cp1258": "windows-1258 cp1258",
    "cp437": "ibm437 cp437",
    "cp850": "ibm850 cp850",
    "cp852": "ibm852 cp852",
    "cp858": "ibm00858 cp858",
    "cp866": "ibm866 cp866",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "mac-roman": "macintosh x-mac-roman",
    "gb18030": "gb2312 gbk gb18030 cp936 x-gbk gb_2312-80 euc-cn",
    "hz": "hz-gb-2312",
    "big5hkscs": "big5 big5-hkscs",
    "cp932": "shift_jis shift-jis sjis x-sjis windows-31j cp932",
    "euc_jp": "euc-jp",
    "iso2022_jp_2": "iso-2022-jp iso-2022-jp-2 cp50220",
    "cp949": "euc-kr ks_c_5601-1987 ksc5601 cp949 windows-949",
    "iso2022_kr": "iso-2022-kr",
    "utf-7": "utf-7 utf7",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16le",
    "utf-16-be": "utf-16be",
    "utf-32": "utf-32",
}
_CODECS = {name: codec for codec, names in _NAMES.items() for name in names.split()}
_FALLBACK = "cp1252"

_SPACING = re.compile("[\t\n\x0b\x0c\r\x85\u2028\u2029]+")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_SURROGATES = re.compile("[\ud800-\udfff]")

_WORD = re.compile(rb"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?]*+)\?=")
_PARAMETER = re.compile(rb';\s*+([^\s=;"()]++)\s*+=\s*+(?:"((?:[^"\\]++|\\.?)*+)"?|([^;]*+))', re.DOTALL)
_COMMENT = re.compile(rb"\s\(")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_NUMBERED = re.compile(rb"([^*]+)\*(\d{1,3})(\*)?")
_PIECE = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")


def printable(text: str) -> str:
    """The text on one line: line ends and tabs become spaces, other controls and lone surrogates go."""
    if text.isprintable():
        return text
    return _CONTROLS.sub("", _SPACING.sub(" ", text))


def decode_charset(octets: bytes, charset: str) -> str:
    """Octets as text by a fixed list of charsets; an unknown name means windows-1252. Never raises.

    What cannot be decoded becomes U+FFFD. Line ends and controls are kept, lone surrogates are replaced.
    """
    codec = _CODECS.get(charset.strip().lower(), _FALLBACK)
    if codec == "ascii":
        return decode_raw(octets)
    try:
        text = octets.decode(codec, "replace")
    except ValueError:
        text = octets.decode(_FALLBACK, "replace")
    # UTF-7 can smuggle halves of surrogate pairs into the text, and no database or wire takes those.
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text) if codec == "utf-7" else text


def codec(charset: str) -> str | None:
    """Python's name of a charset that is known here, None for any other."""
    return _CODECS.get(charset.strip().lower())


def decode_raw(octets: bytes) -> str:
    """Octets without a declared charset: UTF-8 where they are (RFC 6532 section 3.1), else windows-1252."""
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        # A size limit may have cut UTF-8 in the middle of its last character.
        if error.reason == "unexpected end of data" and not octets[: error.start].isascii():
            return octets.decode("utf-8", "replace")
        return octets.decode(_FALLBACK, "replace")


def decode_base64(octets: bytes) -> bytes:
    """Base64 as found in mail: foreign characters skipped, a broken last group dropped (RFC 2045 section 6.8)."""
    try:
        return binascii.a2b_base64(octets + b"==")
    except binascii.Error:
        alphabet = _NOT_BASE64.sub(b"", octets)
        return binascii.a2b_base64(alphabet[: len(alphabet) // 4 * 4])


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


def decode_words(value: bytes) -> str:
    """A header value as text: encoded words decoded (RFC 2047), controls stripped; never raises.

    White space between two encoded words is dropped (section 6.2); words of one charset are joined before they are
    decoded, since many senders cut in the middle of a character. At most 64 KiB and 1,000 words are looked at.
    """
    value = value[:FIELD_LIMIT]
    if b"=?" not in value:
        return printable(decode_raw(value))
    return printable("".join(_runs(value)))


def _runs(value: bytes) -> Sequence[str]:
    pieces: list[str] = []
    charset = ""
    pending: list[bytes] = []
    done = 0
    for count, word in enumerate(_WORD.finditer(value)):
        if count == WORD_LIMIT:
            break
        gap = value[done : word.start()]
        name = word[1].decode("latin-1").lower()
        apart = bool(gap) and (not pending or not gap.isspace())
        if pending and (apart or name != charset):
            pieces.append(decode_charset(b"".join(pending), charset))
            pending = []
        if apart:
            pieces.append(decode_raw(gap))
        charset = name
        pending.append(_decode_word(word[2], word[3]))
        done = word.end()
    if pending:
        pieces.append(decode_charset(b"".join(pending), charset))
    pieces.append(decode_raw(value[done:]))
    return pieces


def _decode_word(encoding: bytes, text: bytes) -> bytes:
    return decode_base64(text) if encoding in b"bB" else binascii.a2b_qp(text, header=True)


def raw_parameters(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Parameters of a Content-Type or Content-Disposition value as written, quotes removed (RFC 2045 section 5.1).

    Names keep their case and their RFC 2231 marks (``filename*0*``). At most 100 are returned.
    """
    if b";" not in value:
        return ()
    found: list[tuple[bytes, bytes]] = []
    for match in _PARAMETER.finditer(value):
        name, quoted, token = match.groups()
        if quoted is None:
            quoted = token.strip() if b"(" not in token else _COMMENT.split(token, maxsplit=1)[0].strip()
        elif b"\\" in quoted:
            quoted = _ESCAPED.sub(rb"\1", quoted)
        found.append((name, quoted.replace(b"\r\n", b"").replace(b"\n", b"")))
        if len(found) == PARAMETER_LIMIT:
            break
    return tuple(found)


def joined_parameters(raw: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Parameters as written, but the pieces of a continued one joined (RFC 2231 section 3).

    One that has extended pieces is named ``name*`` and percent-encoded throughout, so that a reader needs to know
    section 4 only. Pieces after a missing one are left out.
    """
    if not any(b"*" in name for name, _ in raw):
        return tuple(raw)
    joined: dict[bytes, bytes] = {}
    pieces: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    for name, value in raw:
        match = _NUMBERED.fullmatch(name)
        if match is None:
            joined.setdefault(name, value)
        else:
            numbered = pieces.setdefault(match[1].lower(), {})
            numbered.setdefault(int(match[2]), (value, match[3] is not None))
    for name, numbered in pieces.items():
        row = list(_in_order(numbered))
        if any(extended for _, extended in row):
            values = (value if extended else quote(value).encode("ascii") for value, extended in row)
            joined.setdefault(name + b"*", b"".join(values))
        elif row:
            joined.setdefault(name, b"".join(value for value, _ in row))
    return tuple(joined.items())


def _in_order(numbered: dict[int, tuple[bytes, bool]]) -> Iterator[tuple[bytes, bool]]:
    for number in range(len(numbered)):
        if number not in numbered:
            return
        yield numbered[number]


def decode_parameters(raw: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Parameters as text: continuations joined, charsets decoded (RFC 2231), names in lower case, first of a name wins.

    Encoded words in values, which RFC 2047 section 5 forbids and mail programs send, are decoded too. A value in the
    extended form is preferred to a plain one of the same name (RFC 6266 section 4.3 has the same rule).
    """
    if not raw:
        return ()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for raw_name, value in raw:
        name = printable(decode_raw(raw_name)).lower()
        if "*" not in name:
            plain.setdefault(name, decode_words(value))
        elif match := _PIECE.fullmatch(name):
            base, number, extended = match.groups()
            pieces.setdefault(base, {}).setdefault(int(number or 0), (value, extended is not None))
    for base, numbered in pieces.items():
        plain[base] = _join_pieces(numbered)
    return tuple(plain.items())


def _join_pieces(numbered: dict[int, tuple[bytes, bool]]) -> str:
    charset = "utf-8"
    octets: list[bytes] = []
    for number, (value, extended) in enumerate(_in_order(numbered)):
        if extended:
            if number == 0 and value.count(b"'") >= 2:
                label, _, value = value.split(b"'", 2)
                charset = label.decode("latin-1") or charset
            value = unquote_to_bytes(value)
        octets.append(value)
    return printable(decode_charset(b"".join(octets), charset))

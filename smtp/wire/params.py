"""Arguments of MAIL and RCPT: paths and parameters, taken strictly. Pure.

RFC 5321 sections 4.1.1.2, 4.1.1.3, 4.1.2 and 4.5.3.1; RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 3461
(RET, ENVID, NOTIFY, ORCPT), RFC 6533 (ORCPT of type utf-8), RFC 4954 section 5 (AUTH).

Everything that is wrong raises ``Refused`` with the reply to give. Nothing is rewritten: source routes, ``%`` and
``!`` are never followed (RFC 5321 appendix C, RFC 2505 section 2.9).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from message.envelope import Notify
from smtp.wire.reply import Refused, Reply

LOCAL_LIMIT = 64
DOMAIN_LIMIT = 255
PATH_LIMIT = 256
ENVID_LIMIT = 100
ORCPT_LIMIT = 500

_SYNTAX = Reply(501, "5.5.2", "Syntax error: an address stands between < and >")
_PARAMETER_SYNTAX = Reply(501, "5.5.4", "Syntax error in parameters")
_TWICE = Reply(501, "5.5.4", "A parameter was given twice")
_ROUTE = Reply(550, "5.7.1", "Source routes are not followed")
_NOT_ASCII = Reply(553, "5.6.7", "Addresses beyond ASCII need SMTPUTF8")
_TOO_LONG = Reply(501, "5.1.3", "Address too long")

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_DOT_STRING = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]+(?:\.[{_ATEXT}\u0080-\U0010ffff]+)*")
_QUOTED_STRING = re.compile(r'"((?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*)"')
_LABEL = re.compile(r"[A-Za-z0-9_\u0080-\U0010ffff](?:[A-Za-z0-9_\u0080-\U0010ffff-]*[A-Za-z0-9_\u0080-\U0010ffff])?")
_PARAMETER = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\x80-\xff]+))?")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_XCHAR = re.compile(r"\+([0-9A-F]{2})")
_UNICODE_XCHAR = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_DIGITS = re.compile(r"[0-9]{1,20}")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A parsed address. ``domain`` is in lower case; ``""`` only for the bare ``postmaster`` of RCPT.

    ``literal`` is set for ``user@[192.0.2.1]``. A quoted local part that needs no quotes has lost them (RFC 5321
    section 4.1.2: both forms mean the same).
    """

    local: str
    domain: str
    literal: bool = False

    @property
    def spec(self) -> str:
        """``local@domain``, or the local part alone without a domain."""
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def routed(self) -> bool:
        """True when the local part tries to name a further hop: ``user%far``, ``far!user``, ``"user@far"``."""
        return any(mark in self.local for mark in "%!@")


@dataclass(frozen=True, slots=True)
class MailCommand:
    """``MAIL FROM``; ``sender`` None is the null reverse path ``<>``."""

    sender: Mailbox | None
    size: int | None = None
    body: str = "8BITMIME"
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None


@dataclass(frozen=True, slots=True)
class RcptCommand:
    """``RCPT TO``; ``original`` is the decoded ORCPT ``type;address``."""

    recipient: Mailbox
    original: str | None = None
    notify: frozenset[Notify] = frozenset()


def parse_mail(argument: bytes, *, auth: bool = False) -> MailCommand:
    """What follows ``MAIL ``. ``auth`` allows the AUTH parameter (it is checked and has no effect).

    Raises Refused: 501, 553 or 555.
    """
    path, rest = _path(argument, b"FROM:")
    known = _MAIL_AUTH if auth else _MAIL
    given = _parameters(rest, known, "MAIL")
    utf8 = "SMTPUTF8" in given
    sender = None if path == b"" else _mailbox(path, utf8)
    size = given.get("SIZE")
    return MailCommand(
        sender=sender,
        size=None if size is None else int(size),
        body=given.get("BODY", "8BITMIME"),
        smtputf8=utf8,
        ret=given.get("RET"),
        envid=given.get("ENVID"),
    )


def parse_rcpt(argument: bytes, *, smtputf8: bool = False) -> RcptCommand:
    """What follows ``RCPT ``. ``smtputf8`` is the transaction's. Raises Refused: 501, 550, 553 or 555."""
    path, rest = _path(argument, b"TO:")
    given = _parameters(rest, _RCPT, "RCPT")
    if path.lower() == b"postmaster":
        recipient = Mailbox("postmaster", "")
    else:
        recipient = _mailbox(path, smtputf8)
    notify = given.get("NOTIFY")
    return RcptCommand(
        recipient=recipient,
        original=given.get("ORCPT"),
        notify=frozenset(Notify(word) for word in notify.split(",")) if notify else frozenset(),
    )


def xtext(value: str) -> str:
    """Decode xtext (RFC 3461 section 4). Raises Refused 501 when it is malformed or hides anything but printable ASCII.

    A decoded control octet would reach header fields and logs: none is taken.
    """
    if not _XTEXT.fullmatch(value):
        raise Refused(_PARAMETER_SYNTAX)
    decoded = _XCHAR.sub(lambda found: chr(int(found[1], 16)), value)
    if not all(" " <= c <= "~" for c in decoded):
        raise Refused(_PARAMETER_SYNTAX)
    return decoded


def _path(argument: bytes, keyword: bytes) -> tuple[bytes, bytes]:
    """What stands between the angle brackets, and the octets behind them. Spaces after the colon are tolerated."""
    if argument[: len(keyword)].upper() != keyword:
        raise Refused(Reply(501, "5.5.2", f"Syntax error: {keyword.decode()}<address> expected"))
    rest = argument[len(keyword) :].lstrip(b" ")
    if rest[:1] != b"<":
        raise Refused(_SYNTAX)
    end = _closing_bracket(rest)
    if end < 0:
        raise Refused(_SYNTAX)
    if end + 1 > PATH_LIMIT:
        raise Refused(_TOO_LONG)
    rest, after = rest[1:end], rest[end + 1 :]
    if after and after[:1] != b" ":
        raise Refused(_SYNTAX)
    return rest, after


def _closing_bracket(path: bytes) -> int:
    """Offset of the ``>`` that ends the path; one within a quoted string doesn't. -1 when there is none."""
    if path[1:2] != b'"':
        return path.find(b">")
    at = 2
    while at < len(path):
        if path[at] == 0x5C:  # a backslash quotes what follows
            at += 1
        elif path[at] == 0x22:
            return path.find(b">", at)
        at += 1
    return -1


def _mailbox(path: bytes, utf8: bool) -> Mailbox:
    if not path.isascii() and not utf8:
        raise Refused(_NOT_ASCII)
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(_SYNTAX) from None
    if text[:1] == "@":
        raise Refused(_ROUTE)
    local, at, domain = text.rpartition("@")
    if not at or (not text.isascii() and _has_invisible(text)):
        raise Refused(_SYNTAX)
    local = _local(local)
    if len(local.encode()) > LOCAL_LIMIT or len(domain.encode()) > DOMAIN_LIMIT:
        raise Refused(_TOO_LONG)
    if domain[:1] == "[":
        return Mailbox(local, _literal(domain), literal=True)
    if not is_domain(domain):
        raise Refused(_SYNTAX)
    return Mailbox(local, domain.lower())


def _local(local: str) -> str:
    if _DOT_STRING.fullmatch(local):
        return local
    quoted = _QUOTED_STRING.fullmatch(local)
    if not quoted:
        raise Refused(_SYNTAX)
    plain = re.sub(r"\\(.)", r"\1", quoted[1])
    if _DOT_STRING.fullmatch(plain):
        return plain
    return '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"'


def is_domain(domain: str) -> bool:
    """True for labels of letters, digits, hyphens and (as seen in the wild) underscores, 63 octets each, no final
    dot.
    """
    if len(domain.encode()) > DOMAIN_LIMIT:
        return False
    return all(len(label.encode()) <= 63 and _LABEL.fullmatch(label) for label in domain.split("."))


def _literal(domain: str) -> str:
    """A checked address literal (RFC 5321 section 4.1.3) in one spelling. Raises Refused 501."""
    inner = domain[1:-1]
    try:
        if domain[-1:] != "]" or "%" in inner:
            raise ValueError
        if inner[:5].upper() == "IPV6:":
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        raise Refused(_SYNTAX) from None


def _has_invisible(text: str) -> bool:
    """True for control, format (bidirectional marks), unassigned and space characters beyond ASCII."""
    return any(c > "\x7f" and unicodedata.category(c)[0] in "CZ" for c in text)


def _parameters(rest: bytes, known: dict[str, Callable[[str | None], str]], verb: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for word in rest.split():
        found = _PARAMETER.fullmatch(word)
        if not found:
            raise Refused(_PARAMETER_SYNTAX)
        keyword = found[1].decode("ascii").upper()
        check = known.get(keyword)
        if check is None:
            raise Refused(Reply(555, "5.5.4", f"{verb} parameter {keyword[:40]} is not known here"))
        if keyword in given:
            raise Refused(_TWICE)
        try:
            value = None if found[2] is None else found[2].decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(_PARAMETER_SYNTAX) from None
        given[keyword] = check(value)
    return given


def _size(value: str | None) -> str:
    if value is None or not _DIGITS.fullmatch(value):
        raise Refused(Reply(501, "5.5.4", "SIZE is a number of at most 20 digits"))
    return value


def _body(value: str | None) -> str:
    word = (value or "").upper()
    if word == "BINARYMIME":
        raise Refused(Reply(555, "5.5.4", "BODY=BINARYMIME is not offered here"))
    if word not in ("7BIT", "8BITMIME"):
        raise Refused(_PARAMETER_SYNTAX)
    return word


def _no_value(value: str | None) -> str:
    if value is not None:
        raise Refused(_PARAMETER_SYNTAX)
    return ""


def _ret(value: str | None) -> str:
    word = (value or "").upper()
    if word not in ("FULL", "HDRS"):
        raise Refused(_PARAMETER_SYNTAX)
    return word


def _envid(value: str | None) -> str:
    if not value or len(value) > ENVID_LIMIT:
        raise Refused(_PARAMETER_SYNTAX)
    return xtext(value)


def _auth(value: str | None) -> str:
    if not value:
        raise Refused(_PARAMETER_SYNTAX)
    return "" if value == "<>" else xtext(value)


def _notify(value: str | None) -> str:
    words = (value or "").upper().split(",")
    if len(set(words)) != len(words) or not all(word in Notify.__members__ for word in words):
        raise Refused(_PARAMETER_SYNTAX)
    if "NEVER" in words and len(words) > 1:
        raise Refused(_PARAMETER_SYNTAX)
    return ",".join(words)


def _orcpt(value: str | None) -> str:
    kind, separator, address = (value or "").partition(";")
    if not separator or not address or len(address) > ORCPT_LIMIT or not _ADDRESS_TYPE.fullmatch(kind):
        raise Refused(_PARAMETER_SYNTAX)
    if kind.lower() == "utf-8":
        return f"{kind};{_unicode_xtext(address)}"
    return f"{kind};{xtext(address)}"


def _unicode_xtext(value: str) -> str:
    r"""Decode utf-8-addr-xtext and utf-8-addr-unitext (RFC 6533 section 3): ``\x{E9}`` beside plain characters."""
    plain = _UNICODE_XCHAR.sub(lambda found: _code_point(found[1]), value)
    plain = _XCHAR.sub(lambda found: chr(int(found[1], 16)), plain)
    if _has_invisible(plain) or not all(" " <= c <= "~" or c > "\x7f" for c in plain):
        raise Refused(_PARAMETER_SYNTAX)
    return plain


def _code_point(digits: str) -> str:
    number = int(digits, 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise Refused(_PARAMETER_SYNTAX)
    return chr(number)


_MAIL: dict[str, Callable[[str | None], str]] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _no_value,
    "RET": _ret,
    "ENVID": _envid,
}
_MAIL_AUTH = {**_MAIL, "AUTH": _auth}
_RCPT: dict[str, Callable[[str | None], str]] = {"NOTIFY": _notify, "ORCPT": _orcpt}


def to_xtext(value: str) -> str:
    r"""Encode for ENVID and ORCPT (RFC 3461 section 4); what is not ASCII as ``\x{E9}`` (RFC 6533 section 3)."""
    return "".join(_to_xchar(c) for c in value)


def _to_xchar(c: str) -> str:
    if "!" <= c <= "~" and c not in "+=":
        return c
    return f"+{ord(c):02X}" if c <= "\x7f" else f"\\x{{{ord(c):02X}}}"

"""What SPF, DKIM and DMARC said about one message, and the Authentication-Results field that tells it (RFC 8601)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from authres import AuthenticationResultsHeader
from authres.core import (
    AuthenticationResult,
    BaseAuthenticationResult,
    DKIMAuthenticationResult,
    NoneAuthenticationResult,
    SPFAuthenticationResult,
)
from authres.dmarc import DMARCAuthenticationResult

from message.headers import HeaderBlock, HeaderField

_REASON_LIMIT = 120
_NAME_LIMIT = 255


class Outcome(StrEnum):
    """Result words of RFC 8601 section 2.7; ``POLICY`` is a good signature that our own rules refuse."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class SpfResult:
    """RFC 7208: may this client send for ``domain``?

    ``scope`` says where the domain stood: ``"mailfrom"`` or, for the null sender, ``"helo"``.
    """

    outcome: Outcome
    domain: str = ""
    scope: str = "mailfrom"
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class DkimResult:
    """RFC 6376: one signature, by ``domain`` (d=) with the key at ``selector`` (s=), both in lower case.

    ``whole`` is false when the signature covers only the first part of the body (l=). Anybody can add text to such a
    message, so it is no ground for alignment (RFC 6376 section 8.2).
    """

    outcome: Outcome
    domain: str = ""
    selector: str = ""
    reason: str = ""
    whole: bool = True


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """RFC 9989: the result for the author's ``domain`` and what its owner asks for on failure.

    ``policy`` is ``"none"``, ``"quarantine"`` or ``"reject"``, with the test mode (t=y) already taken into account.
    """

    outcome: Outcome
    domain: str = ""
    policy: str = "none"


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """All results of one message. ``dkim`` has one entry a signature that was looked at, in message order.

    ``note`` tells people why nothing was checked or what went wrong; ``""`` in the usual case.
    """

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    note: str = ""


def unchecked(note: str) -> AuthenticationResults:
    """Results of a message that was not looked at, and why."""
    return AuthenticationResults(SpfResult(Outcome.NONE), (), DmarcResult(Outcome.NONE), note)


def header(results: AuthenticationResults, authserv_id: str) -> bytes:
    """The one Authentication-Results field of a message, folded, with CRLF (RFC 8601 section 2.2).

    Nothing in ``results`` can end the field or begin another result: all of it may come from a sender.
    """
    clauses: list[BaseAuthenticationResult] = [*_clauses(results)]
    if not clauses:
        clauses.append(NoneAuthenticationResult(comment=_phrase(results.note) or None))
    field = str(AuthenticationResultsHeader(authserv_id=_name(authserv_id), results=clauses))
    # authres does not fold. No value has a semicolon in it, so each of them ends a result.
    return field.replace("; ", ";\r\n\t").encode("ascii") + b"\r\n"


def _clauses(results: AuthenticationResults) -> list[AuthenticationResult]:
    clauses = [_dkim_clause(signature) for signature in results.dkim]
    if results.spf.domain:
        clauses.insert(0, _spf_clause(results.spf))
    if results.dmarc.domain:
        clauses.append(_dmarc_clause(results.dmarc))
    return clauses


def _spf_clause(spf: SpfResult) -> AuthenticationResult:
    domain, reason = _name(spf.domain), _phrase(spf.explanation) or None
    if spf.scope == "helo":
        return SPFAuthenticationResult(result=spf.outcome.value, reason=reason, smtp_helo=domain)
    return SPFAuthenticationResult(result=spf.outcome.value, reason=reason, smtp_mailfrom=domain)


def _dkim_clause(signature: DkimResult) -> AuthenticationResult:
    return DKIMAuthenticationResult(
        result=signature.outcome.value,
        reason=_phrase(signature.reason) or None,
        header_d=_name(signature.domain),
        header_s=_name(signature.selector),
    )


def _dmarc_clause(dmarc: DmarcResult) -> AuthenticationResult:
    comment = f"p={_name(dmarc.policy)}"
    return DMARCAuthenticationResult(
        result=dmarc.outcome.value, result_comment=comment, header_from=_name(dmarc.domain)
    )


def _name(text: str) -> str:
    """A domain, selector or word as it may stand unquoted; anything that is not part of a name becomes ``?``."""
    return re.sub(r"[^A-Za-z0-9._=-]", "?", text[:_NAME_LIMIT])


def _phrase(text: str) -> str:
    """Free text made safe for a quoted string and for a comment. (authres does not quote a value with an ``@``.)"""
    return re.sub(r"[^A-Za-z0-9 .,:_=+/-]", "?", text[:_REASON_LIMIT])


def foreign(headers: HeaderBlock, authserv_id: str) -> list[HeaderField]:
    """The Authentication-Results fields of a message from outside that claim to be ours: to be removed.

    RFC 8601 section 5. The name is compared as a lax reader would see it: without case, comments, quotes and folding,
    with or without a version. Where comments or quotes do not end, or nothing but a comment stands
    there, our name anywhere in the value is enough.
    """
    ours = re.compile(
        r"\s*" + r"\s*\.\s*".join(map(re.escape, authserv_id.strip(".").split("."))) + r"\.?(?![A-Za-z0-9_.-])",
        re.IGNORECASE,
    )
    return [
        field
        for field in headers.named(b"Authentication-Results")
        if _claims(headers.value(field).decode("latin-1"), ours)
    ]


def _claims(value: str, ours: re.Pattern[str]) -> bool:
    name, closed = _authserv_id(value)
    return ours.match(name) is not None if closed and name.strip() else ours.search(value) is not None


def _authserv_id(value: str) -> tuple[str, bool]:
    """The text before the first semicolon without comments (RFC 5322 section 3.2.2) and quotes; whether all closed."""
    kept: list[str] = []
    depth, quoted = 0, False
    characters = iter(value)
    for character in characters:
        if character == "\\" and (depth or quoted):
            character = next(characters, "")
            if not depth:
                kept.append(character)
        elif quoted:
            quoted = character != '"'
            if quoted:
                kept.append(character)
        elif character == "(":
            depth += 1
            kept.append(" ")
        elif depth:
            depth -= character == ")"
        elif character == '"':
            quoted = True
        elif character == ";":
            break
        else:
            kept.append(character)
    return "".join(kept), not (depth or quoted)

"""DomainKeys Identified Mail: the signatures of a message from outside (RFC 6376, RFC 8301, RFC 8463).

Nothing happens for a message without a DKIM-Signature field. Canonical forms and hashes are dkimpy's; the fields are
those of our own header parser, so that what is shown is what was signed.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import dkim
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from dkim.util import InvalidTagValueList, parse_tag_value

from mailauth.dkim_arithmetic import PublicKey
from mailauth.resolver import LookupFailed, NotFound, Resolver
from mailauth.results import DkimResult, Outcome
from message.content import Buffer
from message.headers import HeaderBlock, HeaderField

_SMALLEST_KEY = 1024  # RFC 8301 section 3.2
_LARGEST_KEY = 8192  # time to verify grows with it
_LONGEST_FIELD = 16 * 1024
_SIGNED_NAMES = 200
_CLOCK_SKEW = 300
_BLANKS = re.compile(rb"\s+")
_NAME = re.compile(rb"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}", re.IGNORECASE)
_NUMBER = re.compile(rb"[0-9]{1,12}")

_KEY_TYPES = {b"rsa-sha256": b"rsa", b"ed25519-sha256": b"ed25519"}


class _Refused(Exception):
    """A signature that does not count, and what it counts as."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Signature:
    """The tags of one DKIM-Signature field (RFC 6376 section 3.5), blanks removed where they mean nothing."""

    field: HeaderField
    tags: dict[bytes, bytes]
    names: list[bytes]

    @property
    def domain(self) -> str:
        return self.tags[b"d"].decode("ascii").lower()

    @property
    def selector(self) -> str:
        return self.tags[b"s"].decode("ascii").lower()


@dataclass(frozen=True, slots=True)
class _Key:
    """A key record (RFC 6376 section 3.6.1)."""

    public: PublicKey
    flags: frozenset[bytes]


def evaluate(
    buffer: Buffer,
    headers: HeaderBlock,
    resolver: Resolver,
    deadline: float,
    limit: int,
    authors: Sequence[str] = (),
) -> tuple[DkimResult, ...]:
    """One result for each of the first ``limit`` signatures, in message order.

    What the deadline leaves out is a temporary error. The signatures nearest to the domains of the ``authors`` are
    looked at first: else a forger could put keys at silent name servers before the one that decides.
    """
    fields = headers.named(b"DKIM-Signature")[:limit]
    if not fields:
        return ()
    message = _message(buffer, headers)
    read = [_read(buffer, field) for field in fields]
    results = dict.fromkeys(range(len(read)), DkimResult(Outcome.NONE))
    for index in sorted(results, key=lambda index: -_nearness(read[index], authors)):
        signature = read[index]
        results[index] = (
            signature if isinstance(signature, DkimResult) else _result(message, buffer, signature, resolver, deadline)
        )
    return tuple(results.values())


def _nearness(signature: _Signature | DkimResult, authors: Sequence[str]) -> int:
    """How many labels at the end the signer's domain has in common with an author's."""
    return max((_common_labels(signature.domain, author) for author in authors), default=0)


def _common_labels(one: str, other: str) -> int:
    pairs = zip(reversed(one.split(".")), reversed(other.split(".")), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _message(buffer: Buffer, headers: HeaderBlock) -> dkim.DKIM:
    message = dkim.DKIM()
    message.headers = [[field.name, buffer[field.value_start : field.end]] for field in headers.fields]
    message.body = buffer[headers.body_start :]
    message.minkey = 0  # sizes are judged here, where the reason can be told
    return message


def _result(
    message: dkim.DKIM, buffer: Buffer, signature: _Signature, resolver: Resolver, deadline: float
) -> DkimResult:
    whole = b"l" not in signature.tags
    try:
        _check(signature)
        _verify(message, buffer, signature, _fetch_key(signature, resolver, deadline))
    except _Refused as refusal:
        return DkimResult(refusal.outcome, signature.domain, signature.selector, refusal.reason, whole)
    reason = "" if whole else "covers a part of the body only"
    return DkimResult(Outcome.PASS, signature.domain, signature.selector, reason, whole)


def _read(buffer: Buffer, field: HeaderField) -> _Signature | DkimResult:
    """The signature in a field; for one that cannot be read, its result."""
    try:
        return _parse(buffer, field)
    except _Refused as refusal:
        return DkimResult(refusal.outcome, reason=refusal.reason)


def _parse(buffer: Buffer, field: HeaderField) -> _Signature:
    if field.end - field.value_start > _LONGEST_FIELD:
        raise _Refused(Outcome.PERMERROR, "signature field too long")
    tags = _tags(buffer[field.value_start : field.end], "signature")
    for name in (b"b", b"bh", b"h", b"d", b"s", b"i", b"a", b"c", b"q", b"l", b"t", b"x"):
        if name in tags:
            tags[name] = _BLANKS.sub(b"", tags[name])
    for name in (b"d", b"s"):
        if not _NAME.fullmatch(tags.get(name, b"")):
            raise _Refused(Outcome.PERMERROR, f"no usable {name.decode()}= tag")
    return _Signature(field, tags, tags.get(b"h", b"").lower().split(b":"))


def _tags(value: bytes, what: str) -> dict[bytes, bytes]:
    try:
        return parse_tag_value(value) if value.strip() else {}
    except InvalidTagValueList:
        raise _Refused(Outcome.PERMERROR, f"{what} is no list of tags") from None


def _check(signature: _Signature) -> None:
    """What can be said without the key (RFC 6376 section 6.1.1)."""
    tags = signature.tags
    if tags.get(b"a") == b"rsa-sha1":
        raise _Refused(Outcome.POLICY, "rsa-sha1 is no longer a signature, RFC 8301")
    if b"v" not in tags:
        raise _Refused(Outcome.PERMERROR, "no v= tag")
    if any(name in tags and not _NUMBER.fullmatch(tags[name]) for name in (b"l", b"t", b"x")):
        raise _Refused(Outcome.PERMERROR, "l=, t= or x= is no number")
    _check_times(tags)
    if b"from" not in signature.names:
        raise _Refused(Outcome.PERMERROR, "From is not signed")
    if len(signature.names) > _SIGNED_NAMES:
        raise _Refused(Outcome.PERMERROR, "too many names in h=")
    if b"@" not in tags.get(b"i", b"@"):
        raise _Refused(Outcome.PERMERROR, "i= is no address")
    try:
        dkim.validate_signature_fields(tags)
    except dkim.DKIMException as error:
        raise _Refused(Outcome.PERMERROR, str(error)) from None


def _check_times(tags: dict[bytes, bytes]) -> None:
    """x= and t=, more strictly than dkimpy, which allows ten hours."""
    now = time.time()
    if b"x" in tags and int(tags[b"x"]) < now - _CLOCK_SKEW:
        raise _Refused(Outcome.FAIL, "signature expired")
    if b"t" in tags and int(tags[b"t"]) > now + _CLOCK_SKEW:
        raise _Refused(Outcome.FAIL, "signature from the future")


def _fetch_key(signature: _Signature, resolver: Resolver, deadline: float) -> _Key:
    """The key at selector._domainkey.domain. Several records: the first that is a key (section 3.6.2.2)."""
    if time.monotonic() >= deadline:
        raise _Refused(Outcome.TEMPERROR, "no time left")
    try:
        records = resolver.txt(f"{signature.selector}._domainkey.{signature.domain}", deadline)
    except NotFound:
        records = ()
    except LookupFailed:
        raise _Refused(Outcome.TEMPERROR, "no answer from the DNS for the key") from None
    if not records:
        raise _Refused(Outcome.PERMERROR, "no key for signature")
    refusal: _Refused | None = None
    for record in records[:5]:
        try:
            return _key(record, signature)
        except _Refused as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _key(record: bytes, signature: _Signature) -> _Key:
    tags = _tags(record, "key record")
    kind = tags.get(b"k", b"rsa")
    flags = frozenset(_listed(tags, b"t"))
    if tags.get(b"v", b"DKIM1") != b"DKIM1" or b"p" not in tags:
        raise _Refused(Outcome.PERMERROR, "key record is no DKIM key")
    if kind != _KEY_TYPES.get(signature.tags[b"a"]):
        raise _Refused(Outcome.PERMERROR, "key and signature are of different kinds")
    if b"h" in tags and b"sha256" not in _listed(tags, b"h"):
        raise _Refused(Outcome.PERMERROR, "key is not for sha256")
    if b"s" in tags and not {b"*", b"email"} & set(_listed(tags, b"s")):
        raise _Refused(Outcome.PERMERROR, "key is not for mail")
    identity = signature.tags.get(b"i", b"").rpartition(b"@")[2].lower()
    if b"s" in flags and identity and identity != signature.tags[b"d"].lower():
        raise _Refused(Outcome.PERMERROR, "key is not for subdomains")
    return _Key(_public_key(kind, tags[b"p"]), flags)


def _listed(tags: dict[bytes, bytes], name: bytes) -> list[bytes]:
    return _BLANKS.sub(b"", tags.get(name, b"")).split(b":")


def _public_key(kind: bytes, text: bytes) -> PublicKey:
    encoded = _BLANKS.sub(b"", text)
    if not encoded:
        raise _Refused(Outcome.PERMERROR, "key revoked")
    try:
        octets = base64.b64decode(encoded, validate=True)
        if kind == b"ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        key = _rsa_key(octets)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise _Refused(Outcome.PERMERROR, "key cannot be read") from None
    if key.key_size < _SMALLEST_KEY:
        raise _Refused(Outcome.POLICY, f"key of {key.key_size} bits is too small")
    if key.key_size > _LARGEST_KEY:
        raise _Refused(Outcome.POLICY, f"key of {key.key_size} bits is too large")
    return key


def _rsa_key(octets: bytes) -> RSAPublicKey:
    """A SubjectPublicKeyInfo, as everybody publishes it, or the RSAPublicKey of RFC 6376 section 3.6.1."""
    key = load_der_public_key(octets)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("no RSA key")
    return key


def _verify(message: dkim.DKIM, buffer: Buffer, signature: _Signature, key: _Key) -> None:
    field = signature.field
    # dkimpy verifies both kinds of keys through the one function that dkim_arithmetic has put there.
    message.pk, message.ktag, message.keysize = key.public, b"rsa", _SMALLEST_KEY
    raw = [field.name, buffer[field.value_start : field.end]]
    try:
        good = message.verify_sig_process(dict(signature.tags), list(signature.names), raw, None)
        reason = "signature did not verify"
    except dkim.ValidationError:
        good, reason = False, "body was changed"
    except (dkim.DKIMException, ValueError) as error:
        raise _Refused(Outcome.PERMERROR, str(error)) from None
    if not good:
        # A domain that only tries DKIM out asks for a failure not to count (section 3.6.1, t=y).
        raise _Refused(Outcome.NEUTRAL if b"y" in key.flags else Outcome.FAIL, reason)

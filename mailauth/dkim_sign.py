"""DKIM signatures of outgoing mail (RFC 6376; Ed25519: RFC 8463)."""

from __future__ import annotations

import base64
import hashlib
import time

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dkim.canonicalization import CanonicalizationPolicy

from config.settings import MailAuth
from mailauth.dkim_arithmetic import PrivateKey
from message.headers import HeaderBlock, parse_headers

_SMALLEST_KEY = 1024
_CANONICAL = b"relaxed/relaxed"
# Signed once more than they occur, so that nobody can add another one (RFC 6376 section 8.15).
_SEALED = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
# Signed as they are: mailing lists add some of these with good reason.
_SIGNED = (b"sender", b"in-reply-to", b"references", b"resent-from", b"resent-to", b"resent-date", b"list-unsubscribe")


class UnusableKey(ValueError):
    """The signing key cannot be used; the text says why."""


class Signer:
    """Signs with the one key of the settings, read once. Safe from several threads.

    Raises ``UnusableKey`` when the key file is no RSA key of 1024 bits or more and no Ed25519 key, and OSError when it
    cannot be read: a server that was told to sign must not start without.
    """

    def __init__(self, settings: MailAuth) -> None:
        self._selector = settings.dkim_selector.encode("ascii")
        self._key = None if settings.dkim_key is None else _private_key(settings.dkim_key.read_bytes())

    def sign(self, octets: bytes, domain: str) -> bytes:
        """The DKIM-Signature field for a message with CRLF line ends, folded, with CRLF; ``b""`` without a key.

        ``domain`` (d=) is in A-labels. The field belongs on top of exactly these octets.
        """
        if self._key is None:
            return b""
        headers = parse_headers(octets)
        algorithm = b"ed25519-sha256" if isinstance(self._key, Ed25519PrivateKey) else b"rsa-sha256"
        # For dkimpy it is always RSA: the one function that dkim_arithmetic has put there signs with either key.
        message = dkim.DKIM()
        message.headers = [[field.name, octets[field.value_start : field.end]] for field in headers.fields]
        message.hasher = hashlib.sha256
        policy = CanonicalizationPolicy.from_c_value(_CANONICAL)
        names = _names(headers)
        tags = [
            (b"v", b"1"),
            (b"a", algorithm),
            (b"c", _CANONICAL),
            (b"d", domain.encode("ascii")),
            (b"s", self._selector),
            (b"t", b"%d" % time.time()),
            (b"h", b" : ".join(names)),
            (b"bh", base64.b64encode(hashlib.sha256(policy.canonicalize_body(octets[headers.body_start :])).digest())),
            (b"b", b"0" * 60),
        ]
        return b"DKIM-Signature: " + message.gen_header(tags, names, policy, b"DKIM-Signature", self._key)


def _names(headers: HeaderBlock) -> list[bytes]:
    """The names for h=, each as often as it occurs, sealed ones once more."""
    present = [field.name.lower() for field in headers.fields]
    names = [name for name in _SEALED + _SIGNED for _ in range(present.count(name))]
    return [*names, *_SEALED]


def _private_key(pem: bytes) -> PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise UnusableKey(f"the DKIM key is no PEM file with a private key without password: {error}") from error
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey) and key.key_size >= _SMALLEST_KEY:
        return key
    raise UnusableKey("the DKIM key must be RSA with 1024 bits or more (2048 is usual), or Ed25519")

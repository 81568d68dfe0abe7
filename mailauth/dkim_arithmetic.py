"""dkimpy with other arithmetic: RSA and Ed25519 by the ``cryptography`` package, text steps in linear time.

dkimpy computes RSA in Python (a 2048-bit signature takes 20 ms against 1 ms here) and needs a further package for
Ed25519. Its patterns take time that grows with the square of a run of blanks, which a sender chooses. Importing this
module puts better parts into dkimpy; nothing else in the server touches them.
"""

from __future__ import annotations

import re

import dkim
import dkim.canonicalization
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

PrivateKey = RSAPrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | Ed25519PublicKey

# The value of b= with the blanks about it, up to the next tag (RFC 6376 section 3.7).
_SIGNATURE_VALUE = re.compile(rb"((?:\A|;)\s*+b\s*+=)[^;]*+")
_TRAILING_BLANKS = re.compile(rb"(?<![\t ])[\t ]++\r\n")
# Single spaces, nearly all blanks of a text, are left as they are.
_BLANKS = re.compile(rb"\t[\t ]*+| [\t ]++")
_LINE_ENDS_BACKWARDS = re.compile(rb"(?:\n\r)*+")


def sign(digest: dkim.HashThrough, key: PrivateKey) -> bytes:
    """The signature of a SHA-256 digest: RSASSA-PKCS1-v1_5 (RFC 6376 section 3.3.2) or Ed25519 (RFC 8463)."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(digest.digest())
    return key.sign(digest.digest(), PKCS1v15(), Prehashed(SHA256()))


def verify(digest: dkim.HashThrough, signature: bytes, key: PublicKey) -> bool:
    """Whether ``sign`` with the private half gave this signature."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, digest.digest())
        else:
            key.verify(signature, digest.digest(), PKCS1v15(), Prehashed(SHA256()))
    except InvalidSignature:
        return False
    return True


def strip_trailing_blanks(body: bytes) -> bytes:
    """Remove blanks at the ends of lines (RFC 6376 section 3.4.4)."""
    if b" \r\n" not in body and b"\t\r\n" not in body:
        return body
    return _TRAILING_BLANKS.sub(b"\r\n", body)


def compress_blanks(text: bytes) -> bytes:
    """Make one space of each run of blanks (RFC 6376 sections 3.4.2 and 3.4.4)."""
    return _BLANKS.sub(b" ", text)


def strip_trailing_lines(body: bytes) -> bytes:
    """Leave one line end after the last line that is not empty (RFC 6376 section 3.4.3)."""
    tail = body[len(body.rstrip(b"\r\n")) :]
    match = _LINE_ENDS_BACKWARDS.match(tail[::-1])
    line_ends = match.end() if match else 0
    return body[: len(body) - line_ends] + b"\r\n"


dkim.RSASSA_PKCS1_v1_5_sign = sign
dkim.RSASSA_PKCS1_v1_5_verify = verify
dkim.RE_BTAG = _SIGNATURE_VALUE
dkim.canonicalization.strip_trailing_whitespace = strip_trailing_blanks
dkim.canonicalization.compress_whitespace = compress_blanks
dkim.canonicalization.strip_trailing_lines = strip_trailing_lines

"""Our parts must agree with dkimpy's own on everything but time."""

from __future__ import annotations

import hashlib
import re

import dkim.canonicalization
import dkim.crypto
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mailauth import dkim_arithmetic


class Digest:
    def __init__(self, octets: bytes) -> None:
        self.name = "sha256"
        self._digest = hashlib.sha256(octets).digest()

    def digest(self) -> bytes:
        return self._digest


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("octets", [b"", b"a", b"x" * 1000])
def test_both_arithmetics_sign_alike_and_verify_each_other(key, octets):
    private = dkim.crypto.parse_private_key(
        key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    public = dkim.crypto.parse_public_key(
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    ours = dkim_arithmetic.sign(Digest(octets), key)
    theirs = bytes(dkim.crypto.RSASSA_PKCS1_v1_5_sign(Digest(octets), private))
    assert ours == theirs
    for signature in (ours, ours[:-1] + b"\x00", b"", b"\xff" * 256, b"\x00" * 257):
        assert dkim_arithmetic.verify(Digest(octets), signature, key.public_key()) is (signature == ours)
        assert dkim.crypto.RSASSA_PKCS1_v1_5_verify(Digest(octets), signature, public) is (signature == ours)


BODIES = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"b c", b"\r", b"\n"]), max_size=30).map(b"".join)


def reference_relaxed(body: bytes) -> bytes:
    """RFC 6376 section 3.4.4 line by line."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


@given(BODIES)
def test_relaxed_bodies(body):
    body += b"" if body.endswith(b"\r\n") else b"\r\n"
    assert dkim.canonicalization.Relaxed.canonicalize_body(body) == reference_relaxed(body)


@given(BODIES)
def test_simple_bodies(body):
    lines = body.split(b"\r\n")
    while lines and not lines[-1]:
        lines.pop()
    assert dkim.canonicalization.Simple.canonicalize_body(body) == b"\r\n".join(lines) + b"\r\n"


def test_the_example_of_rfc_6376():
    """Section 3.4.5."""
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert dkim.canonicalization.Relaxed.canonicalize_body(body) == b" C\r\nD E\r\n"
    assert dkim.canonicalization.Simple.canonicalize_body(body) == b" C \r\nD \t E\r\n"
    headers = [[b"A", b" X\r\n"], [b"B ", b" Y\t\r\n\tZ  \r\n"]]
    assert dkim.canonicalization.Relaxed.canonicalize_headers(headers) == [(b"a", b"X\r\n"), (b"b", b"Y Z\r\n")]


@pytest.mark.parametrize(
    ("value", "without"),
    [
        (b" v=1; b=abc", b" v=1; b="),
        (b" v=1; b=a b\r\n c ; d=x", b" v=1; b=; d=x"),
        (b" v=1;\r\n b = abc; bh=x", b" v=1;\r\n b =; bh=x"),
        (b"b=abc; v=1", b"b=; v=1"),
        (b" bh=abc; z=a b=c; b=d\r\n", b" bh=abc; z=a b=c; b="),
    ],
)
def test_the_value_of_b_is_taken_out(value, without):
    assert dkim.RE_BTAG.sub(rb"\1", value) == without

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from dkim.util import parse_tag_value

from config.settings import MailAuth
from mailauth.dkim_sign import Signer, UnusableKey

MESSAGE = b"From: a@example.org\r\nTo: b@example.org\r\nTo: c@example.org\r\nSender: a@example.org\r\n\r\nx\r\n"


def pem(key: Any, encryption: Any = None) -> Any:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def signer(key, tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(pem(key))
    signer = Signer(replace(MailAuth(), dkim_key=path, dkim_selector="s2026"))
    path.unlink()  # the key is read once
    return signer


def test_no_key_no_signature():
    assert Signer(MailAuth()).sign(MESSAGE, "example.org") == b""


def test_the_tags(signer):
    field = signer.sign(MESSAGE, "example.org")
    assert field.startswith(b"DKIM-Signature: v=1;")
    assert field.endswith(b"\r\n")
    assert max(map(len, field.split(b"\r\n"))) <= 78
    assert all(line[:1] == b" " for line in field.split(b"\r\n")[1:-1])
    tags = parse_tag_value(field.partition(b":")[2].replace(b"\r\n ", b" "))
    assert (tags[b"a"], tags[b"c"], tags[b"d"], tags[b"s"]) == (
        b"rsa-sha256",
        b"relaxed/relaxed",
        b"example.org",
        b"s2026",
    )
    names = [name.strip() for name in tags[b"h"].split(b":")]
    assert (names.count(b"from"), names.count(b"to"), names.count(b"subject")) == (2, 3, 1)
    assert (names.count(b"sender"), names.count(b"in-reply-to")) == (1, 0)
    assert b"l" not in tags


def test_an_empty_body_and_threads(signer):
    message = b"From: a@example.org\r\n\r\n"
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: signer.sign(message, "example.org").startswith(b"DKIM-"), range(20)))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"no key",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(65537, 2048), BestAvailableEncryption(b"secret")),
    ],
    ids=["empty", "text", "elliptic curve", "with password"],
)
def test_files_that_hold_no_usable_key(tmp_path, octets):
    path = tmp_path / "key.pem"
    path.write_bytes(octets)
    with pytest.raises(UnusableKey):
        Signer(replace(MailAuth(), dkim_key=path))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        Signer(replace(MailAuth(), dkim_key=tmp_path / "none.pem"))

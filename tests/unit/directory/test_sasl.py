from __future__ import annotations

import pytest

from directory.model import Credentials
from directory.sasl import MECHANISMS, Challenge, Done, Failed, Login, Plain, mechanism


def test_plain_with_initial_response() -> None:
    assert Plain().step(b"\0tim\0tanstaaftanstaaf") == Done(Credentials("tim", "tanstaaftanstaaf", ""))


def test_plain_with_authorization_identity() -> None:
    # The second example of RFC 4616 section 4.
    assert Plain().step(b"Ursel\0Kurt\0xipj3plmq") == Done(Credentials("Kurt", "xipj3plmq", "Ursel"))


def test_plain_without_initial_response_gets_an_empty_challenge() -> None:
    exchange = Plain()
    assert exchange.step(None) == Challenge(b"")
    assert isinstance(exchange.step("\0marie\0été".encode()), Done)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"marie",
        b"\0marie",
        b"marie\0secret",
        b"\0\0secret",
        b"\0marie\0",
        b"\0\0",
        b"\0\0\0\0\0",
        b"\0marie\0secret\0",
        b"\0marie\0se\0cret",
        b"\0marie\0\xff\xfe",
        b"\xc3\0marie\0secret",
        b"\0" + b"m" * 257 + b"\0secret",
        b"a" * 257 + b"\0marie\0secret",
        b"\0marie\0" + b"s" * 4097,
        b"x" * (1 << 20),
    ],
)
def test_plain_malformed(message: bytes) -> None:
    outcome = Plain().step(message)
    assert isinstance(outcome, Failed)
    assert "secret" not in outcome.reason


def test_login_asks_twice() -> None:
    exchange = Login()
    assert exchange.step(None) == Challenge(b"Username:")
    assert exchange.step(b"marie") == Challenge(b"Password:")
    assert exchange.step(b"secret") == Done(Credentials("marie", "secret"))


def test_login_takes_an_initial_response_for_the_login() -> None:
    exchange = Login()
    assert exchange.step(b"marie") == Challenge(b"Password:")
    assert exchange.step(b"secret") == Done(Credentials("marie", "secret"))


@pytest.mark.parametrize(
    "messages",
    [
        [b""],
        [b"x" * 257],
        [b"ma\0rie", b"s"],
        [b"marie", b""],
        [b"marie", b"s\0"],
        [b"\xff", b"s"],
        [b"m", b"s" * 4097],
    ],
)
def test_login_malformed(messages: list[bytes]) -> None:
    exchange = Login()
    outcomes = [exchange.step(message) for message in messages]
    assert isinstance(outcomes[-1], Failed)


@pytest.mark.parametrize("exchange", [Plain(), Login()])
def test_an_exchange_ends(exchange: Plain | Login) -> None:
    while not isinstance(exchange.step(b"\0a\0b"), Done | Failed):
        pass
    assert isinstance(exchange.step(b"\0a\0b"), Failed)
    assert isinstance(exchange.step(None), Failed)


def test_mechanisms_by_name() -> None:
    assert [type(mechanism(name)) for name in MECHANISMS] == [Plain, Login]
    assert isinstance(mechanism("plain"), Plain)
    assert mechanism("CRAM-MD5") is None


def test_no_password_in_a_repr() -> None:
    assert "secret" not in repr(Plain().step(b"\0marie\0secret"))

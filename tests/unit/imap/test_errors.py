"""Errors as answers."""

from __future__ import annotations

import inspect

import pytest

from directory.api import DirectoryUnavailable
from imap.errors import Refused, tagged
from imap.wire.encoder import encode
from imap.wire.errors import BadName, ParseError
from storage import errors


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (errors.DiskFull("x"), b"t NO [UNAVAILABLE] The disk is full"),
        (errors.Unavailable("x"), b"t NO [UNAVAILABLE] "),
        (errors.NoSuchMailbox("x"), b"t NO [NONEXISTENT] There is no such mailbox"),
        (errors.MailboxExists("x"), b"t NO [ALREADYEXISTS] "),
        (errors.InvalidName("a level is empty"), b"t NO [CANNOT] a level is empty"),
        (errors.LimitReached("too many"), b"t NO [LIMIT] too many"),
        (errors.OverQuota(1), b"t NO [OVERQUOTA] "),
        (errors.NoSuchMessage("x"), b"t NO [EXPUNGEISSUED] "),
        (DirectoryUnavailable("x"), b"t NO [UNAVAILABLE] "),
        (BadName("not UTF-7"), b"t NO [CANNOT] not UTF-7"),
        (Refused("no", b"CODE"), b"t NO [CODE] no"),
        (ParseError("bad"), b"t BAD bad"),
        (ZeroDivisionError("secret"), b"t NO [SERVERBUG] Internal error "),
    ],
)
def test_table(error: Exception, answer: bytes) -> None:
    octets = encode(tagged(error, b"t", "Test"))
    assert octets.startswith(answer)
    assert b"secret" not in octets


def test_no_error_of_the_store_is_taken_for_a_bug() -> None:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.StoreError) and kind is not errors.StoreError:
            error = kind(1) if kind is errors.OverQuota else kind("text")
            assert tagged(error, b"t", "Test").code != b"SERVERBUG"

"""Which response code comes when (RFC 5530 section 3, RFC 3501 section 7.1), each from the failure itself.

Three codes of RFC 5530 have no case here. EXPIRED and CONTACTADMIN would tell a guesser which half of a sign-in was
wrong; INUSE can't be, for no command needs a mailbox to itself.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Store
from directory.api import DirectoryUnavailable
from directory.model import Outcome, SignIn
from storage.errors import DiskFull, Unavailable
from tests.fakes.imap_service import PASSWORD, Client, Service, letter, service, signed_in

LETTER = letter("x")


def _fails(service: Service, patch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    def failing(*arguments: object, **options: object) -> object:
        raise error

    patch.setattr(service.store, name, failing)


def _gone(service: Service, patch: pytest.MonkeyPatch) -> None:
    """The first message goes away while no bell can be heard."""
    box = service.store.mailbox(service.account, "INBOX")
    service.doorbell.ring = lambda rings: None  # type: ignore[method-assign]
    trash = service.store.mailbox(service.account, "Trash")
    service.store.move(service.account, box.id, [1], trash.id)


def _damaged(service: Service, patch: pytest.MonkeyPatch) -> None:
    for body in service.folder.glob("mail/**/cur/*"):
        body.unlink()


def _full(service: Service, patch: pytest.MonkeyPatch) -> None:
    service.store.set_quota(service.account, 1, None)


def _nothing(service: Service, patch: pytest.MonkeyPatch) -> None:
    pass


Failure = Callable[[Service, pytest.MonkeyPatch], None]

CASES: list[tuple[str, str, Failure]] = [
    ("CREATE Trash", "NO [ALREADYEXISTS]", _nothing),
    ("RENAME Sent Trash", "NO [ALREADYEXISTS]", _nothing),
    ("SELECT nowhere", "NO [NONEXISTENT]", _nothing),
    ("DELETE nowhere", "NO [NONEXISTENT]", _nothing),
    ("RENAME nowhere elsewhere", "NO [NONEXISTENT]", _nothing),
    ("STATUS nowhere (MESSAGES)", "NO [NONEXISTENT]", _nothing),
    ("COPY 1 nowhere", "NO [TRYCREATE]", _nothing),
    ("MOVE 1 nowhere", "NO [TRYCREATE]", _nothing),
    (f"APPEND nowhere {{{len(LETTER)}+}}\r\n{LETTER.decode()}", "NO [TRYCREATE]", _nothing),
    ("DELETE INBOX", "NO [CANNOT]", _nothing),
    ("RENAME Sent Sent/inner", "NO [CANNOT]", _nothing),
    ('CREATE "a//b"', "NO [CANNOT]", _nothing),
    ('CREATE "a&b"', "NO [CANNOT]", _nothing),
    ("CREATE one/too/many/levels/five", "NO [CANNOT]", _nothing),
    ("CREATE a/b/c", "NO [LIMIT]", _nothing),
    ("STORE 1 +FLAGS (%s)" % ("k" * 65), "NO [LIMIT]", _nothing),
    (f"STORE 1 +FLAGS ({' '.join(map(str, range(11)))})", "NO [LIMIT]", _nothing),
    (f"APPEND INBOX {{{len(LETTER)}+}}\r\n{LETTER.decode()}", "NO [OVERQUOTA]", _full),
    ("COPY 1 Trash", "NO [OVERQUOTA]", _full),
    ("COPY 1:2 Sent", "NO [EXPUNGEISSUED]", _gone),
    ("MOVE 1:2 Sent", "NO [EXPUNGEISSUED]", _gone),
    ("FETCH 1:2 BODY.PEEK[]", "NO [CORRUPTION]", _damaged),
    ('SETQUOTA "" (STORAGE 1)', "NO [NOPERM]", _nothing),
    ('GETQUOTA "other"', "NO [NONEXISTENT]", _nothing),
    (
        "SEARCH CHARSET KLINGON SUBJECT x",
        "NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252)]",
        _nothing,
    ),
    ("APPEND INBOX {26214401}", "NO [TOOBIG]", _nothing),
    ("LOGIN marie x", "BAD [CLIENTBUG]", _nothing),
    ("STARTTLS", "BAD [CLIENTBUG]", _nothing),
    ("SELECT Sent", "NO [UNAVAILABLE]", lambda s, p: _fails(s, p, "view", Unavailable("away"))),
    ("STORE 1 +FLAGS (x)", "NO [UNAVAILABLE]", lambda s, p: _fails(s, p, "store_flags", DiskFull("full"))),
    ("EXPUNGE", "NO [SERVERBUG]", lambda s, p: _fails(s, p, "expunge", ZeroDivisionError("x"))),
]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, limits=Store(mailboxes=9, mailbox_depth=4, keywords=10)) as one:
        one.fill("INBOX", 2)
        yield one


@pytest.mark.parametrize(("command", "answer", "failure"), CASES, ids=[f"{c[:24]}-{a}" for c, a, _ in CASES])
def test_code(running: Service, monkeypatch: pytest.MonkeyPatch, command: str, answer: str, failure: Failure) -> None:
    client = signed_in(running, "INBOX")
    failure(running, monkeypatch)
    tagged = client.command(command)[-1]
    assert tagged.startswith(b"t3 " + answer.encode() + b" ")
    # Whatever it was, the session goes on.
    monkeypatch.undo()
    assert client.command("NOOP")[-1].startswith(b"t4 OK")


def test_a_read_only_mailbox(running: Service) -> None:
    client = signed_in(running)
    client.ok("EXAMINE INBOX")
    for command in ("STORE 1 +FLAGS (x)", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 Trash"):
        assert client.command(command)[-1].split(b" ", 1)[1].startswith(b"NO [NOPERM] ")


def _plain(identity: str, user: str, password: str) -> str:
    return base64.b64encode(f"{identity}\0{user}\0{password}".encode()).decode()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("LOGIN marie wrong", b"NO [AUTHENTICATIONFAILED] "),
        ("LOGIN nobody wrong", b"NO [AUTHENTICATIONFAILED] "),
        (f"AUTHENTICATE PLAIN {_plain('', 'marie', 'wrong')}", b"NO [AUTHENTICATIONFAILED] "),
        (f"AUTHENTICATE PLAIN {_plain('paul', 'marie', PASSWORD)}", b"NO [AUTHORIZATIONFAILED] "),
        ("AUTHENTICATE GSSAPI", b"NO [CANNOT] "),
        ("SELECT INBOX", b"BAD [CLIENTBUG] "),
    ],
)
def test_signing_in(running: Service, command: str, answer: bytes) -> None:
    client = Client(running.port)
    client.line()
    assert client.command(command)[-1].startswith(b"t1 " + answer)


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, None])
def test_a_directory_that_is_away(running: Service, monkeypatch: pytest.MonkeyPatch, outcome: Outcome | None) -> None:
    def away(*arguments: Any, **options: Any) -> SignIn:
        if outcome is None:
            raise DirectoryUnavailable("away")
        return SignIn(outcome, None)

    monkeypatch.setattr(running.door, "check", away)
    client = Client(running.port)
    client.line()
    assert client.command(f'LOGIN marie "{PASSWORD}"')[-1].startswith(b"t1 NO [UNAVAILABLE] ")


def test_privacy_and_crowds(tmp_path: Path) -> None:
    with service(tmp_path / "a", trusted=False) as one:
        client = Client(one.port)
        client.line()
        assert client.command("LOGIN marie x")[-1].startswith(b"t1 NO [PRIVACYREQUIRED] ")
    with service(tmp_path / "b", connections_per_user=1) as one:
        first = signed_in(one)
        client = Client(one.port)
        client.line()
        assert client.command(f'LOGIN marie "{PASSWORD}"')[-1].startswith(b"t1 NO [LIMIT] ")
        first.close()

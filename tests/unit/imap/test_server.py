"""The connection: TLS, sign-in, limits, back-pressure, faults, the end. Over real sockets, with the real store."""

from __future__ import annotations

import base64
import contextlib
import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.threads import blockingCallFromThread

from config.settings import Store
from message.content import MemoryContent
from storage.errors import Unavailable
from storage.model import NewMessage
from tests.fakes.imap_service import PASSWORD, Client, Service, eventually, letter, reactor, signed_in

Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Service] = []

    def one(**changes: Any) -> Service:
        running.append(Service(tmp_path, **changes))
        return running[-1]

    yield one
    for some in running:
        some.close()


# ---------------------------------------------------------------- TLS


def test_implicit_tls(start: Start) -> None:
    service = start(trusted=False)
    client = Client(service.tls_port, tls=str(service.ca))
    assert b"AUTH=PLAIN" in client.line()
    client.ok(f'LOGIN marie "{PASSWORD}"')
    client.ok("SELECT INBOX")


def test_no_sign_in_in_clear_not_even_on_loopback(start: Start) -> None:
    service = start(trusted=False)
    client = Client(service.port)
    greeting = client.line()
    assert b"LOGINDISABLED" in greeting
    assert b"STARTTLS" in greeting
    assert b"AUTH=" not in greeting
    assert client.command(f'LOGIN marie "{PASSWORD}"')[-1].startswith(b"t1 NO [PRIVACYREQUIRED]")
    assert client.command("AUTHENTICATE PLAIN")[-1].startswith(b"t2 NO [PRIVACYREQUIRED]")


def test_starttls_forgets_what_was_sent_before(start: Start) -> None:
    """RFC 3501 section 6.2.1: a command injected before the handshake must not be run after it."""
    service = start(trusted=False)
    client = Client(service.port)
    client.line()
    client.send(b"a STARTTLS\r\nb CAPABILITY\r\n")
    assert client.line().startswith(b"a OK")
    client.wrap(str(service.ca))
    assert b"AUTH=PLAIN" in client.ok("CAPABILITY")[0]
    assert client.command("STARTTLS")[-1].startswith(b"t2 BAD")
    client.ok(f'LOGIN marie "{PASSWORD}"')


def test_a_new_certificate_is_taken_without_a_restart(start: Start) -> None:
    service = start()
    old = service.ca
    for file in old.parent.iterdir():
        file.unlink()
    from mailserver import certificates

    certificates.make(old.parent, "Nouvelle", ("localhost", "127.0.0.1"))
    assert b"OK" in Client(service.tls_port, tls=str(old)).line()


# ---------------------------------------------------------------- signing in


def test_bye_after_three_refusals_of_one_text(start: Start) -> None:
    client = Client(start().port)
    client.line()
    refusals = [client.command("LOGIN marie wrong"), client.command("LOGIN nobody wrong")]
    client.send(b"z AUTHENTICATE PLAIN " + base64.b64encode(b"\0marie\0wrong") + b"\r\n")
    last = client.until(b"z")
    assert last[0].startswith(b"* BYE")
    assert len({answer[-1].partition(b" ")[2] for answer in [*refusals, last]}) == 1
    assert client.ended()


def test_another_authorization_identity_is_refused(start: Start) -> None:
    client = Client(start().port)
    client.line()
    exchange = base64.b64encode(f"paul\0marie\0{PASSWORD}".encode()).decode()
    assert b" NO [AUTHORIZATIONFAILED] " in client.command(f"AUTHENTICATE PLAIN {exchange}")[-1]
    own = base64.b64encode(f"marie@example.org\0marie\0{PASSWORD}".encode()).decode()
    client.ok(f"AUTHENTICATE PLAIN {own}")


def test_a_refusal_waits_without_a_thread(start: Start) -> None:
    service = start(delay=0.5, threads=1)
    waiting = [Client(service.port) for _ in range(5)]
    began = time.monotonic()
    for client in waiting:
        client.line()
        client.send(b"a LOGIN nobody wrong\r\n")
    assert signed_in(service).ok("NOOP") == []
    for client in waiting:
        assert client.line().startswith(b"a NO [AUTHENTICATIONFAILED]")
    assert time.monotonic() - began >= 0.5


def test_too_many_sessions_of_an_account(start: Start) -> None:
    service = start(connections_per_user=2)
    kept = [signed_in(service) for _ in range(2)]
    client = Client(service.port)
    client.line()
    bye, no = client.command(f'LOGIN marie "{PASSWORD}"')
    assert bye.startswith(b"* BYE [ALERT]")
    assert no.startswith(b"t1 NO [LIMIT]")
    assert client.ended()
    kept[0].close()

    def again() -> bool:
        other = Client(service.port)
        other.line()
        return other.command(f'LOGIN marie "{PASSWORD}"')[-1].startswith(b"t1 OK")

    assert eventually(again)


def test_too_many_connections_before_sign_in(start: Start) -> None:
    service = start(connections_before_login=3)
    kept = [Client(service.port) for _ in range(3)]
    assert all(client.line().startswith(b"* OK") for client in kept)
    assert Client(service.port).line().startswith(b"* BYE [ALERT]")
    kept[0].ok(f'LOGIN marie "{PASSWORD}"')
    assert Client(service.port).line().startswith(b"* OK")


def test_sessions_of_a_switched_off_account_end(start: Start) -> None:
    service = start()
    marie, paul = signed_in(service), signed_in(service, login="paul")
    service.accounts.set_enabled("marie", False)
    blockingCallFromThread(reactor, service.listeners._shared.check_accounts)
    assert marie.line().startswith(b"* BYE")
    assert marie.ended()
    assert paul.ok("NOOP") == []


# ---------------------------------------------------------------- limits


def test_time_to_sign_in(start: Start) -> None:
    client = Client(start(login_timeout=0.2).port)
    client.line()
    assert client.line().startswith(b"* BYE")
    assert client.ended()


def test_time_for_the_handshake(start: Start) -> None:
    silent = Client(start(handshake_timeout=0.2).tls_port)
    assert silent.ended()


def test_quiet_sessions_end(start: Start) -> None:
    client = signed_in(start(idle_timeout=0.2))
    assert client.line().startswith(b"* BYE")
    assert client.ended()


def test_web_pages_learn_nothing(start: Start) -> None:
    client = Client(start().port)
    client.line()
    client.send(b"GET / HTTP/1.1\r\nHost: localhost:143\r\n\r\n")
    with contextlib.suppress(ConnectionResetError):
        assert client.line() == b""


def test_a_line_without_end(start: Start) -> None:
    client = Client(start().port)
    client.line()
    client.send(b"a LOGIN " + b"(" * 9000)
    assert client.line().startswith(b"a BAD [TOOBIG]")
    assert client.line().startswith(b"* BYE")
    assert client.ended()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"LOGIN {1025}", b"BAD [TOOBIG]"),
        (b"LOGIN {-1}", b"BAD"),
        (b"ID (((", b"BAD"),
        (b"LOGIN a\0 b", b"BAD"),
        (b"SELECT INBOX", b"BAD"),
        (b"LIST (((" + b"(" * 100 + b' "" *', b"BAD"),
    ],
)
def test_limits_before_sign_in(start: Start, command: bytes, answer: bytes) -> None:
    client = Client(start().port)
    client.line()
    assert client.command(command)[-1].startswith(b"t1 " + answer)
    client.ok("NOOP")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"CREATE {65537}", b"BAD [TOOBIG]"),
        (b'CREATE "%b"' % (b"x" * 256), b"NO [CANNOT]"),
        (b'CREATE "%b"' % b"/".join([b"x" * 200] * 6), b"NO [CANNOT]"),
        (b'CREATE "%b"' % b"/".join([b"x"] * 17), b"NO [CANNOT]"),
        (b'CREATE "../paul"', b"NO [CANNOT]"),
        (b'SELECT "../paul"', b"NO [CANNOT]"),
        (b'SELECT "user/paul"', b"NO [NONEXISTENT]"),
        (b"SEARCH " + b"(" * 33 + b"SEEN" + b")" * 33, b"BAD"),
        (b"SEARCH" + b" SEEN" * 1001, b"BAD"),
        (b"FETCH " + b"1," * 10_000 + b"1 FLAGS", b"BAD"),
        (b"FETCH 0 FLAGS", b"BAD"),
        (b"UID FETCH 4294967296 FLAGS", b"BAD"),
        (b"UID FETCH 4294967295:1 FLAGS", b"OK"),
        (b"FETCH 1 BODY[]<0.4294967295>", b"OK"),
        (b"FETCH 1 BODY[1.1.1.1.1.1.1.1]", b"OK"),
        (b'LIST "" ' + b"%*" * 400 + b"x", b"OK"),
        (b"STORE 1 +FLAGS (" + b"k" * 65 + b")", b"NO [LIMIT]"),
        (b"STORE 1 +FLAGS (%b)" % b" ".join(b"k%d" % number for number in range(101)), b"NO [LIMIT]"),
    ],
)
def test_limits_after_sign_in(start: Start, command: bytes, answer: bytes) -> None:
    service = start()
    service.fill("INBOX", 1)
    client = signed_in(service, "INBOX")
    assert client.command(command)[-1].startswith(b"t3 " + answer)
    client.ok("NOOP")


def test_lines_have_limits(start: Start) -> None:
    service = start()
    stranger, client = Client(service.port), signed_in(service)
    stranger.line()
    for one, limit in ((stranger, 8 * 1024), (client, 64 * 1024)):
        one.send(b"a NOOP" + b" " * (limit - 100) + b"\r\n")
        assert one.line().startswith(b"a BAD ")
        one.send(b"b NOOP" + b" " * limit + b"\r\n")
        assert one.line().startswith(b"b BAD [TOOBIG] ")
        assert one.line().startswith(b"* BYE")


def test_bad_commands_among_good_ones(start: Start) -> None:
    client = signed_in(start(bad_commands=5))
    for _ in range(20):
        assert b" BAD " in client.command("NONSENSE")[-1]
        assert client.command("NOOP")[-1].endswith(b"OK Done")


def test_many_bad_commands(start: Start) -> None:
    client = Client(start(bad_commands=5).port)
    client.line()
    client.send(b"a NONSENSE\r\n" * 5)
    answers = [client.line() for _ in range(6)]
    assert [answer[:5] for answer in answers] == [b"a BAD"] * 5 + [b"* BYE"]
    assert client.ended()


def test_a_client_that_never_reads_costs_little(start: Start) -> None:
    """Giant answers asked for again and again are not piled up: the commands after the first wait."""
    service = start()
    box = service.store.mailbox(service.account, "INBOX")
    big = letter("big", "x" * 76 + "\r\n") + (b"y" * 76 + b"\r\n") * 40_000
    service.store.append(service.account, box.id, [NewMessage(MemoryContent(big))])
    idle = signed_in(service, "INBOX")
    idle.send(b"".join(b"a%d FETCH 1 BODY.PEEK[]\r\n" % number for number in range(50)))
    connection = next(iter(service.listeners._shared.live))
    assert eventually(lambda: connection._paused)
    transport = connection.transport
    held = len(transport.dataBuffer) + sum(map(len, transport._tempDataBuffer))
    assert held < 512 * 1024
    assert signed_in(service).ok("NOOP") == []
    # What is read at last is whole.
    for number in range(3):
        (data, tagged) = idle.until(b"a%d" % number)
        assert big in data
        assert b" OK" in tagged


def test_commands_sent_at_once_are_answered_in_order(start: Start) -> None:
    service = start()
    service.fill("INBOX", 3)
    client = signed_in(service, "INBOX")
    client.send(
        b"a UID FETCH 1:* FLAGS\r\nb NOOP\r\nc STATUS INBOX (MESSAGES)\r\nd CAPABILITY\r\ne BAD\r\nf LOGOUT\r\n"
    )
    tags = [line[:2] for line in iter(client.line, b"") if not line.startswith(b"*")]
    assert tags == [b"a ", b"b ", b"c ", b"d ", b"e ", b"f "]


def test_octet_by_octet(start: Start) -> None:
    client = Client(start().port)
    client.line()
    for octet in b'a LOGIN {5}\r\nmarie "un mot de passe"\r\n':
        client.send(bytes([octet]))
    assert client.line().startswith(b"+ ")
    assert client.line().startswith(b"a OK")


@pytest.mark.parametrize(
    "octets",
    [
        b"a LOGIN ((((((((((((((((((((((((((((\r\n",
        b"a LOGIN \xff\xfe \x80\r\n",
        b"a LOGIN {1}x\r\n",
        b"a AUTHENTICATE \r\n",
        b"\0\r\n",
        b"a\0b NOOP\r\n",
        b"* NOOP\r\n",
        b"+ NOOP\r\n",
        b"\r\n",
        b"a {5}\r\n",
        b"a LOGIN {-1}\r\n",
        b'a LOGIN "' + b"\\" * 999 + b"\r\n",
        b"a LOGIN {0}\r\n {0}\r\n\r\n",
    ],
    ids=repr,
)
def test_rubbish_before_sign_in_gets_bad_and_the_session_goes_on(start: Start, octets: bytes) -> None:
    client = Client(start().port)
    client.line()
    client.send(octets + b"z NOOP\r\n" * 2)
    # The first NOOP may be taken for the octets of a literal.
    answers = [client.line() for _ in range(2)]
    while not answers[-1].startswith(b"z OK"):
        assert answers[-1]
        answers.append(client.line())
    assert len(answers) <= 4


@pytest.mark.parametrize("login", ["marie", "paul"])
def test_a_long_answer_leaves_others_their_turn(start: Start, login: str) -> None:
    """Counted, not timed: while one session is sent a long answer, others of its account or not are served."""
    service = start()
    box, archive = (service.store.mailbox(service.account, name).id for name in ("INBOX", "Archive"))
    service.fill("INBOX", 500)
    for _ in range(10):
        service.store.copy(service.account, box, service.store.view(service.account, box).uids, archive)
    long, other = signed_in(service, "Archive"), signed_in(service, "INBOX", login)
    ended = threading.Event()

    def read() -> None:
        assert len(long.ok("FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])")) == 5000
        ended.set()

    reading = threading.Thread(target=read)
    reading.start()
    answered = 0
    while not ended.is_set():
        other.ok("NOOP")
        other.ok("STATUS INBOX (MESSAGES)")
        answered += 1
    reading.join()
    assert answered > 10


def test_a_flood_of_small_commands_leaves_others_their_turn(start: Start) -> None:
    service = start()
    flood, other = signed_in(service), signed_in(service, login="paul")
    flood.send(b"a NOOP\r\n" * 20_000)
    assert other.ok("NOOP") == []
    for _ in range(20_000):
        assert flood.line().startswith(b"a OK")


def test_a_hostile_search_is_refused_soon(start: Start) -> None:
    service = start()
    service.fill("INBOX", 1)
    client = signed_in(service, "INBOX")
    for keys in ("NOT " * 10_000, "(" * 10_000, "OR " * 10_000, "1," * 20_000 + "1", "SUBJECT x " * 5000):
        assert client.command(f"SEARCH {keys}")[-1].split(b" ")[1] == b"BAD"
    assert client.ok("UID FETCH 1:4294967295,4294967295:1 (UID)") == [b"* 1 FETCH (UID 1)"]


# ---------------------------------------------------------------- APPEND


def test_a_big_message_comes_in_and_out_unchanged(start: Start, tmp_path: Path) -> None:
    service = start()
    client = signed_in(service)
    octets = letter("gros") + bytes(range(1, 256)) * 12_000
    client.send(b"a APPEND INBOX {%d}\r\n" % len(octets))
    assert client.line().startswith(b"+ ")
    client.send(octets + b"\r\n")
    assert client.until(b"a")[-1].startswith(b"a OK [APPENDUID ")
    client.ok("EXAMINE INBOX")
    (data,) = client.ok("FETCH 1 (RFC822.SIZE BODY[])")
    assert b"RFC822.SIZE %d BODY[] {%d}\r\n" % (len(octets), len(octets)) in data
    assert octets in data
    assert not list(tmp_path.glob("append-*"))


def test_several_messages_or_none(start: Start) -> None:
    """RFC 3502."""
    service = start()
    client = signed_in(service)
    one, two = letter("un"), letter("deux")
    client.send(b"a APPEND INBOX (\\Seen) {%d+}\r\n%b (un-mot) {%d+}\r\n%b\r\n" % (len(one), one, len(two), two))
    assert b"APPENDUID" in client.until(b"a")[-1]
    assert client.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 2)"]
    # The second one has a NUL: nothing is kept.
    client.send(b"b APPEND INBOX {%d+}\r\n%b {3+}\r\nx\0y\r\n" % (len(one), one))
    assert client.until(b"b")[-1].startswith(b"b BAD")
    assert client.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 2)"]


def test_over_quota_is_refused_before_it_is_sent(start: Start) -> None:
    client = signed_in(start(limits=Store(quota_bytes=200_000, sent_reserve=0)))
    assert client.command("APPEND INBOX {150000000}")[-1].startswith(b"t2 NO [TOOBIG]")
    assert client.command("APPEND INBOX {300000}")[-1].startswith(b"t3 NO [OVERQUOTA]")
    client.ok("NOOP")


def test_a_connection_cut_within_a_message_leaves_nothing(start: Start, tmp_path: Path) -> None:
    service = start()
    client = signed_in(service)
    client.send(b"a APPEND INBOX {3000000}\r\n")
    client.line()
    client.send(b"x" * 2_000_000)
    assert eventually(lambda: bool(list(tmp_path.glob("append-*"))))
    client.close()
    assert eventually(lambda: not list(tmp_path.glob("append-*")))
    assert signed_in(service).ok("STATUS INBOX (MESSAGES UIDNEXT)") == [b"* STATUS INBOX (MESSAGES 0 UIDNEXT 1)"]


def test_no_room_for_a_message_is_a_no_after_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    client = signed_in(start())
    monkeypatch.setattr("imap.spool.tempfile.mkstemp", full)
    client.send(b"a APPEND INBOX {2000000}\r\n")
    client.line()
    client.send(b"x" * 2_000_000 + b"\r\n")
    assert client.until(b"a")[-1].startswith(b"a NO [UNAVAILABLE] The disk is full")
    assert client.ok("STATUS INBOX (MESSAGES UIDNEXT)") == [b"* STATUS INBOX (MESSAGES 0 UIDNEXT 1)"]


# ---------------------------------------------------------------- faults and the end


def test_an_unknown_failure_is_a_tagged_no_and_the_session_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start()
    client = signed_in(service, "INBOX")

    def broken(*arguments: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(service.store, "mailboxes", broken)
    assert client.command('LIST "" *')[-1].startswith(b"t3 NO [SERVERBUG]")
    monkeypatch.undo()
    client.ok('LIST "" *')


def test_stopping_says_bye_to_those_at_rest(start: Start) -> None:
    service = start()
    resting, idle = signed_in(service), signed_in(service, "INBOX")
    idle.send(b"i IDLE\r\n")
    idle.line()
    stopper = threading.Thread(target=service.stop)
    stopper.start()
    assert resting.line().startswith(b"* BYE [UNAVAILABLE]")
    assert idle.line().startswith(b"* BYE [UNAVAILABLE]")
    stopper.join(10)
    assert not stopper.is_alive()
    with pytest.raises(ConnectionRefusedError):
        Client(service.port)


def test_a_heavy_user_does_not_stall_others(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one account at most ``commands_per_user`` commands are at work, so that a thread is left for the rest."""
    service = start(threads=2, commands_per_user=1)
    search = service.store.search
    gate = threading.Event()

    def slow(account: int, *arguments: Any) -> list[int]:
        if account == service.account:
            gate.wait(10)
        return search(account, *arguments)

    monkeypatch.setattr(service.store, "search", slow)
    heavy = [signed_in(service, "INBOX") for _ in range(4)]
    paul = signed_in(service, "INBOX", login="paul")
    for client in heavy:
        client.send(b"a SEARCH ALL\r\n")
    assert paul.ok("SEARCH ALL") == [b"* SEARCH"]
    gate.set()
    assert all(client.until(b"a")[-1].startswith(b"a OK") for client in heavy)


def test_what_a_search_may_take(start: Start) -> None:
    service = start(search_time=-1.0)
    service.fill("INBOX", 2)
    assert signed_in(service, "INBOX").command("SEARCH TEXT x")[-1].startswith(b"t3 NO [LIMIT]")


def test_a_store_that_is_away_does_not_make_idle_spin(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    service = start()
    client = signed_in(service, "INBOX")
    asked = 0

    def away(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        raise Unavailable("away")

    client.send(b"i IDLE\r\n")
    client.line()
    monkeypatch.setattr(service.store, "view", away)
    service.deliver()
    assert eventually(lambda: asked > 0)
    time.sleep(0.2)
    assert asked < 5
    monkeypatch.undo()
    client.send(b"DONE\r\n")
    assert client.until(b"i")[-1].startswith(b"i OK")


def test_a_long_command_says_that_it_is_at_work(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9585: until the answer begins, and never within it."""
    service = start()
    gate, begun = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> list[int]:
        begun.set()
        gate.wait(10)
        return []

    monkeypatch.setattr(service.store, "search", slow)
    monkeypatch.setattr("imap.server.PROGRESS", 0.0)
    client, idle = signed_in(service, "INBOX"), signed_in(service, "INBOX")
    client.send(b"a SEARCH ALL\r\n")
    assert begun.wait(10)
    tell: Any = service.listeners._shared.tell_progress
    for _ in range(2):
        blockingCallFromThread(reactor, tell)
        assert client.line().startswith(b'* OK [INPROGRESS ("a" NIL NIL)] ')
    gate.set()
    assert client.until(b"a")[0] == b"* SEARCH"
    blockingCallFromThread(reactor, tell)
    assert client.ok("NOOP") == idle.ok("NOOP") == []

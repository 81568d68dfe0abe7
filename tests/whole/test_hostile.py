"""What strangers send: bounded time and memory, and the server serves on."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.whole]

#: Proportional set size that all processes together may reach (MiB).
MEMORY = 900


def nested(depth: int) -> bytes:
    head = b"From: a@example.net\r\nSubject: nesting\r\n"
    body = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth))
    return head + body + b"Content-Type: text/plain\r\n\r\nfond\r\n"


def many_parts(count: int) -> bytes:
    head = b'From: a@example.net\r\nSubject: parts\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return head + b"--b\r\n\r\n\r\n" * count + b"--b--\r\n"


def encoded_words(count: int) -> bytes:
    words = b"\r\n ".join([b"=?utf-8?q?=C3=A9t=C3=A9?=" * 3] * count)
    return b"From: a@example.net\r\nSubject: words\r\nComments: " + words + b"\r\n\r\ncorps\r\n"


def rfc822_chain(depth: int) -> bytes:
    inner = b"From: a@example.net\r\nSubject: chain\r\n"
    return inner + b"Content-Type: message/rfc822\r\n\r\nFrom: b@example.net\r\n" * depth + b"\r\nfond\r\n"


HOSTILE: dict[str, Callable[[], bytes]] = {
    "5,000 multiparts deep": lambda: nested(5000),
    "100,000 parts": lambda: many_parts(100_000),
    "encoded words": lambda: encoded_words(2500),
    "3,000 messages in messages": lambda: rfc822_chain(3000),
    "a line of 5 MiB": lambda: b"From: a@example.net\r\nSubject: line\r\n\r\n" + b"x" * (5 << 20) + b"\r\n",
    "100,000 addresses": lambda: (
        b"From: a@example.net\r\nSubject: addresses\r\nTo: "
        + b",\r\n ".join([b"<u@h.example>"] * 9000)
        + b"\r\n\r\n.\r\n"
    ),
    "200,000 open tags": lambda: (
        b"From: a@example.net\r\nSubject: html\r\nContent-Type: text/html\r\n\r\n" + b"<div><b>" * 100_000 + b"\r\n"
    ),
    "50,000 links": lambda: (
        b"From: a@example.net\r\nSubject: links\r\nContent-Type: text/html\r\n\r\n"
        + b'<a href="http://h.example/x">http://g.example</a>\r\n' * 50_000
    ),
    "no header": lambda: b"\r\nnur Text\r\n",
    "only a header": lambda: b"From: a@example.net\r\nSubject: seul\r\n\r\n",
}


def memory(pid: int) -> float:
    """PSS of a process and its children, in MiB."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            number = int(status.parent.name)
            if pid in (number, parent):
                rollup = (status.parent / "smaps_rollup").read_text()
                total += int(rollup.split("Pss:")[1].split()[0])
        except (OSError, IndexError, ValueError):
            continue
    return total / 1024


@pytest.fixture(autouse=True)
def serves_on(stack: Any) -> Iterator[None]:
    yield
    assert stack.process.poll() is None
    with stack.imap("ops") as client:
        assert client.select("INBOX")[0] == "OK"
    with stack.mx() as client:
        assert client.ehlo()[0] == 250
    assert memory(stack.process.pid) < MEMORY


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_are_kept_or_refused_and_readable(stack: Any, name: str) -> None:
    to = stack.user("beatrice.cote")["address"]
    octets = HOSTILE[name]()
    started = time.monotonic()
    with stack.mx() as client:
        client.ehlo()
        client.mail("a@example.net", [f"SIZE={len(octets)}"])
        client.rcpt(to)
        code, text = client.data(octets)
    assert code in (250, 550, 552, 554), text
    with stack.imap("beatrice.cote") as client:
        for mailbox in ("INBOX", "Junk"):
            client.select(mailbox, readonly=True)
            kind, _ = client.fetch("1:*", "(ENVELOPE BODYSTRUCTURE BODY[1] BODY[TEXT]<0.100> RFC822.SIZE)")
            assert kind == "OK"
            assert client.search(None, "SUBJECT", "zzz")[0] == "OK"
    assert time.monotonic() - started < 120


def talk(port: int, octets: bytes, patience: float = 20) -> bytes:
    """Send octets after the greeting and read until the other side ends or says no more for a second."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as one:
        got = one.recv(65536)
        one.settimeout(1)
        try:
            one.sendall(octets)
            while True:
                block = one.recv(65536)
                if not block:
                    break
                got += block
        except OSError:
            pass
        return got


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n\n.\r\n", b"\r.\r\n", b"\0.\r\n"]
)
def test_only_crlf_dot_crlf_ends_a_message(stack: Any, end: bytes) -> None:
    """What a laxer server would take for the end must not let a second message in."""
    to = stack.user("beatrice.cote")["address"].encode()
    smuggled = b"MAIL FROM:<admin@ac-demo.test>\r\nRCPT TO:<" + to + b">\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
    got = talk(
        stack.facts["mx_port"],
        b"EHLO c.example\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<" + to + b">\r\nDATA\r\nSubject: first\r\n\r\nx"
        + end + smuggled + b"QUIT\r\n",
    )  # fmt: skip
    assert got.count(b"\r\n354") == 1
    assert b"\r\n550" in got
    assert not any(b"Subject: smuggled" in one for one in stack.messages("beatrice.cote"))


@pytest.mark.parametrize(
    "octets",
    [
        b"A LOGIN {4294967296}\r\n",
        b"A LOGIN {4294967296+}\r\n" + b"x" * 100_000,
        b"A LOGIN {99999999999999999999}\r\n",
        b"A LOGIN {-1}\r\n",
        b"A " + b"(" * 1_000_000,
        b"x" * 1_000_000,
        b"A LOGIN a b" + b" " * 100_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n" * 10_000,
        b"A\0B\r\n",
        bytes(range(256)) * 100,
    ],
)
def test_imap_before_sign_in(stack: Any, octets: bytes) -> None:
    got = talk(stack.facts["imap_port"], octets)
    assert got.startswith(b"* OK ")
    assert len(got) < 100_000
    assert b"\r\n+ " not in got


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO " + b"x" * 1_000_000 + b"\r\n",
        b"x" * 5_000_000,
        b"EHLO a\nMAIL FROM:<a@b.example>\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.example>\r\n",
        b"EHLO a\r\nMAIL FROM:<a@b.example> SIZE=99999999999999999999\r\n",
        b"EHLO a\r\nBDAT 99999999999999999999 LAST\r\n",
        b"EHLO a\r\nBDAT -5\r\n",
        b"EHLO a\r\nAUTH PLAIN " + base64.b64encode(b"\0a\0b") + b"\r\n",
        bytes(range(256)) * 1000,
        b"RCPT TO:<" + b"a" * 100_000 + b">\r\n",
    ],
)
def test_smtp_garbage(stack: Any, octets: bytes) -> None:
    got = talk(stack.facts["mx_port"], octets)
    assert got.startswith(b"220 ")
    assert len(got) < 200_000
    assert b"235" not in got


def process(stack: Any, role: str) -> int:
    """The process of a role."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().split(b"\0")
            parent = int((line.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == stack.process.pid and [b"serve", role.encode()] == words[words.index(b"mailserver") + 1 :][:2]:
            return int(line.parent.name)
    raise AssertionError(f"no process {role}")


def private(pid: int) -> int:
    """Octets of memory that a process has for itself alone."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))


def test_ten_gigabytes_asked_for_and_never_read(stack: Any) -> None:
    """What such a client costs the process is a portion, whatever it asks for."""
    login = "beatrice.cote"
    letter = b"From: a@example.net\r\nSubject: gros\r\n\r\n" + (b"x" * 76 + b"\r\n") * 13_500
    with stack.imap(login) as client:
        client.create("gros")
        client.append("gros", "", "", letter)
        client.select("gros")
        for _ in range(3):
            assert client.fetch("1", "(BODY.PEEK[])")[0] == "OK"
        imap = process(stack, "imap")
        before = private(imap)
        sockets = []
        for _ in range(5):
            raw = socket.create_connection(("127.0.0.1", stack.facts["imaps_port"]), timeout=20)
            one = stack.tls.wrap_socket(raw, server_hostname="localhost")
            sockets.append(one)
            sign_in = f"a LOGIN {login} {stack.user(login)['password']}\r\nb SELECT gros\r\n"
            one.sendall(sign_in.encode() + b"c FETCH 1 BODY.PEEK[]\r\n" * 2000)
        for _ in range(20):
            assert client.noop()[0] == "OK"
            time.sleep(0.1)
        grown = private(imap) - before
        for one in sockets:
            one.close()
    assert grown < len(sockets) * 2 * 1024 * 1024, f"{grown // len(sockets)} octets each"


def test_a_client_that_never_reads_costs_little(stack: Any) -> None:
    """It asks for much more than its window holds, again and again; others are served meanwhile."""
    person = stack.user("beatrice.cote")
    raw = socket.create_connection(("127.0.0.1", stack.facts["imaps_port"]), timeout=20)
    with stack.tls.wrap_socket(raw, server_hostname="localhost") as one:
        one.sendall(f"a LOGIN beatrice.cote {person['password']}\r\nb SELECT INBOX\r\n".encode())
        before = memory(stack.process.pid)
        one.settimeout(5)
        try:
            for number in range(2000):
                one.sendall(b"c%d FETCH 1:* (BODY.PEEK[])\r\n" % number)
        except OSError:
            pass
        time.sleep(1)
        assert memory(stack.process.pid) - before < 100

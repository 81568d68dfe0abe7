"""The MX port, octet by octet: checklist section 1."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
import time

import pytest
import uvloop

from delivery.outcome import Disposition, Fate, Reason
from message.envelope import Notify, Recipient

MESSAGE = b"From: a@far.example\r\nSubject: x\r\n\r\nbody\r\n"
END = b".\r\n"


def test_one_message_and_what_delivery_is_given(server):
    client = server.connect().hello()
    assert client.code(b"MAIL FROM:<a@Far.Example> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=QQ+2B1") == b"250 2.1.0"
    assert (
        client.code(b"RCPT TO:<marie@ecole.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;m+2Bx@c.example") == b"250 2.1.5"
    )
    assert client.code(b"RCPT TO:<Jean@ECOLE.example>") == b"250 2.1.5"
    assert client.code(b"RCPT TO:<marie@ecole.example>") == b"250 2.1.5"
    reply = client.data(MESSAGE + b"..dot\r\n" + END)
    assert client.code(b"QUIT") == b"221 2.0.0"
    assert client.closed() == b""
    ((envelope, octets),) = server.rooms.inbound.kept
    assert octets == MESSAGE + b".dot\r\n"
    assert reply == b"250 2.0.0 OK id=" + envelope.id.encode() + b"\r\n"
    assert envelope.sender == "a@far.example"
    assert envelope.recipients == (
        Recipient("marie@ecole.example", "rfc822;m+x@c.example", frozenset({Notify.SUCCESS, Notify.DELAY})),
        Recipient("Jean@ecole.example"),
    )
    assert (envelope.ret, envelope.envid, envelope.body) == ("HDRS", "QQ+1", "8BITMIME")
    assert envelope.client.address == "127.0.0.1"
    assert envelope.client.helo == "client.example"
    assert (envelope.client.tls, envelope.client.account, envelope.client.esmtp) == (None, None, True)


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop])
def test_the_same_on_uvloop(make_server, loop_factory):
    server = make_server(loop_factory=loop_factory)
    client = server.connect().hello()
    assert client.code(b"STARTTLS") == b"220 2.0.0"
    client.tls().hello().start()
    assert client.data(MESSAGE + END).startswith(b"250 2.0.0")
    big = b"x" * 998 + b"\r\n"
    client.start()
    assert client.data(MESSAGE + big * 3000 + END).startswith(b"250 2.0.0")
    assert [len(octets) for _, octets in server.rooms.inbound.kept] == [len(MESSAGE), len(MESSAGE) + 3_000_000]


def test_recipients_that_the_directory_remembers_are_not_looked_up(server):
    server.rooms.directory.remembered = {"marie@ecole.example"}
    client = server.connect().hello()
    client.code(b"MAIL FROM:<a@far.example>")
    assert client.code(b"RCPT TO:<marie@ecole.example> NOTIFY=NEVER") == b"250 2.1.5"
    assert server.rooms.directory.asked == []
    assert client.code(b"RCPT TO:<jean@ecole.example>") == b"250 2.1.5"
    assert server.rooms.directory.asked == ["jean@ecole.example"]
    client.data(MESSAGE + END)
    ((envelope, _),) = server.rooms.inbound.kept
    assert envelope.recipients == (
        Recipient("marie@ecole.example", None, frozenset({Notify.NEVER})),
        Recipient("jean@ecole.example"),
    )


@pytest.mark.parametrize(
    ("fate", "code"), [(Fate.LATER, b"452 4.2.2"), (Fate.REFUSED, b"552 5.2.2")], ids=["later", "never"]
)
def test_a_full_mailbox_is_refused_before_the_message_travels(server, fate, code):
    server.rooms.directory.remembered = {"marie@ecole.example"}
    server.rooms.inbound.full = {"marie@ecole.example": fate}
    client = server.connect().hello()
    client.code(b"MAIL FROM:<a@far.example> SIZE=5000")
    # Not held against the client, however often: it wrote to people who exist.
    for _ in range(30):
        assert client.code(b"RCPT TO:<marie@ecole.example>") == code
    assert client.code(b"RCPT TO:<jean@ecole.example>") == b"250 2.1.5"
    assert set(server.rooms.inbound.announced) == {5000}
    assert client.data(MESSAGE + END).startswith(b"250")


def test_ids_differ_and_sort(server):
    client = server.connect().hello()
    ids = [client.start().data(MESSAGE + END).split(b"id=")[1] for _ in range(5)]
    assert len(set(ids)) == 5
    assert [one[:9] for one in ids] == sorted(one[:9] for one in ids)
    assert all(one.strip().isalnum() and len(one.strip()) <= 16 for one in ids)


def test_what_is_offered(server):
    client = server.connect()
    words = {line[4:] for line in client.say(b"EHLO x").split(b"\r\n")[1:] if line}
    assert words == {
        b"SIZE 20971520", b"PIPELINING", b"8BITMIME", b"SMTPUTF8", b"ENHANCEDSTATUSCODES", b"CHUNKING", b"DSN",
        b"STARTTLS",
    }  # fmt: skip
    assert client.code(b"STARTTLS") == b"220 2.0.0"
    client.tls()
    assert b"STARTTLS" not in client.say(b"EHLO x")
    assert client.code(b"STARTTLS") == b"503 5.5.1"


SETUP = {
    "new": [],
    "greeted": [b"EHLO x"],
    "mail": [b"EHLO x", b"MAIL FROM:<a@far.example>"],
    "rcpt": [b"EHLO x", b"MAIL FROM:<a@far.example>", b"RCPT TO:<marie@ecole.example>"],
}


@pytest.mark.parametrize(
    ("state", "command", "code"),
    [
        ("new", b"MAIL FROM:<a@b.example>", b"503 5.5.1"),
        ("new", b"RCPT TO:<a@b.example>", b"503 5.5.1"),
        ("new", b"DATA", b"503 5.5.1"),
        ("new", b"BDAT 0 LAST", b"503 5.5.1"),
        ("new", b"NOOP", b"250 2.0.0"),
        ("new", b"noop with words", b"250 2.0.0"),
        ("new", b"RSET", b"250 2.0.0"),
        ("new", b"RSET x", b"501 5.5.4"),
        ("new", b"HELP", b"214 2.0.0"),
        ("new", b"QUIT now", b"501 5.5.4"),
        ("new", b"EHLO", b"501 5.5.4"),
        ("new", b"EHLO ", b"501 5.5.4"),
        ("new", b"HELO", b"501 5.5.4"),
        ("new", b"EHLO a b", b"501 5.5.4"),
        ("new", b"EHLO " + b"x" * 256, b"501 5.5.4"),
        ("new", b"EHLO a\0b", b"501 5.5.2"),
        ("new", b"EHLO a\rb", b"501 5.5.2"),
        ("new", b"HELO x", b"250 mail.ecole.example"),
        ("new", b"", b"500 5.5.2"),
        ("new", b" ", b"500 5.5.2"),
        ("new", b"\0\0\0", b"500 5.5.2"),
        ("new", b"\xff\xfe", b"500 5.5.2"),
        ("new", b"XYZZY", b"500 5.5.2"),
        ("new", b"MAILFROM:<a@b.example>", b"500 5.5.2"),
        ("new", b"TURN", b"500 5.5.2"),
        ("new", b"X" * 2046, b"500 5.5.2"),
        ("new", b"X" * 2047, b"500 5.5.6"),
        ("new", b"X" * 500_000, b"500 5.5.6"),
        ("greeted", b"VRFY marie@ecole.example", b"252 2.5.2"),
        ("greeted", b"VRFY nobody@ecole.example", b"252 2.5.2"),
        ("greeted", b"EXPN liste", b"502 5.5.1"),
        ("greeted", b"RCPT TO:<marie@ecole.example>", b"503 5.5.1"),
        ("greeted", b"DATA", b"503 5.5.1"),
        ("greeted", b"AUTH PLAIN AGEAYg==", b"502 5.5.1"),
        ("greeted", b"STARTTLS x", b"501 5.5.4"),
        ("greeted", b"MAIL", b"501 5.5.2"),
        ("greeted", b"MAIL TO:<a@b.example>", b"501 5.5.2"),
        ("greeted", b"MAIL FROM:<a@b.example", b"501 5.5.2"),
        ("greeted", b"MAIL FROM:a@b.example", b"501 5.5.2"),
        ("greeted", b"MAIL FROM:<>", b"250 2.1.0"),
        ("greeted", b"MAIL FROM:<a@[192.0.2.1]>", b"250 2.1.0"),
        ("greeted", b"MAIL FROM:<marie@ecole.example>", b"250 2.1.0"),
        ("greeted", b"MAIL FROM:<a@b.example> SIZE=20971520", b"250 2.1.0"),
        ("greeted", b"MAIL FROM:<a@b.example> SIZE=20971521", b"552 5.3.4"),
        ("greeted", b"MAIL FROM:<a@b.example> SIZE=99999999999999999999", b"552 5.3.4"),
        ("greeted", b"MAIL FROM:<a@b.example> SIZE=999999999999999999999", b"501 5.5.4"),
        ("greeted", b"MAIL FROM:<a@b.example> SIZE=-1", b"501 5.5.4"),
        ("greeted", b"MAIL FROM:<a@b.example> FOO=1", b"555 5.5.4"),
        ("greeted", b"MAIL FROM:<a@b.example> AUTH=<>", b"555 5.5.4"),
        ("greeted", b"MAIL FROM:<a@b.example> BODY=7BIT BODY=7BIT", b"501 5.5.4"),
        ("greeted", "MAIL FROM:<é@b.example>".encode(), b"553 5.6.7"),
        ("greeted", "MAIL FROM:<é@b.example> SMTPUTF8".encode(), b"250 2.1.0"),
        ("greeted", b"MAIL FROM:<a\tb@b.example>", b"501 5.5.2"),
        ("mail", b"MAIL FROM:<a@b.example>", b"503 5.5.1"),
        ("mail", b"DATA", b"503 5.5.1"),
        ("mail", b"STARTTLS", b"503 5.5.1"),
        ("mail", b"RCPT TO:<marie@ecole.example>", b"250 2.1.5"),
        ("mail", b"RCPT TO:<MARIE@ECOLE.EXAMPLE>", b"250 2.1.5"),
        ("mail", b'RCPT TO:<"marie"@ecole.example>', b"250 2.1.5"),
        ("mail", b"RCPT TO:<nobody@ecole.example>", b"550 5.1.1"),
        ("mail", b"RCPT TO:<postmaster>", b"250 2.1.5"),
        ("mail", b"RCPT TO:<PostMaster>", b"250 2.1.5"),
        ("mail", b"RCPT TO:<postmaster@ecole.example>", b"250 2.1.5"),
        ("mail", b"RCPT TO:<>", b"501 5.5.2"),
        ("mail", b"RCPT TO:<marie>", b"501 5.5.2"),
        ("mail", b"RCPT TO:<u@far.example>", b"550 5.7.1"),
        ("mail", b"RCPT TO:<u%far.example@ecole.example>", b"550 5.7.1"),
        ("mail", b"RCPT TO:<far.example!u@ecole.example>", b"550 5.7.1"),
        ("mail", b'RCPT TO:<"u@far.example"@ecole.example>', b"550 5.7.1"),
        ("mail", b"RCPT TO:<@ecole.example:u@far.example>", b"550 5.7.1"),
        ("mail", b"RCPT TO:<u@[192.0.2.1]>", b"550 5.7.1"),
        ("mail", b"RCPT TO:<marie@[127.0.0.1]>", b"550 5.7.1"),
        ("mail", b"RCPT TO:<marie@ecole.example.>", b"501 5.5.2"),
        ("mail", b"RCPT TO:<marie@sub.ecole.example>", b"550 5.7.1"),
        ("mail", b"RCPT TO:<marie@notecole.example>", b"550 5.7.1"),
        ("mail", b"RCPT TO:<marie@ecole.example.far.example>", b"550 5.7.1"),
        ("mail", b"RCPT TO:<marie@ecole.example\0.far.example>", b"501 5.5.2"),
        ("mail", b"RCPT TO:<marie@ecole.example> NOTIFY=NEVER,DELAY", b"501 5.5.4"),
        ("mail", b"RCPT TO:<marie@ecole.example> ORCPT=rfc822;a+0D+0Ab", b"501 5.5.4"),
        ("mail", b"RCPT TO:<marie@ecole.example> X=1", b"555 5.5.4"),
        ("rcpt", b"MAIL FROM:<a@b.example>", b"503 5.5.1"),
        ("rcpt", b"DATA x", b"501 5.5.4"),
        ("rcpt", b"BDAT", b"501 5.5.4"),
        ("rcpt", b"BDAT x", b"501 5.5.4"),
        ("rcpt", b"BDAT -1", b"501 5.5.4"),
        ("rcpt", b"BDAT +1", b"501 5.5.4"),
        ("rcpt", b"BDAT 1 2", b"501 5.5.4"),
        ("rcpt", b"BDAT 0 FIRST", b"501 5.5.4"),
        ("rcpt", b"BDAT 99999999999999999999", b"501 5.5.4"),
        ("rcpt", b"BDAT 9999999999999999999", b"421 4.3.4"),
        ("rcpt", b"BDAT 0", b"250 2.0.0"),
        ("rcpt", b"BDAT 0 LAST", b"250 2.0.0"),
        ("rcpt", b"bdat 0 last", b"250 2.0.0"),
    ],
)
def test_commands(server, state, command, code):
    client = server.connect()
    for line in SETUP[state]:
        assert client.say(line).startswith(b"250")
    assert client.code(command) == code
    if not code.startswith(b"421"):
        assert client.code(b"NOOP") == b"250 2.0.0"


@pytest.mark.parametrize(
    "line",
    [b"GET / HTTP/1.1", b"POST /mail HTTP/1.1", b"CONNECT mail:25 HTTP/1.1", b"get /", b"PRI * HTTP/2.0", b"Host: x"],
)
def test_browsers_are_sent_away_at_once(server, line):
    client = server.connect()
    client.send(line + b"\r\nEHLO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<marie@ecole.example>\r\n")
    left = client.closed()
    assert left.startswith(b"421 4.7.0")
    assert left.count(b"\r\n") == 1
    assert not server.rooms.directory.asked


def test_bare_line_feeds_end_no_command(server):
    client = server.connect()
    client.send(b"EHLO x\nMAIL FROM:<a@far.example>\nNOOP\r\n")
    assert [client.reply()[:9] for _ in range(3)] == [b"500 5.5.2", b"500 5.5.2", b"250 2.0.0"]
    assert client.code(b"MAIL FROM:<a@far.example>") == b"503 5.5.1"


@pytest.mark.parametrize(
    "end",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\n", b"\r\r\n.\r\r\n", b"\0.\r\n"],
)
def test_smuggling(server, end):
    client = server.connect().hello().start()
    smuggled = b"MAIL FROM:<admin@ecole.example>\r\nRCPT TO:<jean@ecole.example>\r\nDATA\r\nx\r\n.\r\n"
    reply = client.data(MESSAGE + b"x" + end + smuggled)
    assert reply[:9] in (b"550 5.5.2", b"550 5.6.0")
    assert client.code(b"NOOP") == b"250 2.0.0"
    assert not server.rooms.inbound.kept
    assert client.start().data(MESSAGE + END).startswith(b"250")


@pytest.mark.parametrize("octets", [b"a\x0bb\x0cc\x1cd\r\n", "a\x85b\u2028c\r\n".encode(), b"\x85\xff\r\n"])
def test_odd_octets_that_end_no_line_are_kept(server, octets):
    client = server.connect().hello().start()
    assert client.data(octets + END).startswith(b"250")
    assert server.rooms.inbound.kept[0][1] == octets


def test_octet_by_octet_is_the_same(server):
    whole = (
        b"EHLO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<marie@ecole.example>\r\nDATA\r\n..a\r\nb\r\n.\r\n"
        b"MAIL FROM:<>\r\nRCPT TO:<jean@ecole.example>\r\nBDAT 3\r\n.\r\nBDAT 4 LAST\r\nab\r\nNOOP\r\nFOO\r\nQUIT\r\n"
    )
    answers = []
    for size in (len(whole), 1, 3):
        client = server.connect()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), size):
            client.send(whole[at : at + size])
        lines = client.closed().split(b"\r\n")
        answers.append([line.partition(b" id=")[0] for line in lines])
    assert answers[0] == answers[1] == answers[2]
    assert sorted(octets for _, octets in server.rooms.inbound.kept) == [b".\r\nab\r\n"] * 3 + [b".a\r\nb\r\n"] * 3


def test_pipelined_replies_leave_in_one_piece(server):
    client = server.connect().hello()
    client.send(b"MAIL FROM:<a@far.example>\r\n" + b"RCPT TO:<marie@ecole.example>\r\n" * 3 + b"RSET\r\n")
    time.sleep(0.3)
    assert client.socket.recv(65536).count(b"\r\n") == 5


def test_talking_before_the_banner_is_answered_after_it(server):
    client = server.connect(greet=False)
    client.send(b"EHLO x\r\nQUIT\r\n")
    left = client.closed()
    assert left.startswith(b"220 ")
    assert b"\r\n221 2.0.0" in left


# Chunks


def test_chunks(server):
    client = server.connect().hello().start()
    client.send(b"BDAT 5\r\na\r\n.\rBDAT 3\r\n\nb\rBDAT 2 LAST\r\n\nc")
    assert [client.reply()[:9] for _ in range(3)] == [b"250 2.0.0"] * 3
    assert server.rooms.inbound.kept[0][1] == b"a\r\n.\r\nb\r\nc\r\n"
    assert client.start().data(MESSAGE + END).startswith(b"250")


@pytest.mark.parametrize("verb", [b"DATA", b"MAIL FROM:<b@far.example>", b"RCPT TO:<jean@ecole.example>"])
def test_only_chunks_follow_chunks(server, verb):
    client = server.connect().hello().start()
    assert client.chunk(b"2", b"ab") == b"250 2.0.0"
    assert client.code(verb) == b"503 5.5.1"
    assert client.chunk(b"2 LAST", b"cd") == b"250 2.0.0"
    assert server.rooms.inbound.kept[0][1] == b"abcd\r\n"


def test_rset_between_chunks(server):
    client = server.connect().hello().start()
    assert client.chunk(b"2", b"ab") == b"250 2.0.0"
    assert client.code(b"RSET") == b"250 2.0.0"
    assert client.chunk(b"4 LAST", b"QUIT") == b"503 5.5.1"
    assert client.code(b"NOOP") == b"250 2.0.0"
    assert not server.rooms.inbound.kept


@pytest.mark.parametrize("before", [[], [b"EHLO x"], [b"EHLO x", b"MAIL FROM:<a@far.example>"]])
def test_chunks_out_of_order_are_drained(server, before):
    client = server.connect()
    for line in before:
        client.say(line)
    assert client.chunk(b"12 LAST", b"QUIT\r\nQUIT\r\n") == b"503 5.5.1"
    assert client.code(b"NOOP") == b"250 2.0.0"


@pytest.mark.parametrize(
    ("octets", "code"), [(b"a\nb\r\n", b"550 5.5.2"), (b"a\rb\r\n", b"550 5.5.2"), (b"a\0\r\n", b"550 5.6.0")]
)
def test_chunks_with_bad_octets_are_refused_to_the_last(server, octets, code):
    client = server.connect().hello().start()
    assert client.chunk(b"%d" % len(octets), octets) == code
    assert client.chunk(b"6", b"QUIT\r\n") == code
    assert client.chunk(b"6 LAST", b"QUIT\r\n") == code
    assert client.start().data(MESSAGE + END).startswith(b"250")
    assert len(server.rooms.inbound.kept) == 1


def test_a_cr_at_the_very_end_of_chunks(server):
    client = server.connect().hello().start()
    assert client.chunk(b"2", b"a\r") == b"250 2.0.0"
    assert client.code(b"BDAT 0 LAST") == b"550 5.5.2"


def test_many_tiny_chunks(server):
    client = server.connect().hello().start()
    client.send(b"BDAT 1\r\na" * 2000 + b"BDAT 0 LAST\r\n")
    for _ in range(2001):
        assert client.reply().startswith(b"250 2.0.0")
    assert server.rooms.inbound.kept[0][1] == b"a" * 2000 + b"\r\n"


# Limits


def test_size_while_reading(make_server):
    server = make_server(mx_message_size=65536, spool_memory=1024)
    client = server.connect().hello().start()
    line = b"x" * 98 + b"\r\n"
    assert client.data(line * 655 + END).startswith(b"250")
    assert client.start().data(line * 656 + END)[:9] == b"552 5.3.4"
    client.start()
    assert client.chunk(b"65536", b"x" * 65536) == b"250 2.0.0"
    assert client.chunk(b"1 LAST", b"x") == b"552 5.3.4"
    client.start()
    assert client.say(b"DATA").startswith(b"354")
    with pytest.raises(OSError):
        client.keep_sending(line * 1000, times=100)
    assert server.idle()
    assert len(server.rooms.inbound.kept) == 1
    assert not list((server.settings.site.data / "spool").iterdir())


def test_large_messages_go_through_a_file(make_server):
    server = make_server(spool_memory=1000)
    client = server.connect().hello()
    octets = MESSAGE + (b"y" * 70 + b"\r\n") * 40_000
    assert client.start().data(octets + END).startswith(b"250")
    assert server.rooms.inbound.kept[0][1] == octets
    assert not list((server.settings.site.data / "spool").iterdir())


def test_header_and_loop_limits(make_server):
    server = make_server(header_size=2000, received_fields=10)
    client = server.connect().hello()
    assert client.start().data(b"X: y\r\n" * 400 + b"\r\n" + END)[:9] == b"552 5.3.4"
    assert client.start().data(b"Received: x\r\n" * 10 + b"\r\n" + END)[:9] == b"554 5.4.6"
    assert client.start().data(b"Received: x\r\n" * 9 + b"\r\nReceived: x\r\n" + END)[:9] == b"250 2.0.0"


def test_recipient_limit_is_not_an_error(make_server):
    server = make_server(mx_recipients=100)
    server.rooms.directory.known = {f"u{n}@ecole.example" for n in range(200)}
    client = server.connect().hello()
    client.send(b"MAIL FROM:<a@far.example>\r\n" + b"".join(b"RCPT TO:<u%d@ecole.example>\r\n" % n for n in range(150)))
    codes = [client.reply()[:9] for _ in range(151)]
    assert codes[1:] == [b"250 2.1.5"] * 100 + [b"452 4.5.3"] * 50
    assert client.data(MESSAGE + END).startswith(b"250")
    assert len(server.rooms.inbound.kept[0][0].recipients) == 100


def test_errors_close_the_session(make_server):
    server = make_server(errors_before_delay=3, errors_before_close=5)
    client = server.connect()
    client.send(b"FOO\r\n" * 50)
    left = client.closed()
    assert left.count(b"500 5.5.2") == 5
    assert left.endswith(b"421 4.7.0 Too many errors, closing connection\r\n")


def test_each_answer_waits_after_many_errors(make_server):
    server = make_server(errors_before_delay=3, errors_before_close=50)
    server.listener().slow_down = 0.15
    client = server.connect()
    began = time.monotonic()
    client.say(b"FOO")
    client.say(b"FOO")
    assert time.monotonic() - began < 0.15
    began = time.monotonic()
    client.say(b"FOO")
    client.say(b"NOOP")
    assert time.monotonic() - began >= 0.3


def test_the_exempt_are_not_slowed_down(make_server):
    server = make_server(errors_before_delay=3, exempt=("127.0.0.0/8",), connections_per_address=1)
    server.listener().slow_down = 30
    client, other = server.connect(), server.connect()
    for _ in range(10):
        client.say(b"FOO")
    assert other.code(b"NOOP") == b"250 2.0.0"


def test_junk_counts_after_a_while(make_server):
    server = make_server(idle_commands=10, errors_before_delay=2, errors_before_close=4)
    client = server.connect()
    client.send(b"NOOP\r\n" * 5 + b"RSET\r\n" * 5 + b"VRFY x\r\n" * 10)
    assert client.closed().endswith(b"421 4.7.0 Too many errors, closing connection\r\n")
    client = server.connect().hello()
    for _ in range(10):
        client.start().data(MESSAGE + END)
        for _ in range(5):
            assert client.code(b"NOOP") == b"250 2.0.0"


def test_unknown_recipients_close_the_session(make_server):
    server = make_server(unknown_recipients_before_close=4)
    server.listener().service._pause = 0.01
    client = server.connect().hello()
    client.say(b"MAIL FROM:<a@far.example>")
    client.send(b"".join(b"RCPT TO:<n%d@ecole.example>\r\n" % n for n in range(9)))
    left = client.closed()
    assert left.count(b"550 5.1.1") == 3
    assert left.endswith(b"421 4.7.0 Too many unknown recipients, closing connection\r\n")


def test_connections_by_address_and_in_all(make_server):
    server = make_server(connections_per_address=3, connections=5)
    taken = [server.connect() for _ in range(3)]
    assert server.connect(greet=False).closed().startswith(b"421 4.7.0")
    more = [server.connect(source="127.0.0.2") for _ in range(2)]
    assert server.connect(greet=False, source="127.0.0.3").closed().startswith(b"421 4.7.0")
    taken[0].close()
    more[0].close()
    assert wait_until(lambda: server.listener().occupancy.count == 3)
    assert server.connect().code(b"NOOP") == b"250 2.0.0"


def wait_until(condition) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_messages_in_a_session(make_server):
    server = make_server(messages_per_connection=2)
    client = server.connect().hello()
    for _ in range(2):
        assert client.start().data(MESSAGE + END).startswith(b"250")
    assert client.code(b"MAIL FROM:<a@far.example>") == b"421 4.7.0"
    assert client.closed() == b""


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"EHL",
        b"EHLO x\r\nMAIL FROM:<a@far.example>\r\n",
        b"EHLO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<marie@ecole.example>\r\nDATA\r\nabc",
        b"EHLO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<marie@ecole.example>\r\nBDAT 10\r\nabc",
        b"BDAT 10\r\nabc",
    ],
)
def test_silence_is_ended_with_421(make_server, octets):
    server = make_server(command_timeout=1.0)
    client = server.connect()
    client.send(octets)
    assert client.closed().endswith(b"421 4.4.2 Waited too long, closing connection\r\n")
    assert server.idle()
    assert not server.rooms.inbound.kept


def test_one_octet_at_a_time_does_not_stretch_the_time_of_a_command(make_server):
    server = make_server(command_timeout=1.0)
    client = server.connect()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        client.keep_sending(b"x", times=100, pause=0.1)


def test_the_whole_of_data_has_a_limit(make_server):
    server = make_server(data_timeout=1.0)
    client = server.connect().hello().start()
    client.say(b"DATA")
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        client.keep_sending(b"x" * 1000, times=100, pause=0.1)
    assert server.idle()
    assert not server.rooms.inbound.kept


def test_chunks_have_one_limit_together(make_server):
    server = make_server(data_timeout=1.0)
    client = server.connect().hello().start()
    client.send(b"BDAT 1\r\nx")
    assert client.reply().startswith(b"250")
    assert client.closed().startswith(b"421 4.4.2")


def test_stress_shortens_the_wait(make_server):
    server = make_server(connections=10, stress_timeout=1.0)
    sessions = [server.connect() for _ in range(9)]
    for session in sessions:
        session.send(b"NOOP\r\n")
    assert all(b"421 4.4.2" in session.closed() for session in sessions)


def test_a_client_that_never_reads_is_bounded_and_cut(make_server):
    server = make_server(command_timeout=1.0, idle_commands=10_000_000)
    client = server.connect()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.settimeout(0.5)
    with pytest.raises(OSError):
        client.keep_sending(b"HELP\r\n" * 10_000, times=1000)
    assert wait_until(lambda: not server.listener().sessions)


# What goes wrong below


@pytest.mark.parametrize(
    ("fate", "reason", "code"),
    [
        (Fate.REFUSED, Reason.SPAM, b"550 5.7.1"),
        (Fate.REFUSED, Reason.LOOP, b"554 5.4.6"),
        (Fate.LATER, Reason.NO_SPACE, b"452 4.3.1"),
        (Fate.LATER, Reason.UNAVAILABLE, b"451 4.3.0"),
    ],
)
def test_what_delivery_decides_is_told(server, fate, reason, code):
    server.rooms.inbound.whole = Disposition("", fate, reason, "Pourquoi : è\r\n250 OK")
    client = server.connect().hello().start()
    reply = client.data(MESSAGE + END)
    assert reply.startswith(code + b" Pourquoi : e 250 OK (id=")
    assert client.code(b"NOOP") == b"250 2.0.0"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("secret path /var/x"), b"451 4.3.0"),
        (ConnectionRefusedError(111, "database"), b"451 4.3.0"),
        (TimeoutError("x"), b"451 4.3.0"),
        (OSError(errno.ENOSPC, "No space left on device"), b"452 4.3.1"),
        (OSError(errno.EROFS, "Read-only"), b"451 4.3.0"),
        (ValueError("x"), b"451 4.3.0"),
        (KeyError("x"), b"451 4.3.0"),
    ],
)
def test_failures_are_temporary_and_bland(server, error, code):
    server.rooms.inbound.error = error
    client = server.connect().hello().start()
    reply = client.data(MESSAGE + END)
    assert reply.startswith(code)
    assert b"secret" not in reply
    server.rooms.inbound.error = None
    assert client.start().data(MESSAGE + END).startswith(b"250")
    server.rooms.directory.error = error
    client.say(b"MAIL FROM:<a@far.example>")
    assert client.code(b"RCPT TO:<marie@ecole.example>") == code
    server.rooms.directory.error = None
    assert client.code(b"RCPT TO:<marie@ecole.example>") == b"250 2.1.5"


def test_directory_away(server):
    server.rooms.directory.away = True
    client = server.connect().hello()
    client.say(b"MAIL FROM:<a@far.example>")
    assert client.code(b"RCPT TO:<marie@ecole.example>") == b"451 4.4.3"
    assert client.code(b"RCPT TO:<u@far.example>") == b"550 5.7.1"
    assert client.code(b"DATA") == b"554 5.5.1"


def test_full_disk(server, monkeypatch):
    listener = server.listener()
    folder = listener.spool
    listener.spool = folder / "gone"
    client = server.connect().hello()
    assert client.code(b"MAIL FROM:<a@far.example>") == b"451 4.3.0"
    listener.spool = folder
    listener.service.size = 1 << 60
    assert client.code(b"MAIL FROM:<a@far.example>") == b"452 4.3.1"


def test_spool_file_can_not_be_written(make_server):
    server = make_server(spool_memory=1000)
    client = server.connect().hello().start()
    listener = server.listener()
    folder, listener.spool = listener.spool, listener.spool / "gone"
    reply = client.data(MESSAGE * 1000 + END)
    assert reply.startswith(b"451 4.3.0")
    listener.spool = folder
    assert client.start().data(MESSAGE * 1000 + END).startswith(b"250")


def test_a_cut_connection_keeps_nothing(server):
    for octets in (b"DATA\r\nSubject: x\r\n\r\nbody\r\n", b"BDAT 100 LAST\r\nabc", b"BDAT 3\r\nabc"):
        client = server.connect().hello().start()
        client.send(octets)
        client.socket.shutdown(socket.SHUT_WR)
        client.closed()
    assert server.idle()
    assert not server.rooms.inbound.kept


def test_a_client_that_only_stops_sending_gets_its_answers(server):
    client = server.connect()
    client.send(
        b"EHLO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<marie@ecole.example>\r\nDATA\r\n" + MESSAGE + b".\r\nQUIT\r\n"
    )
    client.socket.shutdown(socket.SHUT_WR)
    left = client.closed()
    assert b"250 2.0.0 OK id=" in left
    assert left.endswith(b"221 2.0.0 Bye\r\n")


def test_a_blocked_delivery_blocks_nobody_else(server):
    server.rooms.inbound.gate = threading.Event()
    slow = server.connect().hello().start()
    slow.say(b"DATA")
    slow.send(MESSAGE + END)
    assert server.rooms.inbound.entered.wait(10)
    other = server.connect().hello()
    assert other.code(b"NOOP") == b"250 2.0.0"
    server.rooms.inbound.gate.set()
    assert slow.reply().startswith(b"250")


def test_null_sender_and_own_domain_give_no_right_to_relay(server):
    client = server.connect().hello()
    for sender in (b"", b"marie@ecole.example", b"postmaster@ecole.example"):
        client.say(b"MAIL FROM:<" + sender + b">")
        assert client.code(b"RCPT TO:<u@far.example>") == b"550 5.7.1"
        client.say(b"RSET")


# TLS


def test_starttls_forgets_all_that_was_said_in_clear(server):
    client = server.connect().hello()
    client.send(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<a@far.example>\r\n")
    assert client.reply().startswith(b"220 2.0.0")
    client.tls()
    assert client.code(b"MAIL FROM:<a@far.example>") == b"503 5.5.1"
    client.hello().start()
    assert client.data(MESSAGE + END).startswith(b"250")
    assert server.rooms.inbound.kept[0][0].client.tls.startswith("TLSv1.")


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("name", ["mx", "submissions"])
def test_a_command_in_one_segment_with_the_end_of_the_handshake(make_server, loop_factory, name):
    server = make_server(loop_factory=loop_factory)
    client = server.connect(name, greet=False)
    if name == "mx":
        client.reply()
        client.hello()
        client.say(b"STARTTLS")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            client.send(outgoing.read())
            incoming.write(client.socket.recv(65536))
    tls.write(b"EHLO x\r\nQUIT\r\n")
    client.send(outgoing.read())
    left = b""
    while b"221 2.0.0" not in left:
        try:
            left += tls.read(65536)
        except ssl.SSLWantReadError:
            incoming.write(client.socket.recv(65536))
    assert b"250-SIZE" in left


def test_garbage_instead_of_a_handshake(server):
    client = server.connect().hello()
    assert client.code(b"STARTTLS") == b"220 2.0.0"
    client.send(b"NOOP\r\n" * 100)
    client.closed()
    assert server.idle()
    assert server.connect().code(b"NOOP") == b"250 2.0.0"


def test_handshakes_have_a_limit(make_server):
    server = make_server()
    for listener in server.listeners._listeners:
        listener.handshake_timeout = 0.5
    client = server.connect().hello()
    assert client.code(b"STARTTLS") == b"220 2.0.0"
    implicit = server.connect("submissions", greet=False)
    assert implicit.closed() == b""
    assert client.closed() == b""
    assert server.idle()


def test_old_tls_is_refused(server):
    client = server.connect().hello()
    client.say(b"STARTTLS")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(client.socket)


def test_pipelining_behind_a_verb_that_must_be_last_counts_as_an_error(make_server):
    server = make_server(errors_before_delay=1, errors_before_close=2)
    client = server.connect()
    client.send(b"EHLO x\r\nEHLO x\r\nNOOP\r\nNOOP\r\n")
    assert client.closed().endswith(b"421 4.7.0 Too many errors, closing connection\r\n")

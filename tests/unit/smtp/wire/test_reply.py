from __future__ import annotations

import pytest

from smtp.wire.reply import LINE, Refused, Reply, ascii_text, parse_status


@pytest.mark.parametrize(
    ("reply", "octets"),
    [
        (Reply(250, "2.0.0", "OK"), b"250 2.0.0 OK\r\n"),
        (Reply(354, "", "Go"), b"354 Go\r\n"),
        (Reply(250, "", "host", ("SIZE 10", "DSN")), b"250-host\r\n250-SIZE 10\r\n250 DSN\r\n"),
        (Reply(550, "5.7.1", "Refusé\r\n250 OK"), b"550 5.7.1 Refuse 250 OK\r\n"),
    ],
)
def test_octets(reply, octets):
    assert reply.octets == octets


def test_long_text_is_folded_into_lines_of_the_same_code():
    octets = Reply(550, "5.7.1", "mot " * 500).octets
    lines = octets.split(b"\r\n")[:-1]
    assert len(lines) > 3
    assert all(len(line) + 2 <= LINE for line in lines)
    assert all(line.startswith(b"550-5.7.1 ") for line in lines[:-1])
    assert lines[-1].startswith(b"550 5.7.1 ")


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\0b", "a\x85b", "a\u2028b", "a\x1b[2Jb"])
def test_no_control_gets_into_a_reply(text):
    assert all(" " <= c <= "~" for c in ascii_text(text))


def test_closing_and_positive():
    assert Reply(421, "4.3.2", "x").closing
    assert Reply(221, "2.0.0", "x").closing
    assert not Reply(250, "2.0.0", "x").closing
    assert not Reply(451, "4.3.0", "x").positive
    assert Refused(Reply(501, "5.5.4", "x")).reply.code == 501


@pytest.mark.parametrize(
    ("code", "text", "status", "words"),
    [
        (550, "5.1.1 no such user", "5.1.1", "no such user"),
        (550, "no such user", "5.0.0", "no such user"),
        (450, "5.1.1 liar", "4.0.0", "5.1.1 liar"),
        (250, "2.1.5 a\n2.1.5 b", "2.1.5", "a b"),
        (550, "5.007.01 x", "5.7.1", "x"),
        (550, "", "5.0.0", ""),
    ],
)
def test_parse_status(code, text, status, words):
    assert parse_status(code, text) == (status, words)

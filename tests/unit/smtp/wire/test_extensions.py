from __future__ import annotations

from smtp.wire.extensions import ehlo_reply, parse_offer


def test_what_is_offered():
    lines = ehlo_reply("h.example", size=1000, starttls=True, mechanisms=("PLAIN", "LOGIN")).octets.split(b"\r\n")
    words = {line[4:] for line in lines[1:] if line}
    assert lines[0] == b"250-h.example"
    assert words == {
        b"SIZE 1000", b"PIPELINING", b"8BITMIME", b"SMTPUTF8", b"ENHANCEDSTATUSCODES", b"CHUNKING", b"DSN", b"STARTTLS",
        b"AUTH PLAIN LOGIN",
    }  # fmt: skip
    assert b"STARTTLS" not in ehlo_reply("h", size=1, starttls=False, mechanisms=()).octets
    assert b"AUTH" not in ehlo_reply("h", size=1, starttls=False, mechanisms=()).octets


def test_what_a_far_server_offers():
    offer = parse_offer("far.example greets\nSIZE 10240000\nsmtputf8\n\nDSN x\nAUTH=PLAIN")
    assert "SMTPUTF8" in offer
    assert "DSN" in offer
    assert "8BITMIME" not in offer
    assert offer.size == 10240000
    for text in ("h\nSIZE", "h\nSIZE 0", "h\nSIZE x", "h\nSIZE " + "9" * 21, ""):
        assert parse_offer(text).size is None

"""Any octets parse or raise the one error; however they are cut, the result is the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smtp.wire.data import DotReader, LineEnds
from smtp.wire.extensions import parse_offer
from smtp.wire.params import parse_mail, parse_rcpt, to_xtext, xtext
from smtp.wire.reply import LINE, Refused, Reply, parse_status

WIRE = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\r\n.\r\n", b"\0", b".."]), max_size=40).map(
    b"".join
)
ARGUMENT = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from(
            [b"FROM:", b"TO:", b"<", b">", b"@", b"a", b".", b'"', b"\\", b" ", b"SIZE=", b"9", b"[1.2.3.4]", b"IPv6:",
             b"SMTPUTF8", "é".encode(), b"ORCPT=", b"rfc822;", b"utf-8;", b"+0A", rb"\x{", b"}", b"NOTIFY=NEVER", b",",
             b"="]
        ),
        max_size=30,
    ).map(b"".join),
)  # fmt: skip


@given(ARGUMENT, st.booleans())
def test_arguments_parse_or_are_refused(argument, utf8):
    for parse in (
        lambda: parse_mail(argument),
        lambda: parse_mail(b"FROM:" + argument, auth=True),
        lambda: parse_rcpt(b"TO:" + argument, smtputf8=utf8),
    ):
        try:
            command = parse()
        except Refused as refused:
            reply = refused.reply
        else:
            reply = None
            mailbox = getattr(command, "sender", None) or getattr(command, "recipient", None)
            if mailbox is not None:
                assert not any(c < " " or c == "\x7f" for c in mailbox.spec)
                assert mailbox.local
            for text in (getattr(command, "envid", None), getattr(command, "original", None)):
                assert text is None or not any(c < " " or c == "\x7f" for c in text)
        assert reply is None or (500 <= reply.code < 600 and reply.status.startswith("5."))


@given(ARGUMENT)
def test_what_was_parsed_parses_again_to_the_same(path):
    try:
        mailbox = parse_rcpt(b"TO:<" + path + b">", smtputf8=True).recipient
    except Refused:
        return
    again = parse_rcpt(b"TO:<" + mailbox.spec.encode() + b">", smtputf8=True).recipient
    assert again == mailbox


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_xtext(value):
    assert xtext(to_xtext(value)) == value


@given(WIRE, st.lists(st.integers(1, 7), max_size=60))
def test_data_is_the_same_however_it_is_cut(octets, cuts):
    octets += b"\r\n.\r\nREST"

    def read(blocks):
        reader, ends, plain = DotReader(), LineEnds(), b""
        rest = b""
        for block in blocks:
            if reader.rest is None:
                raw, more = reader.feed(block)
                ends.feed(raw)
                plain += more
                rest = reader.rest or b""
            else:
                rest += block
        ends.end()
        return plain, rest, ends.bare, ends.nul

    blocks, at = [], 0
    for cut in cuts:
        blocks.append(octets[at : at + cut])
        at += cut
    blocks.append(octets[at:])
    whole = read([octets])
    assert read(blocks) == whole
    plain, rest, bare, nul = whole
    assert rest.endswith(b"REST")
    assert nul == (b"\0" in plain)
    stripped = plain.replace(b"\r\n", b"")
    if b"\r" in stripped or b"\n" in stripped:
        assert bare


@given(st.text(), st.text(max_size=2000))
def test_replies_are_lines_of_printable_ascii(status, text):
    octets = Reply(550, "5.0.0", text, (status,)).octets
    assert octets.endswith(b"\r\n")
    lines = octets[:-2].split(b"\r\n")
    assert all(len(line) + 2 <= LINE and all(32 <= octet < 127 for octet in line) for line in lines)
    assert all(line[:4] == b"550-" for line in lines[:-1])
    assert lines[-1][:4] == b"550 "


@given(st.integers(200, 599), st.text())
def test_far_replies_never_fail(code, text):
    status, words = parse_status(code, text)
    assert status[0] == str(code)[0]
    assert "\n" not in words or "\n" not in text
    parse_offer(text)

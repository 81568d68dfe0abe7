"""ENVELOPE and BODYSTRUCTURE of any octets follow the grammar (RFC 9051 section 9), as a strict reader sees it."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from message.headers import parse_headers
from message.parts import scan
from message.structure import bodystructure, envelope

QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
LITERAL = re.compile(rb"\{(0|[1-9][0-9]*)\}\r\n")
NUMBER = re.compile(rb"0|[1-9][0-9]*")


class Reader:
    """Reads one answer, or fails."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def done(self) -> bool:
        return self.at == len(self.octets)

    def sees(self, token: bytes) -> bool:
        return self.octets.startswith(token, self.at)

    def take(self, token: bytes) -> None:
        assert self.sees(token), (token, self.octets[self.at : self.at + 40])
        self.at += len(token)

    def space(self) -> None:
        self.take(b" ")

    def number(self) -> int:
        match = NUMBER.match(self.octets, self.at)
        assert match
        self.at = match.end()
        return int(match[0])

    def string(self) -> bytes:
        if match := QUOTED.match(self.octets, self.at):
            self.at = match.end()
            return re.sub(rb"\\(.)", rb"\1", match[1])
        match = LITERAL.match(self.octets, self.at)
        assert match, self.octets[self.at : self.at + 40]
        end = match.end() + int(match[1])
        assert end <= len(self.octets)
        self.at = end
        assert b"\x00" not in self.octets[match.end() : end]
        return self.octets[match.end() : end]

    def nstring(self) -> bytes | None:
        if self.sees(b"NIL"):
            self.take(b"NIL")
            return None
        return self.string()

    def address(self) -> tuple[bytes | None, bytes | None]:
        self.take(b"(")
        self.nstring()
        self.space()
        self.take(b"NIL")
        self.space()
        mailbox = self.nstring()
        self.space()
        host = self.nstring()
        self.take(b")")
        return mailbox, host

    def addresses(self) -> None:
        if self.sees(b"NIL"):
            self.take(b"NIL")
            return
        self.take(b"(")
        in_group = False
        while True:  # 1*address
            mailbox, host = self.address()
            if host is None:
                assert in_group == (mailbox is None)
                in_group = not in_group
            else:
                assert mailbox is not None
            if self.sees(b")"):
                break
        assert not in_group
        self.take(b")")

    def envelope(self) -> None:
        self.take(b"(")
        self.nstring()
        self.space()
        self.nstring()
        for _ in range(6):
            self.space()
            self.addresses()
        self.space()
        self.nstring()
        self.space()
        self.nstring()
        self.take(b")")

    def strings(self) -> int:
        count = 1
        self.take(b"(")
        self.string()
        while not self.sees(b")"):
            self.space()
            self.string()
            count += 1
        self.take(b")")
        return count

    def parameters(self) -> None:
        if self.sees(b"NIL"):
            self.take(b"NIL")
        else:
            assert self.strings() % 2 == 0

    def trailer(self) -> None:
        self.space()
        if self.sees(b"NIL"):
            self.take(b"NIL")
        else:
            self.take(b"(")
            self.string()
            self.space()
            self.parameters()
            self.take(b")")
        self.space()
        if self.sees(b"("):
            self.strings()
        else:
            self.nstring()
        self.space()
        self.nstring()

    def body(self, extended: bool) -> None:
        self.take(b"(")
        if self.sees(b"("):
            while self.sees(b"("):
                self.body(extended)
            self.space()
            self.string()
            if extended:
                self.space()
                self.parameters()
                self.trailer()
        else:
            self.leaf(extended)
        self.take(b")")

    def leaf(self, extended: bool) -> None:
        main = self.string()
        self.space()
        sub = self.string()
        self.space()
        self.parameters()
        for _ in range(2):
            self.space()
            self.nstring()
        self.space()
        self.string()
        self.space()
        self.number()
        assert main != b"multipart"
        if (main, sub) == (b"message", b"rfc822"):
            self.space()
            self.envelope()
            self.space()
            self.body(extended)
        if main == b"text" or (main, sub) == (b"message", b"rfc822"):
            self.space()
            self.number()
        if extended:
            self.space()
            self.nstring()
            self.trailer()


def check(octets: bytes) -> None:
    reader = Reader(envelope(parse_headers(octets)))
    reader.envelope()
    assert reader.done()
    root = scan(octets)
    for extended in (True, False):
        reader = Reader(bodystructure(octets, root, extended=extended))
        reader.body(extended)
        assert reader.done()


FIELDS = [b"From", b"Sender", b"Reply-To", b"To", b"Cc", b"Bcc", b"Subject", b"Date", b"In-Reply-To", b"Message-ID"]
VALUES = [
    b"a@b", b"A <a@b>", b"g: a@b, c@d;", b"g:;", b"g: h: a@b;;", b";", b":", b",", b'"q" <"l"@d>', b"<>", b"<@>",
    b"root", b"(c)", b"\\", b'"', b"\xe9", b"\x00", b"\r", b"x" * 1200, b"", b"=?utf-8?q?=C3=A9?=",
]  # fmt: skip
TYPES = [
    b"text/plain", b"text", b"multipart/mixed; boundary=b", b"multipart/digest; boundary=c", b"multipart/mixed",
    b"message/rfc822", b"message/global", b"message/delivery-status", b"application/pdf; name=\xe9; x=\"\\\"\"",
    b"a/b; c",
    b"text/plain; =x; y=; z*=utf-8''%C3%A9",
]  # fmt: skip
fields = st.one_of(
    st.tuples(st.sampled_from(FIELDS), st.lists(st.sampled_from(VALUES), max_size=4).map(b" ".join)),
    st.tuples(st.just(b"Content-Type"), st.sampled_from(TYPES)),
    st.tuples(
        st.sampled_from(
            [
                b"Content-ID", b"Content-Description", b"Content-MD5", b"Content-Language", b"Content-Location",
                b"Content-Disposition", b"Content-Transfer-Encoding",
            ]
        ),
        st.sampled_from([*VALUES, b"attachment; filename=x", b"base64", b"fr, en", b"inline"]),
    ),
)  # fmt: skip
headers = st.lists(fields, max_size=6).map(lambda pairs: b"".join(b"%b: %b\r\n" % pair for pair in pairs))
parts = st.lists(
    st.one_of(
        headers.map(lambda header: header + b"\r\n"),
        st.sampled_from([b"\r\n--b\r\n", b"\r\n--c\r\n", b"\r\n--b--\r\n", b"x\r\n"]),
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=500, deadline=None)
@given(parts)
def test_mail_like_octets(octets):
    check(octets)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_octets(octets):
    check(octets)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 200), st.sampled_from([b"\r\n--b%d", b"", b"\r\n--b%d--\r\n"]))
def test_deep_trees(depth, end):
    octets = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        + (b"Content-Type: message/rfc822\r\n\r\n" if n % 3 == 0 else b"")
        for n in range(depth)
    )
    check(octets + b"".join(end % n if end else b"" for n in reversed(range(depth))))

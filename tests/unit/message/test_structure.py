import pytest

from message.headers import parse_headers
from message.parts import scan
from message.structure import bodystructure, envelope, nstring, string


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", b'""'),
        (b"plain", b'"plain"'),
        (b'a "b" \\c', b'"a \\"b\\" \\\\c"'),
        (b"\xc3\xa9", b"{2}\r\n\xc3\xa9"),
        (b"a\rb", b"{3}\r\na\rb"),
        (b"a\x00b", b'"ab"'),
        (b"x" * 1001, b"{1001}\r\n" + b"x" * 1001),
    ],
)
def test_strings(octets, expected):
    assert string(octets) == expected


def test_nil():
    assert nstring(None) == b"NIL"
    assert nstring(b"") == b'""'


def of(header: bytes) -> bytes:
    return envelope(parse_headers(header + b"\r\n"))


def test_the_envelope_of_the_standard():
    # RFC 9051 section 7.5.2
    header = (
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
        b"From: Terry Gray <gray@cac.washington.example>\r\n"
        b"Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
        b"To: imap@cac.washington.example\r\n"
        b"cc: minutes@CNRI.Reston.VA.US.example, John Klensin <KLENSIN@MIT.EDU.example>\r\n"
        b"Message-Id: <B27397-0100000@cac.washington.example>\r\n"
    )
    assert of(header) == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes"'
        b' (("Terry Gray" NIL "gray" "cac.washington.example"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.example"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.example"))'
        b' ((NIL NIL "imap" "cac.washington.example"))'
        b' ((NIL NIL "minutes" "CNRI.Reston.VA.US.example")("John Klensin" NIL "KLENSIN" "MIT.EDU.example"))'
        b' NIL NIL "<B27397-0100000@cac.washington.example>")'
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
        (b"Subject:\r\nTo:\r\n", b'(NIL "" NIL NIL NIL NIL NIL NIL NIL NIL)'),
        (b"Sender: s@x, t@x\r\n", b'(NIL NIL NIL ((NIL NIL "s" "x")(NIL NIL "t" "x")) NIL NIL NIL NIL NIL NIL)'),
        (b"Sender: s@x\r\nFrom: f@x\r\nReply-To:\r\n", None),
        (b"To: a@x\r\nTo: b@x\r\n", b'(NIL NIL NIL NIL NIL ((NIL NIL "a" "x")(NIL NIL "b" "x")) NIL NIL NIL NIL)'),
        (
            b"To: Team: a@x;\r\n",
            b'(NIL NIL NIL NIL NIL ((NIL NIL "Team" NIL)(NIL NIL "a" "x")(NIL NIL NIL NIL)) NIL NIL NIL NIL)',
        ),
        (b"Cc: root, <@x>\r\n", None),
        (b"Date: \xff\r\n", b"({1}\r\n\xff NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
    ],
)
def test_odd_envelopes(header, expected):
    answer = of(header)
    if expected is not None:
        assert answer == expected
    elif b"Cc" in header:
        assert b'((NIL NIL "root" "MISSING_DOMAIN")(NIL NIL "MISSING_MAILBOX" "x"))' in answer
    else:
        assert answer == (b'(NIL NIL ((NIL NIL "f" "x")) ((NIL NIL "s" "x")) ((NIL NIL "f" "x")) NIL NIL NIL NIL NIL)')


def test_addresses_in_an_envelope_have_a_limit():
    assert of(b"".join(b"To: a@x%b\r\n" % (b", a@x" * 9999) for _ in range(3))).count(b'"a"') == 10_000


def test_a_body_without_extension_data():
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-ID: <i>\r\n\r\nx\r\n--b--"
    assert bodystructure(octets, scan(octets), extended=False) == (
        b'(("text" "plain" ("charset" "us-ascii") "<i>" NIL "7bit" 1 0) "mixed")'
    )


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (b"\r\n", b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'),
        (
            b"Content-Type: image/png; name*=utf-8''%C3%A9.png\r\nContent-Transfer-Encoding: base64\r\n"
            b'Content-Disposition: inline; filename="a\\"b"\r\nContent-Language: fr, en\r\nContent-Location: l\r\n'
            b"Content-MD5: m\r\nContent-Description: d\r\nContent-ID: <i>\r\n\r\nAAAA",
            b'("image" "png" ("name*" "utf-8\'\'%C3%A9.png") "<i>" "d" "base64" 4 "m"'
            b' ("inline" ("filename" "a\\"b")) ("fr" "en") "l")',
        ),
        (
            b"Content-Type: text/plain;\r\nContent-Disposition: inline\r\n\r\na\r\nb",
            b'("text" "plain" NIL NIL NIL "7bit" 4 1 NIL ("inline" NIL) NIL NIL)',
        ),
        (
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA",
            b'("application" "octet-stream" NIL NIL NIL "base64" 4 NIL NIL NIL NIL)',
        ),
        (b"Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nx\r\ny\r\n", None),
        (
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing",
            b'(("text" "plain" NIL NIL NIL "7bit" 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL)',
        ),
    ],
)
def test_bodystructures(part, expected):
    message = (
        b'("message" "rfc822" NIL NIL NIL "7bit" 20 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL)'
        b' ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 2 NIL NIL NIL NIL) 4 NIL NIL NIL NIL)'
    )
    assert bodystructure(part, scan(part)) == (expected or message)

import pytest

from message.parts import scan
from message.text import decoded, part_text, searchable


def part(header: bytes, body: bytes):
    octets = header + b"\r\n" + body
    return octets, scan(octets)


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        (b"7bit", b"a=3D", b"a=3D"),
        (b"quoted-printable", b"caf=C3=A9 =\r\nx=\r\n", b"caf\xc3\xa9 x"),
        (b"quoted-printable", b"bad =XY =", b"bad =XY "),
        (b"base64", b"Y2Fm\r\nw6k=\r\n", b"caf\xc3\xa9"),
        (b"base64", b"Y2F*mw6k", b"caf\xc3\xa9"),
        (b"base64", b"Y2Fmw", b"caf"),
        (b"x-unknown", b"as it is", b"as it is"),
    ],
)
def test_transfer_encodings(encoding, body, expected):
    octets, root = part(b"Content-Transfer-Encoding: " + encoding + b"\r\n", body)
    assert decoded(octets, root) == expected


@pytest.mark.parametrize("encoding", [b"7bit", b"quoted-printable", b"base64"])
def test_decoding_has_a_limit(encoding):
    octets, root = part(b"Content-Transfer-Encoding: " + encoding + b"\r\n", b"QUFB" * 10_000)
    assert len(decoded(octets, root, 100)) == 100


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        (b"text/plain; charset=iso-8859-1", b"\xe9", "é"),
        (b"text/plain", "é".encode(), "é"),
        (b"text/html", b'<meta charset="iso-8859-2">\xb1', '<meta charset="iso-8859-2">ą'),
        (b"text/html; charset=utf-8", b'<meta charset="iso-8859-2">x', '<meta charset="iso-8859-2">x'),
    ],
)
def test_charsets_of_parts(content_type, body, text):
    octets, root = part(b"Content-Type: " + content_type + b"\r\n", body)
    assert part_text(octets, root, 1000) == text


def test_searchable_text_is_what_a_reader_sees():
    octets = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nplain\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>caf&eacute;<!-- no --><b>s</b></p>\r\n"
        b"--b\r\nContent-Type: image/png\r\n\r\nimage\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninner\r\n--b--"
    )
    assert list(searchable(octets, scan(octets), 10_000)) == ["plain", "cafés", "inner"]
    assert list(searchable(octets, scan(octets), 3)) == ["pla"]

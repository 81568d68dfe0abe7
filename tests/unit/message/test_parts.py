import mmap

import pytest

from message.parts import Part, dump, find, load, scan, walk

ALTERNATIVE = (
    b"From: a@b\r\n"
    b'Content-Type: multipart/alternative; boundary="b 1"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--b 1\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"\r\n"
    b"one\r\ntwo\r\n"
    b"--b 1  \t\r\n"
    b"Content-Type: text/html\r\n"
    b"Content-Transfer-Encoding: BASE64\r\n"
    b'Content-Disposition: Attachment; filename="=?utf-8?q?=C3=A9?=.html"\r\n'
    b"\r\n"
    b"PGI+\r\n"
    b"--b 1--\r\n"
    b"epilogue\r\n"
)


def body(octets: bytes, part: Part) -> bytes:
    return octets[part.body_start : part.end]


def header(octets: bytes, part: Part) -> bytes:
    return octets[part.header_start : part.body_start]


def test_a_multipart():
    root = scan(ALTERNATIVE)
    assert (root.main, root.sub, root.header_start, root.end) == ("multipart", "alternative", 0, len(ALTERNATIVE))
    plain, html = root.children
    assert header(ALTERNATIVE, plain) == b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    assert body(ALTERNATIVE, plain) == b"one\r\ntwo"
    assert (plain.param("charset"), plain.encoding, plain.lines, plain.disposition) == ("utf-8", "7bit", 1, None)
    assert body(ALTERNATIVE, html) == b"PGI+"
    assert (html.sub, html.encoding, html.disposition, html.filename) == ("html", "base64", "attachment", "é.html")


def test_line_feeds_alone_do_as_well():
    octets = ALTERNATIVE.replace(b"\r\n", b"\n")
    assert [body(octets, part) for part in scan(octets).children] == [b"one\ntwo", b"PGI+"]


def test_a_simple_message_is_its_own_part():
    octets = b"Subject: x\r\n\r\na\r\nb\r\n"
    root = scan(octets)
    assert (root.main, root.sub, root.params) == ("text", "plain", (("charset", "us-ascii"),))
    assert (body(octets, root), root.lines, root.size) == (b"a\r\nb\r\n", 2, 6)


@pytest.mark.parametrize("octets", [b"", b"\r\n", b"\n", b"A: b", b"body without a header", b"\x00\r\r\r", b"\xff" * 9])
def test_messages_without_anything(octets):
    root = scan(octets)
    assert (root.main, root.sub, root.children, root.end) == ("text", "plain", (), len(octets))


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        (b"TEXT/HTML", ("text", "html")),
        (b"text", ("text", "plain")),
        (b"/", ("text", "plain")),
        (b"te xt/html", ("text", "plain")),
        (b"\xe9/x", ("text", "plain")),
        (b"multipart/mixed", ("text", "plain")),
        (b'multipart/mixed; boundary=""', ("text", "plain")),
        (b"multipart/mixed; boundary=" + b"b" * 3000, ("text", "plain")),
        (b"multipart/mixed; boundary*0=b; boundary*1=c", ("multipart", "mixed")),
        (b"x-unknown/y; boundary=b", ("x-unknown", "y")),
    ],
)
def test_media_types(content_type, media):
    root = scan(b"Content-Type: " + content_type + b"\r\n\r\nbody")
    assert (root.main, root.sub) == media


MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


@pytest.mark.parametrize(
    ("octets", "bodies"),
    [
        (MIXED, [b""]),  # no part at all: an empty one stands for it
        (MIXED + b"no delimiter", [b""]),
        (MIXED + b"--b--\r\n", [b""]),
        (MIXED + b"--b\r\n\r\nx", [b"x"]),
        (MIXED + b"--b\r\n\r\nx\r\n--b", [b"x", b""]),
        (MIXED + b"--b\r\n\r\nx\r\n--bb\r\n--b-\r\n--b--", [b"x\r\n--bb\r\n--b-"]),
        (MIXED + b"--b\r\n\r\n--b\r\n\r\n\r\n--b--", [b"", b""]),
        (MIXED + b"--b\r\nContent-Type: text/plain\r\n--b\r\n\r\nx\r\n--b--", [b"", b"x"]),
        (MIXED + b"--b\r\n--b\r\n--b--", [b"", b""]),
        (MIXED + b"--b\r\n\r\nx\r\n\r\n--b--\r\n--b\r\n\r\ny", [b"x\r\n"]),
        (MIXED + b" --b\r\n\r\nx", [b""]),
        (MIXED + b"--b\r\n\r\nx\r--b\r\n\r\ny", [b"x\r--b\r\n\r\ny"]),  # a bare CR ends no line
    ],
)
def test_delimiters(octets, bodies):
    assert [body(octets, part) for part in scan(octets).children] == bodies


def test_an_outer_delimiter_ends_inner_multiparts():
    octets = MIXED + b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nin\r\n--b\r\n\r\nout\r\n--b--"
    inner, outer = scan(octets).children
    assert body(octets, inner) == b"--c\r\n\r\nin"
    assert body(octets, inner.children[0]) == b"in"
    assert body(octets, outer) == b"out"


def test_a_boundary_that_begins_with_the_outer_one():
    octets = MIXED + b"--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--bb--\r\n--b--"
    (inner,) = scan(octets).children
    assert [body(octets, part) for part in inner.children] == [b"x"]


def test_a_boundary_equal_to_the_outer_one_belongs_to_the_inner():
    octets = MIXED + b"--b\r\n" + MIXED + b"--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny\r\n--b--"
    inner, last = scan(octets).children
    assert body(octets, inner.children[0]) == b"x"
    assert body(octets, last) == b"y"


def test_a_message_in_a_message():
    inner = b"Subject: inner\r\n\r\nline\r\nline"
    octets = MIXED + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--b--\r\n"
    (part,) = scan(octets).children
    assert part.message is not None
    assert (part.lines, body(octets, part)) == (3, inner)
    assert header(octets, part.message) == b"Subject: inner\r\n\r\n"
    assert body(octets, part.message) == b"line\r\nline"


def test_parts_of_a_digest_are_messages():
    octets = b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\nbody\r\n--b--"
    (part,) = scan(octets).children
    assert (part.main, part.sub) == ("message", "rfc822")
    assert part.message is not None
    assert body(octets, part.message) == b"body"


def test_an_encoded_message_is_not_looked_into():
    octets = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0K"
    assert scan(octets).message is None


def nested(depth: int) -> bytes:
    return (
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
        + b"\r\nbottom"
    )


def test_deep_nesting_ends_in_one_leaf():
    octets = nested(5000)
    tree = list(walk(scan(octets)))
    assert len(tree) == 101
    assert (tree[-1].main, tree[-1].sub, tree[-1].end) == ("application", "octet-stream", len(octets))


def test_a_limit_of_depth():
    tree = list(walk(scan(nested(5), max_depth=2)))
    assert [part.main for part in tree] == ["multipart", "multipart", "application"]


def test_a_limit_of_parts():
    octets = MIXED + b"--b\r\n\r\nx\r\n" * 50 + b"--b--"
    root = scan(octets, max_parts=10)
    assert len(list(walk(root))) == 10
    assert body(octets, root.children[-1]).endswith(b"--b--")


def test_messages_in_messages_without_end():
    tree = list(walk(scan(b"Content-Type: message/rfc822\r\n\r\n" * 5000)))
    assert len(tree) == 101
    assert tree[-1].main == "application"


# RFC 9051 section 6.4.5, the example of part numbers.
NUMBERED = (
    b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    b"--a\r\nContent-Type: text/plain\r\n\r\n1\r\n"
    b"--a\r\nContent-Type: application/octet-stream\r\n\r\n2\r\n"
    b"--a\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Content-Type: multipart/mixed; boundary=c\r\n\r\n"
    b"--c\r\nContent-Type: text/plain\r\n\r\n3.1\r\n"
    b"--c\r\nContent-Type: application/octet-stream\r\n\r\n3.2\r\n--c--\r\n"
    b"--a\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n"
    b"--d\r\nContent-Type: image/gif\r\n\r\n4.1\r\n"
    b"--d\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Content-Type: multipart/mixed; boundary=e\r\n\r\n"
    b"--e\r\nContent-Type: text/plain\r\n\r\n4.2.1\r\n"
    b"--e\r\nContent-Type: multipart/alternative; boundary=f\r\n\r\n"
    b"--f\r\nContent-Type: text/plain\r\n\r\n4.2.2.1\r\n"
    b"--f\r\nContent-Type: text/richtext\r\n\r\n4.2.2.2\r\n--f--\r\n--e--\r\n--d--\r\n"
    b"--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n5.1\r\n--a--\r\n"
)


@pytest.mark.parametrize("name", ["1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2", "5.1"])
def test_part_numbers(name):
    part = find(scan(NUMBERED), tuple(int(number) for number in name.split(".")))
    assert part is not None
    assert body(NUMBERED, part) == name.encode()


@pytest.mark.parametrize("numbers", [(0,), (6,), (1, 1), (3, 3), (4, 2, 2, 3), (4, 1, 1), (5, 2), (5, 1, 1)])
def test_part_numbers_that_name_nothing(numbers):
    assert find(scan(NUMBERED), numbers) is None


def test_part_numbers_of_messages():
    root = scan(NUMBERED)
    assert find(root, ()) is root
    third = find(root, (3,))
    assert third is not None
    assert (third.main, third.message is not None) == ("message", True)
    simple = scan(b"Subject: x\r\n\r\nbody")
    assert find(simple, (1,)) is simple
    assert find(simple, (2,)) is None
    assert find(simple, (1, 1)) is None


@pytest.mark.parametrize("octets", [ALTERNATIVE, NUMBERED, nested(150), b"", MIXED])
def test_a_tree_survives_the_index(octets):
    root = scan(octets)
    assert load(dump(root)) == root


def test_a_dump_is_refused_when_it_is_none():
    with pytest.raises(ValueError):
        load(b"[]")
    with pytest.raises(ValueError):
        load(b"not JSON")


def test_a_map_reads_as_octets_do(tmp_path):
    (tmp_path / "letter").write_bytes(NUMBERED)
    with (tmp_path / "letter").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
        assert scan(octets) == scan(NUMBERED)

"""Any octets: the parsers of the message room never raise, and what they give is well-formed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from message.address import ascii_domain, parse_addresses
from message.headers import parse_headers
from message.markup import read_html
from message.parts import Part, dump, find, load, scan, walk
from message.summary import base_subject, parse_date, summarise
from message.text import decoded, part_text, searchable
from message.words import decode_charset, decode_parameters, decode_words, raw_parameters

# Pieces of mail, so that generated octets get past the first line of a parser.
PIECES = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00", b"\xff", b"\xc3\xa9", b":", b";", b",", b'"', b"<", b">", b"(", b")",
    b"@", b"[", b"]", b"\\", b"=", b"?", b"*", b"'", b"%", b"--", b"a", b"b", b"--b", b"--b--", b"--bb",
    b"\r\n\r\n", b"\r\n--b\r\n",
    b"\r\n--b--\r\n", b"Content-Type: ", b"multipart/mixed; boundary=b\r\n", b"multipart/digest; boundary=bb\r\n",
    b"message/rfc822\r\n", b"text/html; charset=utf-7\r\n", b"text/plain; name*0*=utf-8''%C3; name*1*=%A9\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Disposition: attachment; filename=x\r\n", b"Content-ID: <i>\r\n", b"Content-Language: fr\r\n",
    b"From: ", b"To: ", b"Cc: ", b"Sender: ", b"Subject: ", b"Date: ", b"References: ", b"Message-ID: ",
    b"A <a@b>", b"g: a@b;", b"=?utf-8?q?=C3=A9?=", b"=?utf-8?b?w6k=?=", b"=?utf-7?q?+2AA-?=", b"Re: ", b"[x]", b"(fwd)",
    b"Mon, 1 Jan 2024 00:00:00 +0100", b"<a href='x'>", b"<p hidden>", b"</p>", b"<!--", b"&#xD800;",
]  # fmt: skip
octets = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=5)), max_size=60).map(
        lambda pieces: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + b"".join(pieces)
    ),
)


def sound(text: str) -> None:
    """One line that may go into a header, a log and a database."""
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)
    text.encode("utf-8")


@settings(max_examples=300, deadline=None)
@given(octets)
def test_headers(message):
    block = parse_headers(message)
    assert 0 <= block.body_start <= len(message)
    ends = [0]
    for field in block.fields:
        assert ends[-1] <= field.start < field.value_start <= field.end <= block.body_start
        assert message[field.start : field.start + len(field.name)] == field.name
        assert b"\n" not in (block.first(field.name) or b"")
        sound(block.text(field.name))
        ends.append(field.end)


def nested(part: Part) -> None:
    assert part.header_start <= part.body_start <= part.end
    previous = part.body_start
    for child in part.children:
        assert previous <= child.header_start
        assert child.end <= part.end
        previous = child.end
    if part.message is not None:
        assert part.message.header_start == part.body_start
        assert part.message.end <= part.end
    assert bool(part.children) == (part.main == "multipart")


@settings(max_examples=600, deadline=None)
@given(octets)
def test_trees(message):
    root = scan(message)
    assert (root.header_start, root.end) == (0, len(message))
    for part in walk(root):
        nested(part)
    assert load(dump(root)) == root
    for number, child in enumerate(root.children, 1):
        assert find(root, (number,)) is child


@settings(max_examples=200, deadline=None)
@given(octets, st.integers(1, 4), st.integers(1, 6))
def test_limits_of_trees(message, depth, count):
    def height(part: Part) -> int:
        return 1 + max(map(height, [*part.children, *([part.message] if part.message else [])]), default=0)

    root = scan(message, max_depth=depth, max_parts=count)
    assert height(root) <= depth + 2  # a container at the limit may need its empty part
    for part in walk(root):
        nested(part)


@settings(max_examples=300, deadline=None)
@given(octets)
def test_summaries(message):
    facts = summarise(message)
    assert facts == summarise(message)
    for text in (facts.subject, facts.from_, facts.to, facts.cc, facts.bcc, facts.message_id, facts.references):
        sound(text)
    assert facts.fields == b"" or facts.fields.endswith(b"\n")
    assert facts.subject == "" or base_subject(facts.base_subject) == facts.base_subject


@settings(max_examples=300, deadline=None)
@given(octets)
def test_texts(message):
    root = scan(message)
    for part in walk(root):
        assert len(decoded(message, part, 20)) <= 20
        part_text(message, part, 1000).encode("utf-8")
    for text in searchable(message, root, 1000):
        text.encode("utf-8")


@settings(max_examples=300, deadline=None)
@given(octets)
def test_values(value):
    sound(decode_words(value))
    parse_date(value)
    for name, text in decode_parameters(raw_parameters(value)):
        sound(name)
        sound(text)
    for address in parse_addresses(value):
        sound(address.name + address.spec)
        ascii_domain(address.spec)


@settings(max_examples=300, deadline=None)
@given(
    octets, st.sampled_from(["utf-8", "utf-7", "utf-16", "utf-32", "iso-2022-kr", "hz-gb-2312", "big5", "idna", "zlib"])
)
def test_charsets(value, charset):
    decode_charset(value, charset).encode("utf-8")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), octets.map(lambda value: value.decode("latin-1"))))
def test_markup(source):
    page = read_html(source)
    assert len(page.text) + page.hidden <= 10 * len(source)

"""Purpose-made input: everything must end soon. The bounds are at least ten times what the work takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from message.address import ascii_domain, entries, parse_addresses
from message.headers import parse_headers
from message.markup import read_html
from message.parts import dump, load, scan, walk
from message.summary import summarise
from message.words import decode_parameters, decode_words, raw_parameters

MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
RFC822 = b"Content-Type: message/rfc822\r\n\r\n"


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


MESSAGES = {
    "100,000 parts": MIXED + b"--b\r\n\r\nx\r\n" * 100_000 + b"--b--",
    "5,000 nested multiparts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000)
    ),
    "5,000 nested multiparts of one boundary": (MIXED + b"--b\r\n") * 5000,
    "5,000 nested messages": RFC822 * 5000,
    "nested messages over a big body": RFC822 * 99 + b"line\r\n" * 500_000,
    "delimiters of nothing": MIXED + b"--x\r\n" * 200_000,
    "delimiters of nothing, half a line": MIXED + b"\n--" * 300_000,
    "parts without blank lines": MIXED + b"--b\r\nx: y\r\n" * 100_000,
    "one line of 4 MiB": MIXED + b"--b\r\n\r\n" + b"-" * (4 << 20),
    "a delimiter of 4 MiB": MIXED + b"--b" + b"b" * (4 << 20),
    "100,000 fields": b"A: b\r\n" * 100_000 + b"\r\n",
    "500,000 lines that are no fields": b"x\n" * 500_000,
    "a field of 500,000 lines": b"To: a\r\n" + b" \r\n" * 500_000 + b"\r\n",
    "1 MB of encoded words": b"Subject: " + b"=?utf-8?b?w6k=?= " * 60_000 + b"\r\n\r\n",
    "1 MB of beginnings of words": b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n\r\n",
    "100,000 addresses": b"To: " + b"a@b.example, " * 100_000 + b"\r\n\r\n",
    "100,000 addresses in fields": b"To: a@b.example, a@b.example\r\n" * 50_000 + b"\r\n",
    "100,000 parentheses": b"To: " + b"(" * 100_000 + b"\r\n\r\n",
    "100,000 angles": b"From: " + b"<" * 100_000 + b"\r\n\r\n",
    "20,000 parameter pieces": b"Content-Type: a/b" + b"".join(b"; x*%d=y" % n for n in range(20_000)) + b"\r\n\r\n",
    "20,000 parts with many parameters": MIXED + (b"--b\r\nContent-Type: a/b" + b"; x=y" * 200 + b"\r\n\r\n") * 20_000,
    "1 MB of brackets": b"Subject: " + b"[" * 500_000 + b"]" * 500_000 + b"\r\n\r\n",
    "1 MB of replies": b"Subject: " + b"Re: " * 250_000 + b"\r\n\r\n",
    "1 MB of references": b"References: " + b"<a@b> " * 150_000 + b"\r\n\r\n",
    "NUL and bare CR": b"\x00\r" * 500_000,
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message(name):
    octets = MESSAGES[name]
    with at_most(5):
        headers = parse_headers(octets)
        root = scan(octets, headers)
        facts = summarise(octets, headers, root)
        assert load(facts.parts) == root
    assert len(list(walk(root))) <= 1000


def test_work_grows_with_the_size_and_not_faster():
    def cost(lines: int) -> float:
        octets = MIXED + b"--x\r\n" * lines
        start = time.process_time()
        for _ in range(3):
            dump(scan(octets))
        return time.process_time() - start

    # Quadratic work would be 256 times as much.
    assert cost(160_000) < 100 * max(cost(10_000), 0.002)


PATTERNS = [
    b"(", b")", b'"', b"<", b">", b",", b":", b";", b"@", b"[", b"\\", b"a ", b"a@", b"=?", b"=?a?q?", b"=?a?q?x?= ",
    b"'", b"; a", b";a=b", b';a="', b"; ", b"a*0*=", b"%", b"=", b"\r\n ", b"\x00", b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_value(pattern):
    value = pattern * (256_000 // len(pattern))
    with at_most(5):
        list(entries(value, 10_000))
        parse_addresses(value)
        decode_words(value)
        decode_parameters(raw_parameters(b"a;" + value))
        ascii_domain(value.decode("latin-1"))


MARKUP = [
    "<", "<p>", "</p>", "<div>", "<a ", '<a "', "<a '", "<a =", '<a x="', "<a x= ", "<a href=x>", "<!--", "<!-", "--!",
    "<![CDATA[", "<?", "<script>", "<title>", "</title", "<option>", "<table><td>", "&", "&#", "&#1", "&#x", "&amp",
    '<p style="display:none">', '<p style="font-size:0">', '<p style="font:', "<b></p>", "=", "/", "<a/",
    "<svg><![CDATA[",
]  # fmt: skip


@pytest.mark.parametrize("pattern", MARKUP)
def test_markup(pattern):
    with at_most(10):
        read_html(pattern * (1_000_000 // len(pattern)))


@pytest.mark.parametrize(
    "source",
    [
        "<div>" + "".join(f"<font size={n}>" for n in range(64)) + "</div>" + "<p>x" * 100_000,
        "<a " + " ".join(f"a{n}=1" for n in range(100_000)) + ">",
        '<p style="opacity:' + " " * 500_000 + '">',
        '<p style="' + "display " * 100_000 + '">',
        '<p style="font-size:' + "1" * 500_000 + '">',
        "<select>" + "<option>" * 100_000,
    ],
)
def test_markup_that_blows_up_trees(source):
    with at_most(5):
        read_html(source)

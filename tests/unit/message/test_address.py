import pytest

from message.address import Address, Entry, ascii_domain, entries, parse_addresses, split, without_detail


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b"a@b.example", [("", "a@b.example")]),
        (b"Marie Curie <marie@Ecole.Example>", [("Marie Curie", "marie@ecole.example")]),
        (b'"Curie, Marie" <marie@x>, p@y', [("Curie, Marie", "marie@x"), ("", "p@y")]),
        (b"=?utf-8?q?H=C3=A9l=C3=A8ne?= <h@x>", [("Hélène", "h@x")]),
        ("Hélène <hélène@école.example>", [("Hélène", "hélène@école.example")]),
        (b"a@b (Jean (le grand) Petit)", [("Jean (le grand) Petit", "a@b")]),
        (b"Team: a@x, B <b@y>;, c@z", [("", "a@x"), ("B", "b@y"), ("", "c@z")]),
        (b"undisclosed-recipients:;", []),
        (b'"a b"@x', [("", "a b@x")]),
        (b'J <"a\\"b"@x>', [("J", 'a"b@x')]),
        (b"J <@r1,@r2:j@x>", [("J", "j@x")]),
        (b"<j (a) @ (b (c)) x>", [("", "j@x")]),
        (b'J <"a(b"@x>', [("J", "a(b@x")]),
        (b"<j(@x>", [("", "j")]),
        (b"user@[192.0.2.1]", [("", "user@[192.0.2.1]")]),
        (b"u <user@[IPv6:2001:db8::1]>", [("u", "user@[ipv6:2001:db8::1]")]),
        (b"a @ b", [("", "a@b")]),
        (b"a@x; b@y", [("", "a@x"), ("", "b@y")]),
        (b"root", [("", "root")]),
        (b",,,a@b,,", [("", "a@b")]),
        (b"J <j@x", [("J", "j@x")]),
        # CVE-2023-27043: the address is the one in angle brackets, whatever the phrase looks like
        (b"alice@good.example <mallory@bad.example>", [("alice@good.example", "mallory@bad.example")]),
        (b'"alice@good.example" <mallory@bad.example>', [("alice@good.example", "mallory@bad.example")]),
        (b"=?utf-8?q?a=0D=0ABcc=3A_x?= <j@x>", [("a Bcc: x", "j@x")]),
    ],
)
def test_lists(value, expected):
    assert [(address.name, address.spec) for address in parse_addresses(value)] == expected


def test_a_value_of_address_parts():
    assert parse_addresses(b"A <a@B>") == [Address("A", "a", "b")]


def test_group_markers_and_missing_domains_in_the_octet_form():
    assert list(entries(b"Team: a@x;, root", 10)) == [
        Entry(b"", b"Team", None),
        Entry(b"", b"a", b"x"),
        Entry(b"", None, None),
        Entry(b"", b"root", b""),
    ]


def test_a_source_route_is_told_apart():
    assert list(entries(b"<@r1,@r2:j@x>", 10)) == [Entry(b"", b"j", b"x", b"@r1,@r2")]


def test_an_unclosed_group_is_closed():
    assert list(entries(b"Team: a@x", 10))[-1] == Entry(b"", None, None)


def test_the_limit():
    assert len(parse_addresses(b"a@b," * 1000, 10)) == 10


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("Ecole.Example", "ecole.example"),
        ("École.example", "xn--cole-9oa.example"),
        ("straße.example", "xn--strae-oqa.example"),  # IDNA 2008 keeps the sharp s
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("é..x", "é..x"),
        ("é" * 300, "é" * 300),
    ],
)
def test_a_domain_in_a_labels(domain, expected):
    assert ascii_domain(domain) == expected


def test_split_and_detail():
    assert split("a@b@c") == ("a@b", "c")
    assert split("a") == ("a", "")
    assert without_detail("marie+ecole") == "marie"
    assert without_detail("marie") == "marie"
    assert without_detail("+x") == "+x"

import pytest

from message.words import decode_charset, decode_parameters, decode_words, joined_parameters, printable, raw_parameters


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        # RFC 2047 section 8
        (b"=?ISO-8859-1?Q?a?=", "a"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=    =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),  # RFC 2231 section 5
        (b"=?utf-8?B?w4ljb2xl?=", "École"),
        (b"=?utf-8?b?w4ljb2xl", "=?utf-8?b?w4ljb2xl"),
        (b"=?utf-8?b?w4ljb2x?=", "Écol"),  # padding missing
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),  # cut in the middle of a character
        (b"x =?utf-8?q?=C3=A9?= y", "x é y"),
        (b"=?zlib?b?eJw=?=", "xœ"),  # no charset: windows-1252
        (b"\xc3\xa9", "é"),
        (b"\xe9t\xe9", "été"),
        (b"caf\xe9", "café"),
        ("été ".encode() + b"\xc3", "été \ufffd"),
        (b"=?utf-8?q?a=0D=0ABcc:_x?=", "a Bcc: x"),
        (b"=?utf-8?q?a=00=1B[31m?=", "a[31m"),
        (b"=?utf-7?q?+2AA-?=", "\ufffd"),  # a lone surrogate
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
    ],
)
def test_encoded_words(value, text):
    assert decode_words(value) == text


def test_words_beyond_the_limit_stay_as_written():
    assert decode_words(b"=?utf-8?q?x?= " * 1001).strip() == "x" * 1000 + " =?utf-8?q?x?="


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        (b"\xe9\x80", "iso-8859-1", "é€"),
        (b"\xe9", "US-ASCII", "é"),
        ("é".encode(), "us-ascii", "é"),
        (b"a\xe9", "utf-8", "a\ufffd"),
        (b"\xa4", "iso-8859-15", "€"),
        (b"\xc4\xe3", "gb2312", "你"),
        (b"nop", "rot13", "nop"),
        (b"abc", "idna", "abc"),
        (b"abc", "undefined", "abc"),
        (b"616263", "hex", "616263"),
        (b"\x81", "no such charset", "\ufffd"),
        (b"\xff\xfea\x00", "utf-16", "a"),
    ],
)
def test_charsets_are_a_fixed_list(octets, charset, text):
    assert decode_charset(octets, charset) == text


def test_printable_is_one_line():
    assert printable("a\r\nb\u2028c\td\x00e\x7ff\x85g") == "a b c def g"


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        (b"text/plain", {}),
        (b"text/plain;", {}),
        (b"text/plain; charset=utf-8", {"charset": "utf-8"}),
        (b"text/plain; CHARSET = utf-8 ; format=flowed", {"charset": "utf-8", "format": "flowed"}),
        (b"text/plain; charset=us-ascii (Plain text)", {"charset": "us-ascii"}),  # RFC 2045 section 5.1
        (b'text/plain; name="a;b\\"c"; x=1', {"name": 'a;b"c', "x": "1"}),
        (b'text/plain; name="open; x=1', {"name": "open; x=1"}),
        (b"a; name=my file.pdf; x=1", {"name": "my file.pdf", "x": "1"}),
        (b"a; ;; x=1;;", {"x": "1"}),
        (b"a; x=1; X=2", {"x": "1"}),
        # RFC 2231 sections 3, 4 and 4.1
        (b'm; URL*0="ftp://"; URL*1="cs.utk.edu/x"', {"url": "ftp://cs.utk.edu/x"}),
        (b"a; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", {"title": "This is ***fun***"}),
        (
            b"a; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20;"
            b' title*2="isn\'t it!"',
            {"title": "This is even more ***fun*** isn't it!"},
        ),
        (b"a; f*=UTF-8''%C3%A9.pdf; f=e.pdf", {"f": "é.pdf"}),
        (b"a; f*0=a; f*2=c", {"f": "a"}),
        (b'a; f="=?utf-8?b?w6k=?="', {"f": "é"}),
        (b"a; f*=utf-8''a%0D%0Ab", {"f": "a b"}),
    ],
)
def test_parameters(value, parameters):
    assert dict(decode_parameters(raw_parameters(value))) == parameters


def test_parameters_have_a_limit():
    assert len(raw_parameters(b"a" + b"; b=c" * 1000)) == 100


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        (b"a; B=c; d*=utf-8''e", [(b"B", b"c"), (b"d*", b"utf-8''e")]),
        (b"a; f*0=x; f*1=y", [(b"f", b"xy")]),
        (b"a; f*1*=%20y; f*0*=utf-8''x; F*2=\" 100%\"", [(b"f*", b"utf-8''x%20y%20100%25")]),
        (b"a; f*0=x; f*2=z; g=h", [(b"g", b"h"), (b"f", b"x")]),
        (b"a; f*1=x", []),
    ],
)
def test_continued_parameters_are_joined(value, parameters):
    assert list(joined_parameters(raw_parameters(value))) == parameters

from __future__ import annotations

import pytest

from message.envelope import Notify
from smtp.wire.params import Mailbox, is_domain, parse_mail, parse_rcpt, to_xtext, xtext
from smtp.wire.reply import Refused


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        (b"<a@b.example>", "a@b.example"),
        (b" <a@b.example>", "a@b.example"),
        (b"<a.b+c@B.EXAMPLE>", "a.b+c@b.example"),
        (b"<Marie@b.example>", "Marie@b.example"),
        (b'<"marie"@b.example>', "marie@b.example"),
        (b'<"m\\arie"@b.example>', "marie@b.example"),
        (b'<"a b"@b.example>', '"a b"@b.example'),
        (b'<"a>b"@b.example>', '"a>b"@b.example'),
        (b'<"a\\"b"@b.example>', '"a\\"b"@b.example'),
        (b'<"a@c"@b.example>', '"a@c"@b.example'),
        (b"<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        (b"<a@[IPv6:2001:DB8::1]>", "a@[IPv6:2001:db8::1]"),
        (b"<a@under_score.example>", "a@under_score.example"),
        (b"<a@localhost>", "a@localhost"),
        (b"<" + b"a" * 64 + b"@b.example>", "a" * 64 + "@b.example"),
        (b"<a@" + b".".join([b"d" * 63] * 3) + b".example>", "a@" + ".".join(["d" * 63] * 3) + ".example"),
    ],
)
def test_paths_taken(path, spec):
    command = parse_mail(b"FROM:" + path)
    assert command.sender is not None
    assert command.sender.spec == spec
    assert parse_rcpt(b"to:" + path).recipient.spec == spec


def test_null_sender_and_bare_postmaster():
    assert parse_mail(b"FROM:<>").sender is None
    assert parse_mail(b"from:<> SIZE=10").size == 10
    assert parse_rcpt(b"TO:<PostMaster>").recipient == Mailbox("postmaster", "")
    assert parse_rcpt(b"TO:<postmaster@b.example>").recipient.domain == "b.example"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (b"", 501),
        (b"<", 501),
        (b"a@b.example", 501),
        (b"<a@b.example", 501),
        (b"a@b.example>", 501),
        (b"<a@b.example>x", 501),
        (b"<a@b.example>>", 501),
        (b"<<a@b.example>>", 501),
        (b"<a>", 501),
        (b"<@>", 550),
        (b"<a@>", 501),
        (b"<@b.example>", 550),
        (b"<a@b.example.>", 501),
        (b"<a@.example>", 501),
        (b"<a@b..example>", 501),
        (b"<a@-b.example>", 501),
        (b"<a@b-.example>", 501),
        (b"<a@b c.example>", 501),
        (b"<a b@c.example>", 501),
        (b"<.a@b.example>", 501),
        (b"<a.@b.example>", 501),
        (b"<a..b@b.example>", 501),
        (b"<a@c@b.example>", 501),
        (b'<"a@b.example>', 501),
        (b'<"a"b@b.example>', 501),
        (b'<"a\0"@b.example>', 501),
        (b"<a\0@b.example>", 501),
        (b"<a\t@b.example>", 501),
        (b"<a\x7f@b.example>", 501),
        (b"<a@[192.0.2.256]>", 501),
        (b"<a@[192.0.2.1>", 501),
        (b"<a@[x]>", 501),
        (b"<a@[IPv6:::1%eth0]>", 501),
        (b"<@us.example:u@far.example>", 550),
        (b"<@us.example,@b.example:u@far.example>", 550),
        (b"<\xc3\xa9@b.example>", 553),
        (b"<a@\xc3\xa9.example>", 553),
        (b"<" + b"a" * 65 + b"@b.example>", 501),
        (b"<a@" + b"d" * 64 + b".example>", 501),
        (b"<a@" + b"d." * 130 + b"example>", 501),
    ],
)
def test_paths_refused(path, code):
    for parse, keyword in ((parse_mail, b"FROM:"), (parse_rcpt, b"TO:")):
        with pytest.raises(Refused) as refused:
            parse(keyword + path)
        assert refused.value.reply.code == code
        assert refused.value.reply.status.startswith("5.")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (b"<\xff@b.example>", 501),
        ("<a\u202eb@b.example>".encode(), 501),
        ("<a\u0085@b.example>".encode(), 501),
        ("<a\u00a0b@b.example>".encode(), 501),
        ("<a\u2028@b.example>".encode(), 501),
    ],
)
def test_smtputf8_lets_no_invisible_characters_in(path, code):
    with pytest.raises(Refused) as refused:
        parse_mail(b"FROM:" + path + b" SMTPUTF8")
    assert refused.value.reply.code == code


def test_smtputf8_address():
    command = parse_mail("FROM:<hélène@école.example> SMTPUTF8".encode())
    assert command.smtputf8
    assert command.sender == Mailbox("hélène", "école.example")
    assert parse_rcpt("TO:<hélène@École.example>".encode(), smtputf8=True).recipient.domain == "école.example"


@pytest.mark.parametrize(
    ("parameters", "attribute", "value"),
    [
        (b"SIZE=0", "size", 0),
        (b"size=12345", "size", 12345),
        (b"SIZE=" + b"9" * 20, "size", 99999999999999999999),
        (b"BODY=8bitmime", "body", "8BITMIME"),
        (b"BODY=7BIT", "body", "7BIT"),
        (b"RET=full", "ret", "FULL"),
        (b"RET=HDRS", "ret", "HDRS"),
        (b"ENVID=QQ+2B+20x", "envid", "QQ+ x"),
        (b"  SIZE=1   RET=FULL ", "ret", "FULL"),
    ],
)
def test_mail_parameters(parameters, attribute, value):
    assert getattr(parse_mail(b"FROM:<> " + parameters), attribute) == value


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (b"SIZE", 501),
        (b"SIZE=", 501),
        (b"SIZE=-1", 501),
        (b"SIZE=1x", 501),
        (b"SIZE=" + b"9" * 21, 501),
        ("SIZE=١".encode(), 501),
        (b"SIZE=1 SIZE=2", 501),
        (b"SIZE=1 size=1", 501),
        (b"BODY=BINARYMIME", 555),
        (b"BODY=9BIT", 501),
        (b"BODY", 501),
        (b"SMTPUTF8=1", 501),
        (b"RET=SOME", 501),
        (b"ENVID=", 501),
        (b"ENVID=" + b"a" * 101, 501),
        (b"ENVID=a+0D+0Ab", 501),
        (b"ENVID=a+zz", 501),
        (b"ENVID=a+", 501),
        (b"ENVID=a=b", 501),
        (b"AUTH=<>", 555),
        (b"XCLIENT=1", 555),
        (b"HOLDFOR=9", 555),
        (b"=1", 501),
        (b"-A=1", 501),
        (b"A B", 555),
        (b"\xff", 501),
    ],
)
def test_mail_parameters_refused(parameters, code):
    with pytest.raises(Refused) as refused:
        parse_mail(b"FROM:<a@b.example> " + parameters)
    assert refused.value.reply.code == code


def test_auth_parameter_where_auth_is_offered():
    assert parse_mail(b"FROM:<> AUTH=<>", auth=True).sender is None
    assert parse_mail(b"FROM:<> AUTH=e+3Dmc2@example.com", auth=True).sender is None
    with pytest.raises(Refused):
        parse_mail(b"FROM:<> AUTH=a+0A", auth=True)


@pytest.mark.parametrize(
    ("parameters", "original", "notify"),
    [
        (b"", None, set()),
        (b"NOTIFY=NEVER", None, {Notify.NEVER}),
        (b"NOTIFY=success,FAILURE,delay", None, {Notify.SUCCESS, Notify.FAILURE, Notify.DELAY}),
        (b"ORCPT=rfc822;a+2Bb@c.example", "rfc822;a+b@c.example", set()),
        (rb"ORCPT=utf-8;h\x{E9}l\x{E8}ne@c.example", "utf-8;hélène@c.example", set()),
        ("ORCPT=utf-8;hélène@c.example".encode(), "utf-8;hélène@c.example", set()),
    ],
)
def test_rcpt_parameters(parameters, original, notify):
    command = parse_rcpt(b"TO:<a@b.example> " + parameters)
    assert command.original == original
    assert command.notify == notify


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (b"NOTIFY=", 501),
        (b"NOTIFY", 501),
        (b"NOTIFY=NEVER,DELAY", 501),
        (b"NOTIFY=DELAY,DELAY", 501),
        (b"NOTIFY=SOMETIMES", 501),
        (b"ORCPT=a@b", 501),
        (b"ORCPT=;a", 501),
        (b"ORCPT=rfc822;", 501),
        (b"ORCPT=rfc822;a+0D+0Ab", 501),
        (b"ORCPT=rfc822;a+00b", 501),
        (b"ORCPT=rf c822;a", 501),
        (rb"ORCPT=utf-8;\x{D800}", 501),
        (rb"ORCPT=utf-8;\x{110000}", 501),
        (rb"ORCPT=utf-8;\x{0A}", 501),
        (rb"ORCPT=utf-8;\x{202E}", 501),
        (b"ORCPT=rfc822;" + b"a" * 501, 501),
        (b"SIZE=1", 555),
        (b"NOTIFY=DELAY NOTIFY=DELAY", 501),
    ],
)
def test_rcpt_parameters_refused(parameters, code):
    with pytest.raises(Refused) as refused:
        parse_rcpt(b"TO:<a@b.example> " + parameters)
    assert refused.value.reply.code == code


@pytest.mark.parametrize("value", ["a+b=c d", "QQ314159", "~!#"])
def test_xtext_round_trip(value):
    assert xtext(to_xtext(value)) == value


def test_routed_local_parts():
    for local in ("u%far", "far!u", '"u@far"'):
        assert Mailbox(local, "us.example").routed
    assert not Mailbox("u.far+x", "us.example").routed


@pytest.mark.parametrize("domain", ["", ".", "a..b", "a.", "a" * 64, "é" * 40, "a b", "a/b"])
def test_no_domain(domain):
    assert not is_domain(domain)

from dataclasses import replace

from message.envelope import ClientInfo, Envelope, Recipient
from message.headers import parse_headers
from message.trace import received, return_path, rfc5322_date

ENVELOPE = Envelope(
    id="4f3a",
    sender="s@x.example",
    recipients=(Recipient("marie@ecole.example"),),
    client=ClientInfo("2001:db8::1", helo="mx.x.example", tls="TLSv1.3 TLS_AES_256_GCM_SHA384"),
    received_at=880127706.9,
)


def field(envelope: Envelope) -> str:
    return received(envelope, "mx.ecole.example", "ESMTPS").decode()


def test_dates():
    assert rfc5322_date(880127706.9) == "Fri, 21 Nov 1997 15:55:06 +0000"


def test_received():
    assert field(ENVELOPE) == (
        "Received: from mx.x.example ([IPv6:2001:db8::1])\r\n"
        "\tby mx.ecole.example with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        "\tid 4f3a\r\n"
        "\tfor <marie@ecole.example>;\r\n"
        "\tFri, 21 Nov 1997 15:55:06 +0000\r\n"
    )


def test_one_of_several_recipients_is_not_named():
    assert "marie" not in field(replace(ENVELOPE, recipients=(*ENVELOPE.recipients, Recipient("b@x"))))


def test_a_client_without_address_is_left_out():
    private = field(replace(ENVELOPE, client=ClientInfo("")))
    assert private.startswith("Received: by mx.ecole.example with ESMTPS\r\n")


def test_no_value_ends_the_field_or_its_comments():
    evil = "a)\r\nX-Evil: 1\r\n\r\n(;"
    envelope = replace(
        ENVELOPE, id=evil, recipients=(Recipient(evil),), client=ClientInfo("192.0.2.1", helo=evil, tls=evil)
    )
    octets = received(envelope, "mx.ecole.example", "ESMTPS")
    block = parse_headers(octets + b"\r\n")
    assert [entry.name for entry in block.fields] == [b"Received"]
    assert block.body_start == len(octets) + 2
    assert octets.count(b"(") == octets.count(b")")


def test_return_path():
    assert return_path("a@b") == b"Return-Path: <a@b>\r\n"
    assert return_path("") == b"Return-Path: <>\r\n"
    assert return_path("a@b>\r\nX: y") == b"Return-Path: <a@bX:y>\r\n"

import email
import email.policy
from email.message import EmailMessage

from message.compose import delivery_report, encode_words, plain
from message.headers import parse_headers
from message.words import decode_words

ORIGINAL = b"From: a@b\r\nSubject: \xc3\xa9\r\n\r\nbody\r\n"


def report(**changes: object) -> bytes:
    values = {
        "sender": "MAILER-DAEMON@mx.example",
        "sender_name": "Service de messagerie",
        "recipient": "marie@x.example",
        "subject": "Message non distribué",
        "text": "Votre message n'a pas été remis.\n\n<é@x>\n",
        "message_fields": [("Reporting-MTA", "dns; mx.example"), ("Arrival-Date", "x")],
        "recipient_fields": [
            [("Final-Recipient", "rfc822; p@y"), ("Action", "failed"), ("Status", "5.1.1")],
            [("Final-Recipient", "rfc822; q@y"), ("Action", "delayed"), ("Status", "4.4.1")],
        ],
        "original": ORIGINAL,
        "whole": True,
        "date": 0.0,
        "message_id": "1@mx.example",
    }
    return delivery_report(**{**values, **changes})  # type: ignore[arg-type]


def parsed(octets: bytes) -> EmailMessage:
    assert b"\n" not in octets.replace(b"\r\n", b"")
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_report_as_another_parser_reads_it():
    message = parsed(report())
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["subject"] == "Message non distribué"
    assert message["auto-submitted"] == "auto-replied"
    assert message["to"].addresses[0].addr_spec == "marie@x.example"
    text, status, original = message.iter_parts()
    assert text.get_content().splitlines() == ["Votre message n'a pas été remis.", "", "<é@x>"]
    assert status.get_content_type() == "message/delivery-status"
    groups = list(status.iter_parts())
    assert [group["action"] for group in groups] == [None, "failed", "delayed"]
    assert groups[0]["reporting-mta"] == "dns; mx.example"
    assert original.get_content_type() == "message/rfc822"
    assert ORIGINAL in report()


def test_headers_alone():
    octets = report(whole=False, original=b"From: a@b\r\n\r\n")
    assert [part.get_content_type() for part in parsed(octets).iter_parts()][2] == "text/rfc822-headers"


def test_no_value_adds_a_line():
    evil = "x\r\nX-Evil: 1\r\n\r\nbody\u2028X-Evil: 1"
    octets = report(
        sender=evil,
        sender_name=evil,
        recipient=evil,
        subject=evil,
        message_id=evil,
        message_fields=[("Original-Envelope-Id", evil)],
        recipient_fields=[[("Final-Recipient", evil), ("Diagnostic-Code", evil)]],
    )
    header = parse_headers(octets)
    assert {field.name for field in header.fields} == {
        b"Date", b"From", b"To", b"Subject", b"Message-ID", b"Auto-Submitted", b"MIME-Version", b"Content-Type",
    }  # fmt: skip
    assert b"\nX-Evil" not in octets


def test_an_international_address_makes_the_status_part_global():
    octets = report(recipient_fields=[[("Final-Recipient", "utf-8; é@y"), ("Diagnostic-Code", "smtp; é")]])
    assert b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n" in octets
    assert "Final-Recipient: utf-8; é@y\r\nDiagnostic-Code: smtp; ?\r\n".encode() in octets


def test_a_boundary_that_the_original_has_is_not_taken():
    boundary = parse_headers(report()).first(b"content-type") or b""
    inner = boundary.partition(b'"')[2].rstrip(b'"')
    message = parsed(report(original=ORIGINAL + b"--" + inner + b"--\r\n"))
    assert len(list(message.iter_parts())) == 3


def test_plain():
    octets = plain(
        sender="a@x",
        sender_name="Hélène",
        recipient="b@x",
        subject="s",
        text="été\n.\n" + "x" * 200,
        date=0.0,
        message_id="1@x",
    )
    message = parsed(octets)
    assert message["from"].addresses[0].display_name == "Hélène"
    assert message.get_content().splitlines() == ["été", ".", "x" * 200]
    assert max(map(len, octets.split(b"\r\n"))) <= 78


def test_encoded_words_are_short_and_whole():
    text = "é€😀" * 60
    lines = encode_words(text).split("\r\n ")
    assert max(map(len, lines)) <= 75
    assert decode_words("\r\n ".join(lines).encode().replace(b"\r\n", b"")) == text
    assert encode_words("plain") == "plain"

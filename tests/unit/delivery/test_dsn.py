"""Delivery status notifications."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from config.settings import Queue, Site
from delivery.dsn import Action, Reported, ReportWriter
from delivery.queue.model import Outgoing
from message.content import MemoryContent
from message.envelope import Notify

NOW = 1_700_000_000.0
ORIGINAL = b"From: marie@ici.example\r\nSubject: devoirs\r\n\r\nle corps\r\n"
FAILED = Reported("a@x.example", None, Action.FAILED, "5.1.1", "no such user", "mx.x.example", 550)


def write(
    *recipients: Reported,
    language: str = "fr",
    sender: str = "marie@ici.example",
    original: bytes = ORIGINAL,
    ret: str | None = None,
    envid: str | None = None,
) -> Outgoing | None:
    writer = ReportWriter(Site(hostname="mx.ici.example", language=language), Queue())
    return writer.write(
        message_id="m1",
        sender=sender,
        envid=envid,
        ret=ret,
        arrived_at=NOW - 100,
        now=NOW,
        recipients=recipients,
        original=MemoryContent(original),
        retry_until=NOW + 1000,
    )


def parsed(outgoing: Outgoing | None) -> EmailMessage:
    assert outgoing is not None
    message = message_from_bytes(bytes(outgoing.content.buffer()), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def status(message: EmailMessage) -> list[EmailMessage]:
    part = list(message.iter_parts())[1]
    assert part.get_content_type() == "message/delivery-status"
    return list(part.get_payload())


def text(message: EmailMessage) -> str:
    found = next(iter(message.iter_parts())).get_content()
    assert isinstance(found, str)
    return found


def test_the_envelope_of_a_report():
    outgoing = write(FAILED)
    assert outgoing is not None
    assert outgoing.sender == ""
    assert [one.address for one in outgoing.recipients] == ["marie@ici.example"]
    assert outgoing.recipients[0].notify == {Notify.NEVER}


def test_the_parts_of_a_report():
    message = parsed(write(FAILED, envid="e 1"))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["To"] == "marie@ici.example"
    about, recipient = status(message)
    assert about["Reporting-MTA"] == "dns; mx.ici.example"
    assert about["Original-Envelope-Id"] == "e 1"
    assert recipient["Final-Recipient"] == "rfc822; a@x.example"
    assert recipient["Action"] == "failed"
    assert recipient["Status"] == "5.1.1"
    assert recipient["Remote-MTA"] == "dns; mx.x.example"
    assert recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert "Will-Retry-Until" not in recipient


def test_people_read_french_and_english():
    message = parsed(write(FAILED))
    words = text(message)
    assert words.index("n'a pas pu être remis") < words.index("could not be delivered")
    assert "a@x.example" in words
    assert "no such user" in words
    english = text(parsed(write(FAILED, language="en")))
    assert english.index("could not be delivered") < english.index("n'a pas pu être remis")


def test_nobody_hears_of_nothing():
    assert write() is None
    assert write(FAILED, sender="") is None


@pytest.mark.parametrize(
    ("action", "ret", "size", "whole"),
    [
        (Action.FAILED, None, 10, True),
        (Action.FAILED, "FULL", 10, True),
        (Action.FAILED, "HDRS", 10, False),
        (Action.FAILED, "FULL", 100_000, False),
        (Action.DELAYED, "FULL", 10, False),
        (Action.DELIVERED, None, 10, False),
    ],
)
def test_how_much_of_the_original_comes_back(action: Action, ret: str | None, size: int, whole: bool):
    original = ORIGINAL + b"0123456\r\n" * (size // 9)
    outgoing = write(Reported("a@x.example", None, action, "5.0.0"), ret=ret, original=original)
    last = list(parsed(outgoing).iter_parts())[-1]
    assert last.get_content_type() == ("message/rfc822" if whole else "text/rfc822-headers")
    octets = bytes(outgoing.content.buffer()) if outgoing is not None else b""
    assert b"Subject: devoirs" in octets
    assert (b"le corps" in octets) == whole


def test_giant_headers_are_cut():
    outgoing = write(FAILED, original=b"From: m@ici.example\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", ret="HDRS")
    assert outgoing is not None
    assert outgoing.content.size < 60_000


def test_values_of_strangers_stay_on_their_line():
    evil = Reported(
        "a@x.example\r\nAction: relayed",
        "rfc822;x\r\n\r\nBcc: y",
        Action.FAILED,
        "5.0.0\r\nX: y",
        "words\r\nStatus: 2.0.0\x00" + "long" * 10_000,
        "mx\r\nX: y",
        550,
    )
    message = parsed(write(evil, envid="e\r\nX: y"))
    about, recipient = status(message)
    assert "X" not in about
    assert "X" not in recipient
    assert recipient["Action"] == "failed"
    assert len(status(message)) == 2
    assert len(recipient["Diagnostic-Code"]) < 1000


def test_several_recipients_in_one_report_and_the_gravest_in_the_subject():
    delayed = Reported("b@x.example", "rfc822;orig@ici.example", Action.DELAYED, "4.0.0", "busy", "mx", 451)
    message = parsed(write(delayed, FAILED))
    _, first, second = status(message)
    assert first["Will-Retry-Until"]
    assert first["Original-Recipient"] == "rfc822;orig@ici.example"
    assert second["Action"] == "failed"
    assert message["Subject"].startswith("Message non remis")


def test_addresses_beyond_ascii():
    outgoing = write(Reported("zoé@x.example", None, Action.FAILED, "5.6.7"), sender="rené@ici.example")
    assert outgoing is not None
    assert outgoing.smtputf8
    assert "utf-8; zoé@x.example".encode() in outgoing.content.buffer()


def test_a_body_that_is_gone_does_not_silence_the_report():
    class Gone(MemoryContent):
        def blocks(self):
            raise FileNotFoundError

        def buffer(self):
            raise FileNotFoundError

    writer = ReportWriter(Site(hostname="mx.ici.example"), Queue())
    outgoing = writer.write(
        message_id="m1",
        sender="marie@ici.example",
        envid=None,
        ret=None,
        arrived_at=NOW,
        now=NOW,
        recipients=[FAILED],
        original=Gone(b"x"),
    )
    assert status(parsed(outgoing))[1]["Action"] == "failed"

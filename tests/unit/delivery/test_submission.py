"""Mail from our users: rights, repairs, signature, near and far."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from delivery.outcome import Dispositions
from delivery.submission import SubmissionPipeline, claimed
from message.content import Content, MemoryContent
from message.envelope import ClientInfo, Notify, Recipient
from message.headers import parse_headers
from storage.errors import Unavailable
from tests.fakes.post_office import MARIE, PAUL, PostOffice, envelope, letter, outcomes

CLIENT = ClientInfo("203.0.113.77", 5555, "laptop.home.example", tls="TLSv1.3 X", account=MARIE.key)


class Signs:
    """Signs by telling how many octets it was given."""

    def __init__(self) -> None:
        self.signed: list[tuple[bytes, str]] = []

    def sign(self, octets: bytes, domain: str) -> bytes:
        self.signed.append((octets, domain))
        return b"DKIM-Signature: d=" + domain.encode() + b"\r\n"


class Office(PostOffice):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.signs = Signs()
        self.submission = SubmissionPipeline(self.store, self.people, self.signs, self.queue, self.settings)

    def submit(
        self,
        *recipients: str | Recipient,
        content: Content | None = None,
        sender: str = "marie@ici.example",
        **more: Any,
    ) -> Dispositions:
        return self.submission.accept(
            envelope(*recipients, sender=sender, client=CLIENT, **more),
            content or letter(author="Marie <marie@ici.example>"),
            MARIE,
        )


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


# ------------------------------------------------------------ near and far


def test_near_and_far_recipients_are_kept_together(office: Office):
    result = office.submit("paul@ici.example", "anna@far.example", "b@other.example")
    assert outcomes(result.each) == [
        ("paul@ici.example", "KEPT", "DELIVERED"),
        ("anna@far.example", "KEPT", "QUEUED"),
        ("b@other.example", "KEPT", "QUEUED"),
    ]
    (near,) = office.mail(PAUL)
    assert near.startswith(b"Return-Path: <marie@ici.example>\r\nReceived:")
    assert b'Authentication-Results: mx.ici.example;\r\n\tauth=pass smtp.auth="marie@ici.example"\r\n' in near
    assert b"DKIM-Signature" not in near
    office.work()
    far = dict(office.relay.sent)
    assert far.keys() == {"anna@far.example", "b@other.example"}
    assert b"Return-Path" not in far["anna@far.example"]
    assert b"smtp.auth" not in far["anna@far.example"]


def test_what_is_signed_is_what_is_queued(office: Office):
    office.submit("anna@far.example", content=letter(author="marie@ici.example", body="a\nb\r\n"))
    office.work()
    ((_, octets),) = office.relay.sent
    ((signed, domain),) = office.signs.signed
    assert domain == "ici.example"
    assert octets.endswith(b"DKIM-Signature: d=ici.example\r\n" + signed)
    assert b"a\r\nb\r\n" in signed


def test_where_the_user_sits_is_not_told(office: Office):
    office.submit("paul@ici.example", "anna@far.example")
    office.work()
    for octets in (*office.mail(PAUL), office.relay.sent[0][1]):
        assert b"203.0.113.77" not in octets
        assert b"laptop.home.example" not in octets
        assert b"by mx.ici.example" in octets


def test_an_unknown_local_recipient_is_refused_alone(office: Office):
    result = office.submit("ghost@ici.example", "paul@ici.example")
    assert [one[1:] for one in outcomes(result.each)] == [("REFUSED", "UNKNOWN_RECIPIENT"), ("KEPT", "DELIVERED")]
    office.work()
    (report,) = office.mail(MARIE)
    assert b"Final-Recipient: rfc822; ghost@ici.example" in report


def test_a_full_colleague_is_told_to_the_sender(office: Office):
    office.store.set_quota(office.store.open_account(PAUL.key), 10, None)
    result = office.submit("paul@ici.example", "marie@ici.example")
    assert [one[1:] for one in outcomes(result.each)] == [("LATER", "OVER_QUOTA"), ("KEPT", "DELIVERED")]
    office.work()
    message, report = office.mail(MARIE)
    assert b"auth=pass" in message
    assert b"Status: 5.2.2" in report


def test_delivery_is_reported_when_asked(office: Office):
    office.submit(Recipient("paul@ici.example", notify=frozenset({Notify.SUCCESS})))
    office.work()
    (report,) = office.mail(MARIE)
    assert b"Action: delivered" in report


def test_a_store_that_is_away_keeps_nothing(office: Office, monkeypatch: pytest.MonkeyPatch):
    def fail(*arguments: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(office.store, "deliver", fail)
    result = office.submit("paul@ici.example", "anna@far.example")
    assert [one[1:] for one in outcomes(result.each)] == [("LATER", "UNAVAILABLE")] * 2
    assert office.queue.depth() == 0


# ------------------------------------------------------------ rights


@pytest.mark.parametrize(
    ("sender", "allowed"),
    [
        ("marie@ici.example", True),
        ("M.Curie@ICI.example", True),
        ("marie+school@ici.example", True),
        ("", True),
        ("paul@ici.example", False),
        ("marie@far.example", False),
        ("marie@ici.example.evil.example", False),
    ],
)
def test_reverse_paths(office: Office, sender: str, allowed: bool):
    assert office.submission.may_send(MARIE, sender) is allowed
    result = office.submit("paul@ici.example", sender=sender)
    assert (result.each[0].fate.name == "KEPT") is allowed


@pytest.mark.parametrize(
    "head",
    [
        "From: marie@ici.example",
        "From: Marie <MARIE@Ici.Example>",
        'From: "Curie, Marie (paul@ici.example)" <marie@ici.example>',
        "From: (paul@ici.example) marie@ici.example",
        "From:\r\n marie@ici.example",
        "from : marie@ici.example",
        "From: us: marie@ici.example, m.curie@ici.example;\r\nSender: marie@ici.example",
        "From: marie@ici.example <marie@ici.example>",
        "From: =?utf-8?q?Ren=C3=A9e?= <marie+x@ici.example>",
        "From: marie@ici.example\r\nReply-To: paul@ici.example",
    ],
)
def test_senders_of_ones_own(office: Office, head: str):
    assert office.submit("paul@ici.example", content=MemoryContent(f"{head}\r\n\r\nx\r\n".encode())).whole is None
    assert len(office.mail(PAUL)) == 1


@pytest.mark.parametrize(
    "head",
    [
        "From: paul@ici.example",
        "From: Marie <marie@ici.example> <paul@ici.example>",
        "From:\r\n\tpaul@ici.example",
        "From : paul@ici.example",
        "From: marie@ici.example, paul@ici.example",
        "From: us: marie@ici.example, paul@ici.example;",
        "From: us: paul@ici.example;, marie@ici.example",
        "From: paul@ici.example (marie@ici.example)",
        'From: "marie@ici.example" <paul@ici.example>',
        'From: "marie@ici.example"@far.example',
        "From: paul@ici.example marie@ici.example",
        "From: (a (nested) comment) paul@ici.example (x",
        "From: marie@ici.example\r\nSender: paul@ici.example",
        "From: marie@ici.example\r\nResent-From: paul@ici.example",
        "From: marie@ici.example\r\nRESENT-SENDER : paul@ici.example",
        "Resent-From: marie@ici.example\r\nFrom: marie@ici.example\r\nResent-From: paul@ici.example",
        "From: marie@ici.example\r\nX: y\rSender: paul@ici.example",
        "From: marie@ici.example\nSender: paul@ici.example",
        "From: paul",
    ],
)
def test_senders_that_are_somebody_else(office: Office, head: str):
    result = office.submit("paul@ici.example", content=MemoryContent(f"{head}\r\n\r\nx\r\n".encode()))
    assert result.whole is not None
    assert (result.whole.fate.name, result.whole.reason.name) == ("REFUSED", "NOT_SENDER")
    assert "paul" in result.whole.text or "far.example" in result.whole.text
    assert office.everything() == 0


@pytest.mark.parametrize(
    "head",
    [
        "Subject: nobody",
        "From: marie@ici.example\r\nFrom: marie@ici.example",
        "From: marie@ici.example\r\nFrom: paul@ici.example",
        "From: ",
        "From: marie@ici.example, " + "x" * 40_000,
        "From: marie@ici.example\r\nX: " + "y" * 300_000,
    ],
)
def test_headers_that_cannot_be_checked_are_refused(office: Office, head: str):
    result = office.submit("paul@ici.example", content=MemoryContent(f"{head}\r\n\r\nx\r\n".encode()))
    assert result.whole is not None
    assert (result.whole.fate.name, result.whole.reason.name) == ("REFUSED", "BAD_HEADER")
    assert office.everything() == 0


@pytest.mark.parametrize("value", [b"(" * 30_000, b"()" * 15_000, b'"' * 30_000, b"a@" * 15_000, b"\\" * 30_000])
def test_hostile_sender_fields_are_read_in_bounded_time(value: bytes):
    started = time.process_time()
    list(claimed(parse_headers(b"From: " + value + b"\r\n\r\n")))
    assert time.process_time() - started < 2


# ------------------------------------------------------------ repairs


def finished(office: Office, octets: bytes) -> bytes:
    assert office.submit("anna@far.example", content=MemoryContent(octets)).whole is None
    office.work()
    return office.relay.sent[-1][1]


def test_missing_fields_are_added(office: Office):
    octets = finished(office, b"From: marie@ici.example\r\n\r\nbody\r\n")
    headers = parse_headers(octets)
    assert len(headers.named(b"Date")) == 1
    assert (headers.first(b"Message-ID") or b"").endswith(b"@ici.example>")
    assert headers.named(b"MIME-Version") == []


def test_present_fields_are_left_alone(office: Office):
    octets = finished(office, bytes(letter(author="marie@ici.example").buffer()))
    headers = parse_headers(octets)
    assert headers.all(b"Message-ID") == [b"<x@far.example>"]
    assert headers.all(b"Date") == [b"Tue, 14 Nov 2023 22:13:20 +0000"]


def test_eight_bit_text_without_mime_gets_a_version(office: Office):
    octets = finished(office, "From: marie@ici.example\r\n\r\nété\r\n".encode())
    assert parse_headers(octets).all(b"MIME-Version") == [b"1.0"]
    assert len(office.queue.entries()) == 0


def test_blind_copies_stay_blind(office: Office):
    head = b"Bcc: secret@far.example\r\nbcc :\r\n hidden@far.example\r\nResent-Bcc: third@far.example\r\n"
    octets = finished(office, head + b"From: marie@ici.example\r\nSubject: kept\r\n\r\nBcc: in the body\r\n")
    for word in (b"secret", b"hidden", b"third"):
        assert word not in octets
    assert b"Subject: kept\r\n\r\nBcc: in the body\r\n" in octets


def test_fields_in_our_name_are_cut_out(office: Office):
    octets = finished(
        office,
        b"X-Spam-Status: No\r\nAuthentication-Results: mx.ici.example; auth=pass\r\nReturn-Path: <x>\r\n"
        b"From: marie@ici.example\r\n\r\nbody\r\n",
    )
    for name in (b"X-Spam", b"Authentication-Results", b"Return-Path"):
        assert name not in octets

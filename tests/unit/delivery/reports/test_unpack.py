"""What a report speaks of, as mail programs write reports."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

from hypothesis import given
from hypothesis import strategies as st

from delivery.reports.unpack import MOST, Subject, subjects

ORIGINAL = b"From: eve@far.example\r\nMessage-ID: <1@far.example>\r\nSubject: x\r\n\r\nVotre boite\r\n"


def report(*attached: bytes, text: str = "Voici.") -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "marie@ici.example"
    mail.set_content(text)
    for octets in attached:
        part = EmailMessage(policy=SMTP)
        part["Content-Type"] = "message/rfc822"
        part["Content-Disposition"] = "attachment"
        part.set_payload(octets.decode())
        mail.make_mixed()
        mail.attach(part)
    return mail


def raw(*attached: bytes) -> bytes:
    """As Thunderbird writes it: the octets of the messages as they are."""
    parts = b"".join(b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + one + b"\r\n" for one in attached)
    return b'From: m@ici.example\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + parts + b"--b--\r\n"


def test_attached_messages_octet_by_octet() -> None:
    other = ORIGINAL.replace(b"<1@", b"<2@")
    assert subjects(raw(ORIGINAL, other, ORIGINAL)) == [
        Subject("<1@far.example>", ORIGINAL),
        Subject("<2@far.example>", other),
    ]


def test_what_is_attached_to_the_attached_is_not_reported() -> None:
    inner = raw(ORIGINAL).replace(b'"b"', b'"c"').replace(b"--b", b"--c")
    assert [one.message_id for one in subjects(raw(inner))] == [""]


def test_a_file_named_eml() -> None:
    mail = EmailMessage(policy=SMTP)
    mail.set_content("Voici.")
    mail.add_attachment(ORIGINAL, maintype="application", subtype="octet-stream", filename="message.EML")
    assert subjects(mail.as_bytes()) == [Subject("<1@far.example>", ORIGINAL)]


def test_forwarded_inline_as_ios_does() -> None:
    mail = report(text="Début du message réexpédié :\n\nDe: Eve\n")
    mail["References"] = "<0@far.example> <1@far.example>"
    assert subjects(mail.as_bytes()) == [Subject("<1@far.example>")]


def test_an_id_in_the_text() -> None:
    mail = report(text="En-têtes :\nMessage-ID: <1@far.example>\n")
    assert subjects(mail.as_bytes()) == [Subject("<1@far.example>")]
    html = EmailMessage(policy=SMTP)
    html.set_content("<p>Message-Id: &lt;3@far.example&gt;</p>", subtype="html")
    assert subjects(html.as_bytes()) == [Subject("<3@far.example>")]


def test_a_report_of_nothing_and_one_of_very_much() -> None:
    assert subjects(report().as_bytes()) == []
    many = [ORIGINAL.replace(b"<1@", b"<%d@" % n) for n in range(MOST + 5)]
    assert len(subjects(raw(*many))) == MOST


@given(st.binary())
def test_any_octets_can_be_a_report(octets: bytes) -> None:
    subjects(octets)
    subjects(raw(octets))

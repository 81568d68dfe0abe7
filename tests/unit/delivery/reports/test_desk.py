"""A report from the submission port to the filter, the Junk folder, thanks and the hotline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Settings, Spam
from delivery.filing import Filer
from delivery.learning import Learning
from delivery.reports.desk import ReportDesk
from delivery.reports.hotline import INTERVAL, Hotline
from delivery.reports.log import Kind, note_report, report_of, reports_since
from delivery.submission import SubmissionPipeline
from directory.model import Account
from message.content import Buffer, MemoryContent
from storage.model import FlagChange, NewMessage
from tests.fakes.post_office import LUC, MARIE, NOW, PAUL, PostOffice, envelope, outcomes

PHISH = b"From: Eve <eve@far.example>\r\nMessage-ID: <1@far.example>\r\nSubject: Votre boite\r\n\r\nCliquez\r\n"


class Pupil:
    def __init__(self) -> None:
        self.lessons: list[tuple[bytes, bool, str | None]] = []
        self.error: Exception | None = None

    def learn(self, buffer: Buffer, *, spam: bool, account: str | None) -> bool:
        if self.error is not None:
            raise self.error
        lesson = bytes(buffer), spam, account
        new = lesson not in self.lessons
        self.lessons += [lesson] * new
        return new


class Office(PostOffice):
    """luc@ici.example is the address for phishing, paul@ici.example for what was no spam."""

    def __post_init__(self) -> None:
        super().__post_init__()
        spam = Spam(report_phishing="luc@ici.example", report_ham="paul@ici.example", hotline="secours@far.example")
        self.settings = Settings(site=self.settings.site, spam=spam)
        self.pupil = Pupil()
        self.people.by_key = {one.key: one for one in (MARIE, PAUL, LUC)}.get  # type: ignore[attr-defined]
        self.submission = SubmissionPipeline(self.store, self.people, None, self.queue, self.settings)
        self.desk = ReportDesk(self.database, self.store, self.people, self.pupil, self.settings)  # type: ignore[arg-type]
        filer = Filer(self.store, self.queue, self.reports, self.settings.site, lambda: None)
        self.hotline = Hotline(self.database, filer, self.people, self.settings)
        self.marie = self.store.open_account(MARIE.key)

    def receive(self, octets: bytes = PHISH, box: str = "INBOX") -> int:
        mailbox = self.store.mailbox(self.marie, box)
        return self.store.append(self.marie, mailbox.id, [NewMessage(MemoryContent(octets))])[0]

    def report(self, *attached: bytes, to: str = "luc@ici.example", name: str = "r1", more: bytes = b"") -> None:
        parts = b"".join(b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + one + b"\r\n" for one in attached)
        octets = (
            b"From: marie@ici.example\r\nSubject: Signalement\r\n" + more + b"Content-Type: multipart/mixed; "
            b'boundary="b"\r\n\r\n--b\r\n\r\nVoici.\r\n' + parts + b"--b--\r\n"
        )
        sent = replace(envelope(to, sender="marie@ici.example"), id=name)
        assert outcomes(self.submission.accept(sent, MemoryContent(octets), MARIE).each)[0][1] == "KEPT"

    def keywords(self, box: str) -> list[tuple[str, ...]]:
        return [row.keywords for row in self.store.view(self.marie, self.store.mailbox(self.marie, box).id).rows]

    def noted(self) -> list[tuple[str, Kind, str, str]]:
        with self.database.read() as connection:
            return [(one.account, one.kind, one.via, one.subject) for one in reports_since(connection, 0)]

    def thanks(self, account: Account = MARIE) -> list[bytes]:
        return [octets for octets in self.mail(account) if b"Subject: Merci de votre signalement" in octets]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


def test_the_original_is_marked_moved_and_taught(office: Office) -> None:
    office.receive()
    office.report(PHISH)
    assert [office.desk.catch_up(NOW) for _ in "ab"] == [1, 0]
    assert office.keywords("Junk") == [("$Junk", "$Phishing")]
    assert PHISH not in office.mail(MARIE)
    assert office.pupil.lessons == [(PHISH, True, MARIE.key)]
    assert office.noted() == [(MARIE.key, Kind.PHISHING, "mail", "Votre boite")]
    assert len(office.thanks()) == 1


def test_an_original_that_is_only_named_is_found(office: Office) -> None:
    office.receive()
    office.report(more=b"References: <0@x.example> <1@far.example>\r\n")
    assert office.desk.catch_up(NOW) == 1
    assert office.keywords("Junk") == [("$Junk", "$Phishing")]


def test_what_the_reporter_no_longer_has_is_taught_as_attached(office: Office) -> None:
    office.report(PHISH, PHISH.replace(b"<1@", b"<2@"))
    assert office.desk.catch_up(NOW) == 2
    assert len(office.pupil.lessons) == 2
    assert office.keywords("Junk") == []


def test_nobody_elses_mail_is_touched(office: Office) -> None:
    paul = office.store.open_account(PAUL.key)
    office.store.append(paul, office.store.mailbox(paul, "INBOX").id, [NewMessage(MemoryContent(PHISH))])
    office.report(PHISH)
    office.desk.catch_up(NOW)
    assert PHISH in office.mail(PAUL)


def test_thanks_once_a_day_and_counted_once(office: Office) -> None:
    for n in range(3):
        office.report(PHISH, name=f"r{n}")
    assert office.desk.catch_up(NOW) == 3
    assert len(office.thanks()) == 1
    assert len(office.noted()) == 1
    office.report(PHISH.replace(b"<1@", b"<9@"), name="later")
    office.desk.catch_up(NOW + 90_000)
    assert len(office.thanks()) == 2


def test_mail_that_was_no_spam_comes_back(office: Office) -> None:
    uid = office.receive(box="Junk")
    junk = office.store.mailbox(office.marie, "Junk").id
    office.store.store_flags(office.marie, junk, [uid], FlagChange.ADD, 0, ("$Junk", "$Phishing"))
    office.report(PHISH, to="paul@ici.example")
    assert office.desk.catch_up(NOW) == 1
    assert ("$NotJunk",) in office.keywords("INBOX")
    assert office.pupil.lessons == [(PHISH, False, MARIE.key)]


def test_what_is_said_last_counts(office: Office) -> None:
    with office.database.write() as connection:
        one = report_of(PHISH, MARIE.key, Kind.PHISHING, "mail", NOW)
        said = [note_report(connection, one), note_report(connection, one)]
        said.append(note_report(connection, replace(one, kind=Kind.HAM)))
    assert said == [True, False, True]
    assert [kind for _, kind, _, _ in office.noted()] == [Kind.HAM]


def test_mail_from_outside_is_no_report(office: Office) -> None:
    number = office.store.open_account(LUC.key)
    office.store.append(number, office.store.mailbox(number, "INBOX").id, [NewMessage(MemoryContent(PHISH))])
    assert office.desk.catch_up(NOW) == 0
    assert office.noted() == []


def test_one_that_fails_does_not_keep_the_next(office: Office) -> None:
    office.pupil.error = RuntimeError("no")
    office.report(PHISH)
    assert office.desk.catch_up(NOW) == 0
    office.pupil.error = None
    office.report(PHISH, name="r2")
    assert office.desk.catch_up(NOW) == 1


def test_a_keyword_set_by_a_person_is_a_report(office: Office) -> None:
    uid = office.receive()
    inbox = office.store.mailbox(office.marie, "INBOX").id
    for change in (FlagChange.ADD, FlagChange.ADD, FlagChange.REMOVE):
        office.store.store_flags(office.marie, inbox, [uid], change, 0, ("$PHISHING",))
    learning = Learning(office.database, office.store, office.pupil, office.settings.spam)
    assert learning.catch_up() == 1
    assert office.pupil.lessons == [(PHISH, True, MARIE.key)]
    assert office.noted() == [(MARIE.key, Kind.PHISHING, "keyword", "Votre boite")]
    assert office.store.events_after(0, 10)[0].source_use is None


def test_the_hotline_hears_once_an_hour(office: Office) -> None:
    office.report(PHISH)
    office.desk.catch_up(NOW)
    assert [office.hotline.catch_up(NOW), office.hotline.catch_up(NOW + 10)] == [1, 0]
    office.report(PHISH.replace(b"<1@", b"<2@"), name="r2")
    office.desk.catch_up(NOW + 20)
    assert office.hotline.catch_up(NOW + INTERVAL - 1) == 0
    assert office.hotline.catch_up(NOW + INTERVAL) == 1
    office.clock = NOW + INTERVAL + 1
    office.work(lambda: len(office.relay.sent) == 2)
    (address, octets), _ = office.relay.sent
    assert address == "secours@far.example"
    assert b"Signalements" in octets
    assert b'"kind": "phishing"' in octets.replace(b"=\r\n", b"").replace(b"=22", b'"')

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from config.settings import Spam
from delivery.inbound import InboundPipeline
from delivery.judging import Case
from delivery.policy import ENCRYPTED, MACROS, PROGRAMS
from delivery.stripping import wanted_out
from message.content import MemoryContent
from spamfilter.filter import SpamFilter
from spamfilter.model import Knowledge, blank
from spamfilter.rules.attachments import OF_ONE_FILE
from spamfilter.verdict import Action, Hit, Verdict
from storage.errors import Unavailable
from storage.held import HeldMail
from tests.fakes.post_office import MARIE, PostOffice, envelope, letter, outcomes
from tests.unit.message.test_cut import made


class NoModel:
    def knowledge(self) -> Knowledge:
        return blank()


class Judge:
    def judge(self, case: Case) -> Verdict:
        return case.judged_by(SpamFilter(Spam(junk_from=60), NoModel()))


class Office(PostOffice):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.policy(programs="strip")

    def policy(self, **spam: Any) -> None:
        settings = replace(self.settings, spam=replace(self.settings.spam, **spam))
        self.inbound = InboundPipeline(self.store, self.people, None, Judge(), self.queue, settings)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


def test_every_symbol_of_policy_can_be_placed() -> None:
    assert OF_ONE_FILE.keys() == PROGRAMS | ENCRYPTED | MACROS


def test_the_file_goes_and_the_whole_message_is_held(office: Office) -> None:
    mail = made("outil.exe", "menu.pdf")
    result = office.inbound.accept(envelope("marie@ici.example"), MemoryContent(mail))
    assert outcomes(result.each) == [("marie@ici.example", "KEPT", "DELIVERED")]
    [shown] = office.mail(MARIE)
    held = HeldMail(office.database, office.store)
    number = office.store.open_account(MARIE.key)
    [whole] = [bytes(held.content(number, one.uid).buffer()) for one in held.messages(number)]
    assert office.mail(MARIE, "Junk") == []
    assert b"outil.exe" * 5 not in shown
    read = message_from_bytes(shown, policy=policy.default)
    note = list(read.walk())[4].get_content()
    assert note.startswith("[Pièce jointe retirée]")
    assert "« outil.exe »" in note
    assert "un programme" in note
    assert [one.get_filename() for one in read.iter_attachments()][-1] == "menu.pdf"
    assert whole.endswith(mail)


def test_a_sender_that_was_put_off_and_comes_again_leaves_one_held_copy(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = made("outil.exe")
    deliver, calls = office.store.deliver, []

    def second_fails(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise Unavailable("the database went away")
        return deliver(*args)

    monkeypatch.setattr(office.store, "deliver", second_fails)
    first = office.inbound.accept(envelope("marie@ici.example"), MemoryContent(mail))
    again = office.inbound.accept(envelope("marie@ici.example"), MemoryContent(mail))
    third = replace(envelope("marie@ici.example"), id="another")
    other = office.inbound.accept(third, MemoryContent(made("autre.exe")))
    assert [outcomes(one.each)[0][1] for one in (first, again, other)] == ["LATER", "KEPT", "KEPT"]
    held = HeldMail(office.database, office.store)
    number = office.store.open_account(MARIE.key)
    wholes = [bytes(held.content(number, one.uid).buffer()) for one in held.messages(number)]
    assert [b"outil.exe" in one for one in wholes] == [True, False]
    assert len(office.mail(MARIE)) == 2


@pytest.mark.parametrize(("wanted", "places"), [("mark", ("INBOX", 1, 0)), ("junk", ("Junk", 0, 1))])
def test_other_policies_leave_it_whole(office: Office, wanted: str, places: tuple[str, int, int]) -> None:
    office.policy(programs=wanted)
    mail = made("outil.exe")
    office.inbound.accept(envelope("marie@ici.example"), MemoryContent(mail))
    assert (len(office.mail(MARIE)), len(office.mail(MARIE, "Junk"))) == places[1:]
    assert office.mail(MARIE, places[0])[0].endswith(mail)


def test_a_harmless_message_is_left_alone(office: Office) -> None:
    office.inbound.accept(envelope("marie@ici.example"), letter())
    assert (len(office.mail(MARIE)), len(office.mail(MARIE, "Junk"))) == (1, 0)


def test_what_is_signed_goes_whole_to_junk(office: Office) -> None:
    mail = made("outil.exe").replace(b"multipart/mixed", b"multipart/signed")
    office.inbound.accept(envelope("marie@ici.example"), MemoryContent(mail))
    assert office.mail(MARIE) == []
    assert [one.endswith(mail) for one in office.mail(MARIE, "Junk")] == [True]


def test_without_room_for_the_whole_nothing_is_shown(office: Office) -> None:
    number = office.store.open_account(MARIE.key)
    office.store.set_quota(number, 300, None)
    mail = made("outil.exe" + "x" * 200 + ".exe")
    result = office.inbound.accept(envelope("marie@ici.example"), MemoryContent(mail))
    assert outcomes(result.each) == [("marie@ici.example", "LATER", "OVER_QUOTA")]
    assert office.mail(MARIE) == []


def test_a_file_that_can_not_be_placed_is_not_cut() -> None:
    hit = Hit("DISK_IMAGE", 3.0, "Image de disque", "Disk image", "a.iso")
    verdict = Verdict(0.0, Action.ACCEPT, (hit,), None, 6.0, 25.0)
    assert wanted_out(None, Spam()) == {}
    assert wanted_out(verdict, Spam(programs="mark")) == {}
    assert wanted_out(verdict, Spam(programs="strip")) is None
    assert wanted_out(replace(verdict, files_at=(("DISK_IMAGE", 70),)), Spam(programs="strip")) == {70: "programs"}

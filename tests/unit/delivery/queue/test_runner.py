"""The runner: attempts, retries, reports, and what it does when its parts fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import DAY, MINUTE
from delivery.queue.model import Outgoing, QueuedMessage
from delivery.queue.schedule import Settlement
from directory.api import Targets
from message.content import MemoryContent
from message.envelope import Notify, Recipient
from storage.errors import Unavailable
from tests.fakes.post_office import MARIE, NOW, PAUL, PostOffice

BODY = b"From: marie@ici.example\r\nSubject: secret-subject\r\n\r\nhello body\r\n"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    office = PostOffice(tmp_path)
    yield office
    office.close()


def put(office: PostOffice, *recipients: str | Recipient, sender: str = "marie@ici.example", **more: object) -> None:
    staged = office.queue.stage(
        Outgoing(
            "m1",
            sender,
            tuple(Recipient(one) if isinstance(one, str) else one for one in recipients),
            MemoryContent(BODY),
            office.clock,
            **more,  # type: ignore[arg-type]
        )
    )
    with office.database.write() as connection:
        office.queue.enqueue(connection, staged)


def test_sends_and_forgets(office: PostOffice):
    put(office, "a@x.example", "b@y.example")
    office.work()
    assert sorted(office.relay.sent) == [("a@x.example", BODY), ("b@y.example", BODY)]
    assert office.queue.depth() == 0
    assert office.everything() == 0


def test_retries_only_whom_it_must(office: PostOffice):
    put(office, "a@x.example", "b@x.example")
    office.relay.answers["b@x.example"] = [451]
    office.work()
    assert [address for address, _ in office.relay.sent] == ["a@x.example"]
    office.clock += 6 * MINUTE
    office.work()
    assert [address for address, _ in office.relay.sent] == ["a@x.example", "b@x.example"]
    assert office.queue.depth() == 0


def test_a_refusal_is_reported_to_our_sender_once(office: PostOffice):
    put(office, "a@x.example", "b@x.example")
    office.relay.answers["a@x.example"] = [550]
    office.relay.answers["b@x.example"] = [451]
    office.work()
    office.clock += 6 * MINUTE
    office.work()
    (report,) = office.mail(MARIE)
    assert report.startswith(b"Return-Path: <>\r\n")
    assert b"Final-Recipient: rfc822; a@x.example" in report
    assert b"Diagnostic-Code: smtp; 550" in report
    assert b"b@x.example" not in report
    assert office.queue.depth() == 0


def test_a_report_to_a_sender_elsewhere_is_sent(office: PostOffice):
    put(office, "a@x.example", sender="far@z.example")
    office.relay.answers["a@x.example"] = [550]
    office.work()
    ((address, octets),) = office.relay.sent
    assert address == "far@z.example"
    assert b"Action: failed" in octets


def test_the_null_sender_hears_nothing(office: PostOffice):
    put(office, "a@x.example", sender="")
    office.relay.answers["a@x.example"] = [550]
    office.work()
    assert office.queue.depth() == 0
    assert office.relay.sent == []
    assert office.everything() == 0


def test_a_report_that_fails_is_not_reported(office: PostOffice):
    put(office, "a@x.example", sender="far@z.example")
    office.relay.answers["a@x.example"] = [550]
    office.relay.answers["far@z.example"] = [550]
    office.work()
    assert office.queue.depth() == 0
    assert office.relay.tried == ["a@x.example", "far@z.example"]


def test_gives_up_after_its_time_and_says_so(office: PostOffice):
    put(office, "a@x.example")
    office.relay.answers["a@x.example"] = [451] * 200
    told_at: list[float] = []
    for _ in range(200):
        if office.queue.depth() == 0:
            break
        before = office.mailbox(MARIE).messages
        office.work()
        if office.mailbox(MARIE).messages > before:
            told_at.append(office.clock - NOW)
        office.clock = min((one.due_at for one in office.queue.entries()), default=office.clock)
    delay, failure = office.mail(MARIE)
    assert b"Action: delayed" in delay
    assert b"Will-Retry-Until:" in delay
    assert b"Action: failed" in failure
    assert b"Status: 5.4.7" in failure
    assert told_at[0] < DAY
    assert told_at[1] == 5 * DAY


def test_success_is_reported_when_asked_and_the_far_side_will_not(office: PostOffice):
    put(office, Recipient("a@x.example", notify=frozenset({Notify.SUCCESS})))
    office.work()
    (report,) = office.mail(MARIE)
    assert b"Action: relayed" in report
    office.relay.dsn = True
    put(office, Recipient("a@x.example", notify=frozenset({Notify.SUCCESS})))
    office.work()
    assert office.mailbox(MARIE).messages == 1


def test_a_relay_that_breaks_counts_as_for_the_moment(office: PostOffice):
    put(office, "a@x.example")
    office.relay.answers["a@x.example"] = [RuntimeError("bug")]
    office.work()
    (entry,) = office.queue.entries()
    assert entry.recipients[0].code == 451
    assert "internal error" in entry.recipients[0].text
    assert "bug" not in entry.recipients[0].text
    office.clock += 6 * MINUTE
    office.work()
    assert office.queue.depth() == 0


def test_a_lost_body_is_reported_not_forgotten(office: PostOffice):
    put(office, "a@x.example")
    for path in (office.folder / "queue" / "bodies").iterdir():
        path.unlink()
    office.work()
    assert office.queue.depth() == 1
    office.clock += 5 * DAY
    office.work()
    (report,) = office.mail(MARIE)
    assert b"Action: failed" in report


def test_an_item_of_a_local_domain_is_filed(office: PostOffice):
    put(office, "paul@ici.example", sender="")
    office.work()
    (filed,) = office.mail(PAUL)
    assert filed == b"Return-Path: <>\r\n" + BODY
    assert office.relay.tried == []


def test_a_local_item_whose_recipient_is_gone_is_returned(office: PostOffice):
    put(office, "gone@ici.example", sender="far@z.example")
    office.work()
    ((address, octets),) = office.relay.sent
    assert address == "far@z.example"
    assert b"Status: 5.1.1" in octets


def test_a_local_item_waits_while_the_directory_is_away(office: PostOffice):
    put(office, "paul@ici.example", sender="")
    office.people.away = True
    office.work()
    assert office.queue.depth() == 1
    office.people.away = False
    office.clock += 6 * MINUTE
    office.work()
    assert len(office.mail(PAUL)) == 1


def test_a_local_item_waits_while_the_mailbox_is_full(office: PostOffice):
    number = office.store.open_account(PAUL.key)
    office.store.set_quota(number, 10, None)
    put(office, "paul@ici.example", sender="far@z.example")
    office.work()
    (entry,) = office.queue.entries()
    assert entry.recipients[0].code == 452
    office.store.set_quota(number, 0, None)
    office.clock += 6 * MINUTE
    office.work()
    assert len(office.mail(PAUL)) == 1


def test_an_alias_to_itself_in_the_queue_ends(office: PostOffice):
    office.people.targets["loop@ici.example"] = Targets(elsewhere=("loop@ici.example",))
    put(office, "loop@ici.example", sender="far@z.example")
    office.work()
    assert office.queue.depth() == 0
    ((address, octets),) = office.relay.sent
    assert address == "far@z.example"
    assert b"Action: failed" in octets


def test_an_alias_elsewhere_is_sent_on(office: PostOffice):
    office.people.targets["list@ici.example"] = Targets((PAUL,), ("out@x.example",))
    put(office, "list@ici.example", sender="far@z.example")
    office.work()
    assert len(office.mail(PAUL)) == 1
    assert office.relay.sent == [("out@x.example", BODY)]


def test_an_outcome_is_written_down_when_the_store_comes_back(office: PostOffice, monkeypatch: pytest.MonkeyPatch):
    put(office, "a@x.example")
    real = office.queue.settle
    failures = [Unavailable("away"), Unavailable("away")]

    def flaky(item: QueuedMessage, owner: str, settlement: Settlement, notices: list[Outgoing]) -> None:
        if failures:
            raise failures.pop()
        real(item, owner, settlement, notices)

    monkeypatch.setattr(office.queue, "settle", flaky)
    office.work(lambda: office.queue.depth() == 0)
    assert office.relay.tried == ["a@x.example"]


def test_a_held_item_is_left_alone(office: PostOffice):
    put(office, "a@x.example")
    (entry,) = office.queue.entries()
    office.queue.hold(entry.id)
    office.work()
    assert office.relay.tried == []
    office.queue.unhold(entry.id)
    office.work()
    assert office.relay.tried == ["a@x.example"]


def test_ret_and_envid_shape_the_report(office: PostOffice):
    put(office, Recipient("a@x.example", "rfc822;orig\r\nX: y"), ret="HDRS", envid="id\r\nBcc: z")
    office.relay.answers["a@x.example"] = [550]
    office.work()
    (report,) = office.mail(MARIE)
    assert b"Original-Envelope-Id: id??Bcc: z" in report
    assert b"Original-Recipient: rfc822;orig??X: y" in report
    assert b"secret-subject" in report
    assert b"hello body" not in report


def test_without_ret_the_body_comes_back(office: PostOffice):
    put(office, "a@x.example")
    office.relay.answers["a@x.example"] = [550]
    office.work()
    (report,) = office.mail(MARIE)
    assert b"hello body" in report
    assert "n'a pas pu être remis" in report.decode("utf-8", "replace") or b"=C3=AAtre" in report

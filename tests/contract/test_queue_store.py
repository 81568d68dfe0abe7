"""What every database under the queue must do."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from config.settings import Queue
from delivery.queue.model import Attempt, Outgoing, QueuedMessage, State
from delivery.queue.schedule import settle
from delivery.queue.store import LeaseLost, QueueStore
from message.content import MemoryContent
from message.envelope import Notify, Recipient
from storage.database import Database
from storage.errors import DiskFull

NOW = 1_700_000_000.0
BODY = b"Subject: x\r\n\r\nhello\r\n"


@pytest.fixture
def queue(database: Database, tmp_path: Path) -> QueueStore:
    return QueueStore(database, tmp_path / "queue")


def outgoing(*addresses: str, queued_at: float = NOW, body: bytes = BODY) -> Outgoing:
    return Outgoing(
        message_id="m1",
        sender="marie@ici.example",
        recipients=tuple(Recipient(address) for address in addresses),
        content=MemoryContent(body),
        queued_at=queued_at,
        ret="HDRS",
        envid="e1",
    )


def put(queue: QueueStore, database: Database, *addresses: str, queued_at: float = NOW) -> list[int]:
    staged = queue.stage(outgoing(*addresses, queued_at=queued_at))
    with database.write() as connection:
        return queue.enqueue(connection, staged)


def take(queue: QueueStore, owner: str = "a", now: float = NOW, limit: int = 10, per: int = 5) -> list[QueuedMessage]:
    return queue.lease(owner, now, now + 900, limit, {}, per)


def finish(queue: QueueStore, item: QueuedMessage, owner: str, *codes: int, now: float = NOW) -> None:
    attempts = [
        Attempt(one.address, code, "0.0.0", "words", "mx") for one, code in zip(item.waiting(), codes, strict=True)
    ]
    queue.settle(item, owner, settle(item, attempts, now, Queue(), 0.5))


def bodies(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "queue" / "bodies")


def test_round_trip(queue: QueueStore, database: Database):
    staged = queue.stage(
        Outgoing(
            "m7",
            "é@ici.example",
            (Recipient("A@Far.example", "rfc822;a@x", frozenset({Notify.SUCCESS, Notify.DELAY})),),
            MemoryContent(BODY),
            NOW,
            smtputf8=True,
            eight_bit=False,
            ret="FULL",
            envid="e 7",
        )
    )
    with database.write() as connection:
        queue.enqueue(connection, staged)
    (item,) = take(queue)
    assert (item.message_id, item.sender, item.destination) == ("m7", "é@ici.example", "far.example")
    assert (item.smtputf8, item.eight_bit, item.ret, item.envid) == (True, False, "FULL", "e 7")
    assert (item.queued_at, item.attempts, item.delay_told) == (NOW, 0, False)
    (recipient,) = item.recipients
    assert (recipient.address, recipient.original) == ("A@Far.example", "rfc822;a@x")
    assert recipient.notify == {Notify.SUCCESS, Notify.DELAY}
    assert item.content.buffer() == BODY


def test_one_item_a_domain_and_each_address_once(queue: QueueStore, database: Database, tmp_path: Path):
    put(queue, database, "a@x.example", "b@X.Example", "a@x.example", "c@y.example")
    items = {item.destination: [one.address for one in item.recipients] for item in take(queue)}
    assert items == {"x.example": ["a@x.example", "b@X.Example"], "y.example": ["c@y.example"]}
    assert len(bodies(tmp_path)) == 1


def test_nothing_is_queued_when_the_transaction_fails(queue: QueueStore, database: Database):
    staged = queue.stage(outgoing("a@x.example"))

    def crash_before_the_commit() -> None:
        with database.write() as connection:
            queue.enqueue(connection, staged)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash_before_the_commit()
    assert take(queue) == []
    assert queue.depth() == 0


def test_what_is_leased_is_nobody_elses_until_the_lease_ends(queue: QueueStore, database: Database):
    put(queue, database, "a@x.example")
    (item,) = take(queue, "a")
    assert take(queue, "b") == []
    assert take(queue, "b", now=NOW + 899) == []
    (again,) = take(queue, "b", now=NOW + 901)
    assert again.id == item.id
    with pytest.raises(LeaseLost):
        finish(queue, item, "a", 250)
    finish(queue, again, "b", 250)


def test_a_renewed_lease_holds(queue: QueueStore, database: Database):
    put(queue, database, "a@x.example")
    (item,) = take(queue, "a")
    queue.renew("a", [item.id], NOW + 2000)
    queue.renew("b", [item.id], NOW)
    assert take(queue, "b", now=NOW + 1999) == []


def test_a_dead_runners_leases_are_given_back(queue: QueueStore, database: Database):
    put(queue, database, "a@x.example", "a@y.example")
    assert len(take(queue, "a")) == 2
    assert queue.release("a", NOW) == 2
    assert len(take(queue, "b")) == 2


def test_two_runners_never_get_the_same_item(queue: QueueStore, database: Database):
    for number in range(40):
        put(queue, database, f"a@d{number}.example")
    got: list[int] = []

    def work(owner: str) -> None:
        while items := take(queue, owner, limit=3):
            got.extend(item.id for item in items)

    threads = [threading.Thread(target=work, args=(f"o{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 40
    assert len(set(got)) == 40


def test_a_busy_destination_does_not_starve_others(queue: QueueStore, database: Database):
    for _ in range(30):
        put(queue, database, "a@slow.example")
    put(queue, database, "b@quick.example", queued_at=NOW + 1)
    items = take(queue, now=NOW + 2, limit=10, per=2)
    assert sorted(item.destination for item in items) == ["quick.example", "slow.example", "slow.example"]


def test_items_in_flight_count_and_are_never_leased_twice(queue: QueueStore, database: Database):
    put(queue, database, "a@x.example")
    put(queue, database, "b@x.example")
    (first,) = take(queue, limit=1)
    later = NOW + 5000
    busy = {first.id: first.destination}
    assert queue.lease("a", later, later + 900, 10, busy, 1) == []
    (second,) = queue.lease("a", later, later + 900, 10, busy, 2)
    assert second.id != first.id


def test_oldest_due_first(queue: QueueStore, database: Database):
    put(queue, database, "late@x.example", queued_at=NOW - 1)
    put(queue, database, "early@y.example", queued_at=NOW - 100)
    assert [item.destination for item in take(queue, limit=1)] == ["y.example"]


def test_a_retry_keeps_state_and_words(queue: QueueStore, database: Database):
    put(queue, database, "a@x.example", "b@x.example", "c@x.example")
    (item,) = take(queue)
    finish(queue, item, "a", 250, 451, 550)
    assert take(queue, now=NOW + 200) == []
    (again,) = take(queue, now=NOW + 400)
    assert [one.state for one in again.recipients] == [State.SENT, State.WAITING, State.FAILED]
    assert [one.code for one in again.recipients] == [250, 451, 550]
    assert again.recipients[1].text == "words"
    assert again.attempts == 1
    assert [one.address for one in again.waiting()] == ["b@x.example"]


def test_the_body_goes_with_the_last_item(queue: QueueStore, database: Database, tmp_path: Path):
    put(queue, database, "a@x.example", "b@y.example")
    first, second = take(queue)
    finish(queue, first, "a", 250)
    assert len(bodies(tmp_path)) == 1
    assert second.content.buffer() == BODY
    finish(queue, second, "a", 550)
    assert bodies(tmp_path) == []
    assert queue.depth() == 0


def test_a_report_commits_with_the_outcome(queue: QueueStore, database: Database, tmp_path: Path):
    put(queue, database, "a@x.example")
    (item,) = take(queue)
    settlement = settle(item, [Attempt("a@x.example", 550, "5.1.1", "no")], NOW, Queue(), 0.5)
    queue.settle(item, "a", settlement, [outgoing("marie@ici.example")])
    (report,) = take(queue)
    assert report.destination == "ici.example"
    assert len(bodies(tmp_path)) == 1
    # The second runner that believes it has the item can't report again.
    with pytest.raises(LeaseLost):
        queue.settle(item, "a", settlement, [outgoing("marie@ici.example")])
    assert queue.depth() == 1


def test_operators_list_hold_kick_and_remove(queue: QueueStore, database: Database, tmp_path: Path):
    first, second = put(queue, database, "a@x.example", "b@y.example", queued_at=NOW + 1000)
    assert take(queue) == []
    assert queue.kick(NOW, first) == 1
    assert queue.hold(first)
    assert take(queue) == []
    entry = queue.entry(first)
    assert entry is not None
    assert (entry.held, entry.destination, entry.size, entry.leased_by) == (True, "x.example", len(BODY), None)
    assert queue.unhold(first)
    (item,) = take(queue)
    assert item.id == first
    leased = queue.entry(first)
    assert leased is not None
    assert leased.leased_by == "a"
    assert queue.kick(NOW) == 1
    assert [one.id for one in queue.entries()] == [first, second]
    assert [one.id for one in queue.entries(after=first)] == [second]
    assert queue.remove(first)
    assert not queue.remove(first)
    assert queue.remove(second)
    assert bodies(tmp_path) == []
    assert queue.entry(first) is None


def test_the_sweep_takes_only_old_orphans(queue: QueueStore, database: Database, tmp_path: Path):
    put(queue, database, "a@x.example")
    queue.stage(outgoing("b@x.example"))
    (tmp_path / "queue" / "bodies" / "half.tmp").write_bytes(b"half")
    now = os.stat(tmp_path / "queue" / "bodies").st_mtime
    assert queue.sweep(now, 3600) == 0
    assert queue.sweep(now + 3700, 3600) == 2
    (item,) = take(queue)
    assert item.content.buffer() == BODY


def test_a_full_disk_is_said_and_leaves_nothing(queue: QueueStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        queue.stage(outgoing("a@x.example"))
    assert bodies(tmp_path) == []


def test_a_body_is_read_by_its_owner_only(queue: QueueStore, tmp_path: Path):
    staged = queue.stage(outgoing("a@x.example"))
    assert os.stat(tmp_path / "queue" / "bodies" / staged.body).st_mode & 0o777 == 0o600

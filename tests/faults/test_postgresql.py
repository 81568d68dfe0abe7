"""Writers side by side on a real PostgreSQL, and a server that goes away: nothing is lost, nothing hangs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import Store as Settings
from message.content import MemoryContent
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import Contended, MailboxExists, Unavailable
from storage.model import Filing, FlagChange, NewMessage, System
from storage.store import Store
from tests.fakes.postgres import PostgresServer

LETTER = b"From: a@example.net\r\nSubject: essai\r\n\r\nBonjour\r\n"


class Node:
    """What one process has of the store."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = Database(url)
        self.doorbell = Doorbell(folder / "bells")
        self.store = Store(self.database, Maildir(folder / "mail"), Settings(), self.doorbell)

    def close(self) -> None:
        self.store.close()
        self.doorbell.close()
        self.database.close()


@pytest.fixture
def nodes(postgres: PostgresServer, tmp_path: Path) -> Iterator[list[Node]]:
    url = postgres.database()
    nodes = [Node(url, tmp_path) for _ in range(2)]
    yield nodes
    for node in nodes:
        node.close()


def deliver(store: Store, accounts: list[int]) -> list[tuple[int, int, int]]:
    return store.deliver([Filing(account) for account in accounts], MemoryContent(LETTER), None, time.time())


def together(*calls: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [done.result(60) for done in [pool.submit(call) for call in calls]]


def test_two_processes_deliver_to_the_same_people_in_any_order(nodes: list[Node]) -> None:
    people = [nodes[0].store.open_account(f"p{n}") for n in range(4)]

    def work(node: Node, order: list[int]) -> list[tuple[int, int, int]]:
        return [one for _ in range(15) for one in deliver(node.store, order)]

    found = together(*(lambda n=n, o=o: work(n, o) for n in nodes for o in (people, people[::-1])))
    given = [place for done in found for place in done]  # type: ignore[attr-defined]
    assert len(set(given)) == len(given) == 4 * 15 * 4
    for person in people:
        box = nodes[0].store.mailbox(person, "INBOX")
        assert (box.messages, box.uidnext, box.size) == (60, 61, 60 * len(LETTER))
        assert nodes[0].store.quota(person).used_messages == 60


def test_copies_between_two_accounts_in_both_directions_do_not_deadlock(nodes: list[Node]) -> None:
    store = nodes[0].store
    one, two = store.open_account("one"), store.open_account("two")
    boxes = {who: store.mailbox(who, "INBOX").id for who in (one, two)}
    for who in (one, two):
        deliver(store, [who])

    def work(node: Node, start: int, end: int) -> None:
        for _ in range(15):
            node.store.copy(start, boxes[start], [1], boxes[end], to_account=end)

    together(lambda: work(nodes[0], one, two), lambda: work(nodes[1], two, one))
    assert [store.mailbox(who, "INBOX").messages for who in (one, two)] == [16, 16]


def test_flags_that_two_processes_set_add_up(nodes: list[Node]) -> None:
    store = nodes[0].store
    account = store.open_account("marie")
    box = store.mailbox(account, "INBOX").id
    uids = store.append(account, box, [NewMessage(MemoryContent(LETTER)) for _ in range(20)])

    def work(node: Node, flag: System) -> None:
        for uid in uids:
            node.store.store_flags(account, box, [uid], FlagChange.ADD, int(flag), ())

    together(lambda: work(nodes[0], System.SEEN), lambda: work(nodes[1], System.FLAGGED))
    assert {row.system for row in store.view(account, box).rows} == {System.SEEN | System.FLAGGED}
    assert len({row.modseq for row in store.view(account, box).rows}) == 20
    assert store.mailbox(account, "INBOX").unseen == 0


def test_the_same_folder_made_twice_at_the_same_time_is_told(nodes: list[Node]) -> None:
    account = nodes[0].store.open_account("marie")
    outcomes: list[str] = []

    def work(node: Node) -> None:
        for n in range(10):
            try:
                node.store.create(account, f"Dossier {n}/Dedans")
                outcomes.append("made")
            except MailboxExists:
                outcomes.append("there")

    together(*(lambda n=n: work(n) for n in nodes))
    assert sorted(outcomes) == ["made"] * 10 + ["there"] * 10
    assert len({box.uidvalidity for box in nodes[0].store.mailboxes(account)}) == 7 + 20


def test_an_account_opened_twice_at_the_same_time_is_one(nodes: list[Node]) -> None:
    for n in range(5):
        one, two = together(*(lambda node=node, n=n: node.store.open_account(f"new{n}") for node in nodes))
        assert one == two
        assert len(nodes[0].store.mailboxes(one)) == 7  # type: ignore[arg-type]


def test_no_event_becomes_visible_after_a_later_one(nodes: list[Node]) -> None:
    store = nodes[0].store
    accounts = [store.open_account(f"e{n}") for n in range(2)]
    for account in accounts:
        box = store.mailbox(account, "INBOX").id
        store.append(account, box, [NewMessage(MemoryContent(LETTER)) for _ in range(30)])
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        cursor = 0
        while True:
            last = stop.is_set()
            for event in nodes[1].store.events_after(cursor, 100):
                cursor = event.id
                seen.append(event.id)
            if last:
                return

    def move(node: Node, account: int) -> None:
        box, junk = (node.store.mailbox(account, name).id for name in ("INBOX", "Junk"))
        for uid in range(1, 31):
            node.store.move(account, box, [uid], junk)

    reader = threading.Thread(target=read)
    reader.start()
    together(*(lambda n=n, a=a: move(n, a) for n, a in zip(nodes, accounts, strict=True)))
    stop.set()
    reader.join(30)
    assert len(seen) == 60


def test_octets_that_a_text_column_cannot_hold(nodes: list[Node]) -> None:
    store = nodes[0].store
    account = store.open_account("marie")
    box = store.mailbox(account, "INBOX").id
    strange = b"From: a@example.net\r\nSubject: un =?utf-8?q?z=00ro?= \x00 ici\r\n\r\na\x00b\r\n"
    [uid] = store.append(account, box, [NewMessage(MemoryContent(strange))])
    row = store.view(account, box).row(uid)
    assert row is not None
    assert bytes(store.body(account, box, row).buffer()) == strange


def test_a_server_that_does_not_wait_for_its_disk_does_for_us(postgres: PostgresServer) -> None:
    database = Database(postgres.database() + "&options=-csynchronous_commit%3Doff")
    with database.read() as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == "on"
    database.close()


def test_a_transaction_that_was_undone_is_run_again(nodes: list[Node]) -> None:
    """A deadlock with something that is not ours (an operator's shell) undoes one of the two."""
    store, database = nodes[0].store, nodes[1].database
    people = [store.open_account(f"d{n}") for n in range(2)]
    hold = "SELECT 1 FROM store_account WHERE id = :id FOR UPDATE"
    with ThreadPoolExecutor() as pool:
        try:
            with database.write() as connection:
                connection.execute(text("SET LOCAL deadlock_timeout = '10s'"))
                connection.execute(text(hold), {"id": people[1]})
                done = pool.submit(deliver, store, people)
                time.sleep(0.3)
                # The delivery holds the first account and waits for the second: its server looks first, and undoes it.
                connection.execute(text(hold), {"id": people[0]})
        except Contended:
            pytest.fail("the wrong one was undone")
        assert len(done.result(30)) == 2
    assert [store.mailbox(person, "INBOX").messages for person in people] == [1, 1]


def test_a_server_that_crashes_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    server = PostgresServer(options=())
    node = Node(server.database(), tmp_path)
    try:
        account = node.store.open_account("marie")
        kept = [deliver(node.store, [account]) for _ in range(5)]
        server.stop(signal.SIGQUIT)
        with pytest.raises(Unavailable):
            deliver(node.store, [account])
        with pytest.raises(Unavailable):
            node.store.mailbox(account, "INBOX")
        server.restart()
        # By itself, with the connections it has.
        kept.append(deliver(node.store, [account]))
        assert node.store.mailbox(account, "INBOX").messages == len(kept) == 6
        assert list((tmp_path / "mail" / "staging").iterdir()) == []
    finally:
        node.close()
        server.close()

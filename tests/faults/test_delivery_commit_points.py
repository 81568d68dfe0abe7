"""Failures at each step between "body written" and "answered": nothing is lost, nothing is kept by halves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection

from delivery.inbound import InboundPipeline
from delivery.queue.model import Outgoing
from delivery.queue.store import Staged
from directory.api import Targets
from message.content import Content
from message.envelope import Recipient
from message.summary import Summary
from storage.api import AlongWith
from storage.database import NewRow
from storage.errors import DiskFull, StoreError, Unavailable
from storage.model import Filing
from tests.fakes.post_office import MARIE, PAUL, PostOffice, envelope, letter


class Office(PostOffice):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.people.targets["list@ici.example"] = Targets((MARIE, PAUL), ("out@x.example",))
        self.inbound = InboundPipeline(self.store, self.people, None, None, self.queue, self.settings)

    def accept(self) -> str:
        return self.inbound.accept(envelope("list@ici.example"), letter()).each[0].fate.name

    def bodies(self) -> int:
        return len(os.listdir(self.folder / "queue" / "bodies"))

    def sweep(self) -> int:
        return self.queue.sweep(os.stat(self.folder / "queue" / "bodies").st_mtime + 4000, 3600)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


def kept_once(office: Office) -> None:
    assert (len(office.mail(MARIE)), len(office.mail(PAUL)), office.queue.depth()) == (1, 1, 1)
    office.work()
    assert [address for address, _ in office.relay.sent] == ["out@x.example"]
    assert office.bodies() == 0


def kept_nowhere(office: Office) -> None:
    assert office.everything() == 0
    assert office.queue.depth() == 0


def test_the_queue_body_cannot_be_written(office: Office, monkeypatch: pytest.MonkeyPatch):
    def full(outgoing: Outgoing) -> Staged:
        raise DiskFull("full")

    with monkeypatch.context() as patch:
        patch.setattr(office.queue, "stage", full)
        assert office.accept() == "LATER"
        kept_nowhere(office)
    assert office.accept() == "KEPT"
    kept_once(office)


@pytest.mark.parametrize("error", [RuntimeError("bug"), Unavailable("away"), KeyError("x")])
def test_the_queue_rows_cannot_be_written(office: Office, monkeypatch: pytest.MonkeyPatch, error: Exception):
    real = office.queue.enqueue

    def half(connection: Connection, staged: Staged) -> list[int]:
        real(connection, staged)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(office.queue, "enqueue", half)
        assert office.accept() == "LATER"
        kept_nowhere(office)
    # What a crash here leaves is a body without a row.
    assert office.bodies() == 1
    assert office.sweep() == 1
    assert office.accept() == "KEPT"
    kept_once(office)


@pytest.mark.parametrize("error", [RuntimeError("bug"), Unavailable("connection lost at COMMIT")])
def test_the_answer_to_the_commit_is_lost(office: Office, monkeypatch: pytest.MonkeyPatch, error: Exception):
    real = office.store.deliver

    def cut(
        filings: Sequence[Filing],
        content: Content | None,
        summary: Summary | None,
        received_at: float,
        along: AlongWith | None = None,
        rows: Sequence[NewRow] = (),
    ) -> None:
        real(filings, content, summary, received_at, along, rows)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(office.store, "deliver", cut)
        # The commit happened, we don't know: the client will send again, and the first copy must be whole.
        assert office.accept() == "LATER"
    assert office.sweep() == 0
    kept_once(office)


def test_an_account_that_fills_up_between_two_tries_is_left_out(office: Office):
    office.store.set_quota(office.store.open_account(MARIE.key), 10, None)
    assert office.accept() == "KEPT"
    assert len(office.mail(PAUL)) == 1
    # The forwarded copy and the report on Marie's mailbox, and no body of the first try.
    assert office.queue.depth() == 2
    assert office.bodies() == 2


def test_the_outcome_of_an_attempt_rolls_back_with_its_report(office: Office, monkeypatch: pytest.MonkeyPatch):
    staged = office.queue.stage(
        Outgoing("m1", "marie@ici.example", (Recipient("a@x.example"),), letter(), office.clock)
    )
    with office.database.write() as connection:
        office.queue.enqueue(connection, staged)
    office.relay.answers["a@x.example"] = [550] * 10
    real = office.queue.enqueue
    failures: list[StoreError] = [Unavailable("away")]

    def flaky(connection: Connection, staged: Staged) -> list[int]:
        found = real(connection, staged)
        if failures:
            raise failures.pop()
        return found

    monkeypatch.setattr(office.queue, "enqueue", flaky)
    office.work(lambda: bool(office.mailbox(MARIE).messages) and office.idle())
    assert office.relay.tried == ["a@x.example"]
    assert len(office.mail(MARIE)) == 1

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from config.settings import Spam
from spamfilter.bayes import model as model_module
from spamfilter.bayes import tokens as store
from spamfilter.bayes.model import BayesModel, Counts
from spamfilter.bayes.tokens import Totals
from spamfilter.train import Trainer
from storage.database import Database, metadata
from storage.errors import Unavailable


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/spam.db")
    metadata.create_all(database.engine)
    yield database
    database.close()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lesson(i: int) -> bytes:
    return f"Subject: lecon {i}\r\n\r\ncommun mot{i}a mot{i}b\r\n".encode()


def in_sql(database: Database) -> dict[int, tuple[int, int]]:
    with database.read() as connection:
        return {token: (ham, spam) for token, ham, spam in store.all_counts(connection)}


def test_counts_look_up_and_update() -> None:
    counts = Counts(Totals(1, 1, 1), [(-5, 1, 0), (3, 0, 1), (9, 2, 2)])
    assert [counts.of(token) for token in (-5, 3, 9, 4, 10, -6)] == [(1, 0), (0, 1), (2, 2), (0, 0), (0, 0), (0, 0)]
    new = counts.updated(Totals(2, 1, 2), {3: (1, 1), 4: (1, 0)})
    assert [new.of(token) for token in (3, 4, 9)] == [(1, 1), (1, 0), (2, 2)]
    assert counts.of(3) == (0, 1), "counts at one revision do not change"


def test_merging_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "MERGE_FROM", 2)
    counts = Counts(Totals(1, 1, 1), [(0, 1, 1), (10, 1, 1), (20, 1, 1)])
    changes = {-7: (7, 0), 10: (5, 5), 15: (0, 9), 30: (3, 3)}
    merged = counts.updated(Totals(2, 2, 2), changes)
    expected = {0: (1, 1), 10: (5, 5), 20: (1, 1), -7: (7, 0), 15: (0, 9), 30: (3, 3), 16: (0, 0)}
    assert {token: merged.of(token) for token in expected} == expected
    assert merged.totals == Totals(2, 2, 2)


def test_the_model_follows_the_database(database: Database) -> None:
    clock = Clock()
    model = BayesModel(database, clock=clock)
    trainer = Trainer(database, Spam())
    assert model.counts().totals == Totals(0, 0, 0)
    for i in range(6):
        if i == 3:
            trainer.learn(lesson(0), spam=True)
        elif i == 4:
            trainer.forget(lesson(1))
        else:
            trainer.learn(lesson(i), spam=bool(i % 2))
        clock.now += 1.5
        counts = model.counts()
        expected = in_sql(database)
        assert {token: counts.of(token) for token in expected} == expected


def test_it_looks_at_most_once_an_interval_and_reads_only_changes(database: Database) -> None:
    clock = Clock()
    trainer = Trainer(database, Spam())
    for i in range(20):
        trainer.learn(lesson(i), spam=False)
    model = BayesModel(database, clock=clock, interval=1.0)
    model.load()
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    for _ in range(100):
        model.counts()
    assert statements == []
    clock.now += 1.1
    model.counts()
    model.counts()
    assert len([s for s in statements if "SELECT" in s]) == 1, "only the revision, when nothing changed"
    with database.read() as connection:
        before = store.totals(connection).revision
    trainer.learn(lesson(99), spam=True)
    with database.read() as connection:
        changed = list(store.changed_since(connection, before))
    assert 0 < len(changed) < len(in_sql(database))


def test_a_database_that_is_away_leaves_the_last_counts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    Trainer(database, Spam()).learn(lesson(1), spam=True)
    model = BayesModel(database, clock=clock)
    known = model.counts()
    assert known.totals.spam == 1

    def away() -> None:
        raise Unavailable("away")

    monkeypatch.setattr(database, "read", away)
    clock.now += 10
    assert model.counts() is known
    fresh = BayesModel(database, clock=clock)
    assert fresh.counts().totals == Totals(0, 0, 0)

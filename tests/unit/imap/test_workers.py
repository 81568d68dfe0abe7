"""Work in threads, results in the reactor's thread: each once, errors told, no more threads than allowed."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from twisted.internet.threads import blockingCallFromThread

from imap.workers import Workers
from tests.fakes.imap_service import running_reactor


class Results:
    """What came back, and in which threads."""

    def __init__(self, count: int) -> None:
        self.done: list[Any] = []
        self.failed: list[str] = []
        self.threads: set[int] = set()
        self._count = count
        self.all = threading.Event()

    def take(self, result: Any) -> None:
        self.done.append(result)
        self._note()

    def fail(self, trace: str) -> None:
        self.failed.append(trace)
        self._note()

    def _note(self) -> None:
        self.threads.add(threading.get_ident())
        if len(self.done) + len(self.failed) == self._count:
            self.all.set()


@pytest.fixture
def workers() -> Any:
    some = Workers(running_reactor(), 3, "test")
    yield some
    some.join()


def test_each_piece_of_work_is_answered_once_in_the_reactor(workers: Workers) -> None:
    results, within, most = Results(500), [0], [0]
    lock = threading.Lock()

    def work(number: int) -> int:
        with lock:
            within[0] += 1
            most[0] = max(most[0], within[0])
        with lock:
            within[0] -= 1
        return number

    def give() -> None:
        for number in range(500):
            workers.run(lambda number=number: work(number), results.take, results.fail)  # type: ignore[misc]

    blockingCallFromThread(running_reactor(), give)
    assert results.all.wait(30)
    assert sorted(results.done) == list(range(500))
    assert not results.failed
    assert len(results.threads) == 1
    assert 1 <= most[0] <= 3


def test_an_error_of_the_work_or_of_its_answer_stops_nothing(workers: Workers) -> None:
    results = Results(2)

    def bad(result: Any) -> None:
        raise ValueError("an answer that fails")

    def give() -> None:
        workers.run(lambda: 1 // 0, results.take, results.fail)
        workers.run(lambda: 1, bad, results.fail)
        workers.run(lambda: 2, results.take, results.fail)

    blockingCallFromThread(running_reactor(), give)
    assert results.all.wait(30)
    assert results.done == [2]
    assert "ZeroDivisionError" in results.failed[0]


def test_work_that_lasts_holds_up_no_other(workers: Workers) -> None:
    results, go_on = Results(2), threading.Event()

    def give() -> None:
        workers.run(lambda: go_on.wait(30), results.take, results.fail)
        workers.run(go_on.set, results.take, results.fail)

    blockingCallFromThread(running_reactor(), give)
    assert results.all.wait(30)
    assert not results.failed

"""The spam filter is asked for no longer than its budget, whatever it does to its process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Spam
from delivery import judging
from delivery.judging import Case, Judge
from message.content import Content, FileContent, MemoryContent
from spamfilter.verdict import Action, Verdict
from tests.fakes.filters import HITS, missing, obedient
from tests.fakes.post_office import envelope

PATIENT = replace(Spam(), budget=30.0, processes=1)
HURRIED = replace(Spam(), budget=0.2, processes=1)


def case(body: bytes = b"judge", content: Content | None = None) -> Case:
    content = content or MemoryContent(b"From: a@b.example\r\n\r\n" + body + b"\r\n")
    return Case.of(envelope("marie@ici.example"), content, None, frozenset({"ici.example"}), ("Marie",))


@pytest.fixture
def court() -> Iterator[Callable[..., Judge]]:
    judges: list[Judge] = []

    def open_court(settings: Spam, make: Callable[[], judging.Filter] = obedient) -> Judge:
        judges.append(Judge(make, settings))
        return judges[-1]

    yield open_court
    for judge in judges:
        judge.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(1000):
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_a_verdict_comes_through_whole(court):
    verdict = court(PATIENT).judge(case())
    assert verdict == Verdict(5.5, Action.JUNK, HITS, 0.75, 6.0, 15.0, True, verdict.note)
    assert int(verdict.note) != os.getpid()


def test_a_message_in_a_file_is_read_there(court, tmp_path: Path):
    path = tmp_path / "message"
    path.write_bytes(b"From: a@b.example\r\n\r\n" + b"long line\r\n" * 20_000)
    assert court(PATIENT).judge(case(content=FileContent(path))).score == 5.5


def test_a_process_judges_one_message_after_the_other_also_after_a_failure(court):
    judge = court(PATIENT)
    first = judge.judge(case())
    failed = judge.judge(case(b"fail"))
    assert (failed.scanned, failed.action, failed.note) == (False, Action.ACCEPT, "filter failed")
    assert judge.judge(case()).note == first.note
    assert (judge.unscanned, judge.replaced) == (1, 0)


def test_a_process_that_hangs_is_killed_and_replaced(court):
    judge = court(HURRIED)
    first = int(judge.judge(case()).note)
    assert judge.judge(case(b"hang")).note == "no verdict within 0.2 s"
    assert eventually(lambda: not alive(first))
    assert eventually(lambda: judge.judge(case()).scanned)
    assert judge.replaced == 1


def test_a_process_that_dies_is_replaced(court):
    judge = court(PATIENT)
    first = judge.judge(case()).note
    died = judge.judge(case(b"die"))
    assert (died.scanned, died.note) == (False, "filter died")
    second = judge.judge(case())
    assert second.scanned
    assert second.note != first
    assert (judge.unscanned, judge.replaced) == (1, 1)


def test_a_hanging_message_holds_up_one_process_and_not_the_other(court):
    judge = court(replace(PATIENT, processes=2))
    assert eventually(lambda: len({judge.judge(case()).note for _ in range(4)}) == 2)
    stuck = threading.Thread(target=judge.judge, args=(case(b"hang"),), daemon=True)
    stuck.start()
    time.sleep(0.1)
    assert len({judge.judge(case()).note for _ in range(4)}) == 1


def test_when_no_process_is_free_within_the_budget_mail_passes(court):
    judge = court(HURRIED)
    notes: list[str] = []
    threads = [threading.Thread(target=lambda: notes.append(judge.judge(case(b"hang")).note)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(notes) == {"no verdict within 0.2 s", "filter overloaded"}
    assert judge.unscanned == 8


def test_a_filter_that_can_t_be_made_lets_mail_pass(court, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(judging, "START", 1.0)
    verdict = court(HURRIED, missing).judge(case())
    assert (verdict.scanned, verdict.note) == (False, "filter overloaded")


def test_no_process_outlives_its_judge(court):
    judge = court(PATIENT)
    pid = int(judge.judge(case()).note)
    judge.close()
    assert eventually(lambda: not alive(pid))

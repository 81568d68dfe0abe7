"""The spam filter is asked for no longer than its budget, whatever it does."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from config.settings import Spam
from delivery.judging import STUCK, TURNS, Judge
from message.headers import parse_headers
from message.parts import scan
from spamfilter.evidence import Evidence
from spamfilter.verdict import Action, Verdict
from tests.fakes.post_office import envelope

PATIENT = replace(Spam(), budget=60.0)
HURRIED = replace(Spam(), budget=0.05)
VERDICT = Verdict(7.0, Action.JUNK, (), 0.9, 6.0, 15.0)


def evidence() -> Evidence:
    octets = b"From: a@b.example\r\n\r\nx\r\n"
    headers = parse_headers(octets)
    return Evidence(envelope("marie@ici.example"), octets, headers, scan(octets, headers), None)


class Quick:
    def judge(self, evidence: Evidence) -> Verdict:
        return VERDICT


class Broken:
    def judge(self, evidence: Evidence) -> Verdict:
        raise RecursionError


class Witness:
    """Notes the threads that judge."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def judge(self, evidence: Evidence) -> Verdict:
        self.threads.add(threading.get_ident())
        return VERDICT


class Hanging:
    """Hangs until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.calls = 0

    def judge(self, evidence: Evidence) -> Verdict:
        self.calls += 1
        self.go.wait(30)
        return VERDICT


def test_a_verdict_comes_through():
    assert Judge(Quick(), PATIENT).judge(evidence()) is VERDICT


def test_a_thread_judges_one_message_after_the_other():
    witness = Witness()
    judge = Judge(witness, PATIENT)
    for _ in range(20):
        assert judge.judge(evidence()) is VERDICT
    assert len(witness.threads) == 1
    assert threading.get_ident() not in witness.threads


def test_threads_that_were_stuck_judge_again():
    hanging = Hanging()
    judge = Judge(hanging, HURRIED)
    assert not judge.judge(evidence()).scanned
    hanging.go.set()
    for _ in range(500):
        if judge.stuck == 0:
            break
        time.sleep(0.01)
    assert judge.stuck == 0
    assert judge.judge(evidence()) is VERDICT


def test_a_broken_filter_passes_mail_marked():
    judge = Judge(Broken(), PATIENT)
    verdict = judge.judge(evidence())
    assert (verdict.scanned, verdict.action, verdict.note) == (False, Action.ACCEPT, "filter failed")
    assert (judge.unscanned, judge.stuck) == (1, 0)


def test_hanging_judgements_are_left_behind_up_to_a_number_and_forgotten_when_they_end():
    hanging = Hanging()
    judge = Judge(hanging, HURRIED)
    for _ in range(STUCK):
        assert judge.judge(evidence()).note.startswith("no verdict within")
    assert (judge.stuck, hanging.calls) == (STUCK, STUCK)
    for _ in range(50):
        assert judge.judge(evidence()).note == "filter overloaded"
    assert hanging.calls == STUCK
    assert judge.unscanned == STUCK + 50
    hanging.go.set()
    for _ in range(500):
        if judge.stuck == 0 and judge.judge(evidence()).scanned:
            break
        time.sleep(0.01)
    else:
        raise AssertionError("the filter is never asked again")


def test_threads_stay_bounded_when_many_ask_at_once():
    hanging = Hanging()
    judge = Judge(hanging, HURRIED)
    askers = [threading.Thread(target=judge.judge, args=(evidence(),)) for _ in range(16)]
    for thread in askers:
        thread.start()
    for thread in askers:
        thread.join()
    judge.judge(evidence())
    # Those whose turn came at the same time may all be stuck; nobody after them is.
    assert STUCK <= hanging.calls < STUCK + TURNS
    assert judge.stuck == hanging.calls
    hanging.go.set()

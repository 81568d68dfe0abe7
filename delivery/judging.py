"""Asks the spam filter, for no longer than its budget.

Judgements run in threads apart from their callers: a thread can't be ended from outside, so one that overruns is left
behind and counted. When as many as ``STUCK`` are left behind the filter isn't asked any more until one of them ends: a
message that makes the filter hang costs threads up to that number and never stops mail. What isn't judged passes,
marked.

Judging computes and never waits, so ``TURNS`` at a time get as much done as any number would: more threads would only
fight for the interpreter.
"""

from __future__ import annotations

import queue
import threading
import uuid
from typing import Protocol

import structlog

from config.settings import Spam
from spamfilter.evidence import Evidence
from spamfilter.verdict import Action, Verdict

log = structlog.get_logger()

#: Judgements that may have overrun their budget and still be running.
STUCK = 4

#: Judgements under way at a time, beside those that overran.
TURNS = 2


class Filter(Protocol):
    """What is asked of a spam filter."""

    def judge(self, evidence: Evidence) -> Verdict: ...


class Judge:
    """A spam filter that always answers in time. Safe from any thread.

    ``unscanned`` counts the messages that passed unjudged, ``stuck`` the judgements that overran and still run.
    """

    def __init__(self, spam_filter: Filter, settings: Spam) -> None:
        self._filter = spam_filter
        self._settings = settings
        self._turns = threading.Semaphore(TURNS)
        self._cases: queue.SimpleQueue[_Hearing] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self.unscanned = 0
        self.stuck = 0

    def judge(self, evidence: Evidence) -> Verdict:
        """The filter's verdict, or one with ``scanned`` False and a note when it failed or took too long."""
        with self._turns:
            if self.stuck >= STUCK:
                return self._pass(evidence, "filter overloaded")
            hearing = _Hearing(self._filter, evidence)
            self._begin(hearing)
            hearing.wait(self._settings.budget)
            with self._lock:
                if not hearing.ended:
                    hearing.overrun = True
                    self.stuck += 1
        if hearing.overrun:
            return self._pass(evidence, f"no verdict within {self._settings.budget:g} s")
        if hearing.verdict is None:
            return self._pass(evidence, "filter failed")
        return hearing.verdict

    def _begin(self, hearing: _Hearing) -> None:
        """Hand a judgement to an idle thread, or to a new one: at most ``TURNS + STUCK`` are ever made."""
        with self._lock:
            hire = self._idle == 0
            if not hire:
                self._idle -= 1
        if hire:
            threading.Thread(target=self._sit, name="judge", daemon=True).start()
        self._cases.put(hearing)

    def _sit(self) -> None:
        while True:
            hearing = self._cases.get()
            hearing.run()
            with self._lock:
                hearing.ended = True
                self._idle += 1
                if hearing.overrun:
                    self.stuck -= 1
            hearing.end()
            # The evidence may be a map of a big file: it must not live on until the next message comes.
            del hearing

    def _pass(self, evidence: Evidence, note: str) -> Verdict:
        with self._lock:
            self.unscanned += 1
        log.warning("spam.unscanned", id=evidence.envelope.id, note=note, stuck=self.stuck, unscanned=self.unscanned)
        return Verdict(
            score=0.0,
            action=Action.ACCEPT,
            hits=(),
            probability=None,
            junk_from=self._settings.junk_from,
            reject_from=self._settings.reject_from,
            scanned=False,
            note=note,
        )


class _Hearing:
    """One judgement under way. ``ended`` and ``overrun`` change under the judge's lock."""

    __slots__ = ("_bell", "_evidence", "_filter", "ended", "overrun", "verdict")

    def __init__(self, spam_filter: Filter, evidence: Evidence) -> None:
        self._filter = spam_filter
        self._evidence = evidence
        self._bell = threading.Lock()
        self._bell.acquire()
        self.verdict: Verdict | None = None
        self.ended = False
        self.overrun = False

    def run(self) -> None:
        try:
            self.verdict = self._filter.judge(self._evidence)
        except Exception:
            log.exception("spam.failed", id=self._evidence.envelope.id, incident=uuid.uuid4().hex[:12])

    def end(self) -> None:
        """Let ``wait`` return; called once."""
        self._bell.release()

    def wait(self, seconds: float) -> None:
        """Return when the judgement has ended, or after ``seconds``."""
        self._bell.acquire(timeout=seconds)

"""Asks the spam filter, for no longer than its budget.

Each judgement runs in a thread of its own: a thread can't be ended from outside, so one that overruns is left behind
and counted. When as many as ``STUCK`` are left behind the filter isn't asked any more until one of them ends: a
message that makes the filter hang costs threads up to that number and never stops mail. What isn't judged passes,
marked.
"""

from __future__ import annotations

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
        self._lock = threading.Lock()
        self.unscanned = 0
        self.stuck = 0

    def judge(self, evidence: Evidence) -> Verdict:
        """The filter's verdict, or one with ``scanned`` False and a note when it failed or took too long."""
        if self.stuck >= STUCK:
            return self._pass(evidence, "filter overloaded")
        hearing = _Hearing(self._filter, evidence)
        thread = threading.Thread(target=self._hear, args=(hearing,), name="judge", daemon=True)
        thread.start()
        thread.join(self._settings.budget)
        with self._lock:
            if not hearing.ended:
                hearing.overrun = True
                self.stuck += 1
        if hearing.overrun:
            return self._pass(evidence, f"no verdict within {self._settings.budget:g} s")
        if hearing.verdict is None:
            return self._pass(evidence, "filter failed")
        return hearing.verdict

    def _hear(self, hearing: _Hearing) -> None:
        hearing.run()
        with self._lock:
            hearing.ended = True
            if hearing.overrun:
                self.stuck -= 1

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

    __slots__ = ("_evidence", "_filter", "ended", "overrun", "verdict")

    def __init__(self, spam_filter: Filter, evidence: Evidence) -> None:
        self._filter = spam_filter
        self._evidence = evidence
        self.verdict: Verdict | None = None
        self.ended = False
        self.overrun = False

    def run(self) -> None:
        try:
            self.verdict = self._filter.judge(self._evidence)
        except Exception:
            log.exception("spam.failed", id=self._evidence.envelope.id, incident=uuid.uuid4().hex[:12])

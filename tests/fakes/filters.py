"""A spam filter that does what the message says: judge, fail, hang or die."""

from __future__ import annotations

import os
import signal
import time

from spamfilter.evidence import Evidence
from spamfilter.verdict import Action, Hit, Verdict

HITS = (Hit("FROM_ODD", 7.0, "expéditeur étrange", "odd sender", "a \udc80 b"), Hit("DATE_PAST", -1.5, "daté", "dated"))


class Obedient:
    """The note of its verdicts is the number of the process."""

    def judge(self, evidence: Evidence) -> Verdict:
        body = bytes(evidence.buffer[evidence.headers.body_start :])
        if body.startswith(b"fail"):
            raise RecursionError
        if body.startswith(b"hang"):
            time.sleep(60)
        if body.startswith(b"die"):
            os.kill(os.getpid(), signal.SIGKILL)
        return Verdict(5.5, Action.JUNK, HITS, 0.75, 6.0, 15.0, True, str(os.getpid()))


def obedient() -> Obedient:
    return Obedient()


def missing() -> Obedient:
    """Can't be made."""
    raise OSError("no such model")

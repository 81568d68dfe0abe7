"""Asks the spam filter, which runs in processes of its own, for no longer than its budget.

A filter reads what enemies write: one day a message will make it hang, or crash the interpreter. A process can be ended
from outside, so one that overruns or dies is replaced, and costs the others nothing. Several judge at the same time on
several cores, beside the listeners. What isn't judged passes, marked and counted.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import multiprocessing
import pickle
import queue
import select
import signal
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from multiprocessing.connection import Connection
from operator import attrgetter
from typing import Any, Protocol

import structlog

from config.settings import Spam
from delivery.fields import ALL_FIELDS
from mailauth.results import AuthenticationResults, DkimResult, DmarcResult, SpfResult
from message.content import Content, FileContent, MemoryContent
from message.envelope import ClientInfo, Envelope, Recipient
from message.headers import parse_headers
from message.parts import scan
from spamfilter.evidence import Evidence, Namesake
from spamfilter.people import NO_STANDING, Standing
from spamfilter.verdict import Action, Hit, Verdict

log = structlog.get_logger()

#: Seconds beyond its budget that the filter has to come to an end by itself, before its process is killed.
MARGIN = 0.5

#: Seconds that a process may take to start: a large model is read then.
START = 60.0

#: Seconds between two attempts to start a process.
AGAIN = 2.0

#: Objects made between two looks for circles of them; a message makes thousands, and hardly ever a circle.
COLLECT_AFTER = 10_000


class Filter(Protocol):
    """What is asked of a spam filter."""

    def judge(self, evidence: Evidence) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Case:
    """One message on its way to judgement: what evidence is made of, as it travels between processes.

    ``mail`` are the octets, or the path of the file that holds them. ``names`` are display names of the recipients,
    ``namesakes`` the people of the site who bear the author's; ``standing`` is how the author stands with the
    recipients; ``person`` is the key of the one account that it is for, "" when there are several.
    """

    envelope: Envelope
    mail: bytes | str
    authentication: AuthenticationResults | None
    local_domains: frozenset[str]
    names: tuple[str, ...]
    namesakes: tuple[Namesake, ...] = ()
    standing: Standing = NO_STANDING
    person: str = ""

    @classmethod
    def of(
        cls,
        envelope: Envelope,
        content: Content,
        authentication: AuthenticationResults | None,
        local_domains: frozenset[str],
        names: tuple[str, ...],
        namesakes: tuple[Namesake, ...] = (),
        standing: Standing = NO_STANDING,
        person: str = "",
    ) -> Case:
        mail = content.path if isinstance(content, FileContent) else bytes(content.buffer())
        return cls(envelope, mail, authentication, local_domains, names, namesakes, standing, person)

    def judged_by(self, spam_filter: Filter) -> Verdict:
        """Read the message and have it judged."""
        content: Content = FileContent(self.mail) if isinstance(self.mail, str) else MemoryContent(self.mail)
        try:
            buffer = content.buffer()
            headers = parse_headers(buffer, max_fields=ALL_FIELDS)
            root = scan(buffer, headers)
            evidence = Evidence(
                self.envelope,
                buffer,
                headers,
                root,
                self.authentication,
                self.local_domains,
                self.names,
                self.namesakes,
                self.standing.known,
                self.standing.wanted,
                self.standing.unwanted,
                self.person,
            )
            return spam_filter.judge(evidence)
        finally:
            content.close()


class Judge:
    """Judging processes, each with a filter that ``make`` made in it. Safe from any thread.

    ``make`` is called in the new process and must be picklable. ``unscanned`` counts the messages that passed unjudged,
    ``replaced`` the processes that were killed or died.
    """

    def __init__(self, make: Callable[[], Filter], settings: Spam) -> None:
        """Starts ``settings.processes`` processes and waits until one can judge, for ``START`` seconds at most."""
        self._make = make
        self._settings = settings
        self._lock = threading.Lock()
        self._seats: set[_Seat] = set()
        self._idle: queue.SimpleQueue[_Seat] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._seated = threading.Event()
        self.unscanned = 0
        self.replaced = 0
        # Before multiprocessing's own, which waits for processes that wait for us.
        atexit.register(self.close)
        for _ in range(settings.processes):
            self._hire()
        self._seated.wait(START)

    def judge(self, case: Case) -> Verdict:
        """The filter's verdict, or one with ``scanned`` False and a note when it failed or took too long.

        Waits as long as the budget for a process that is free, and as long again, and ``MARGIN``, for its verdict.
        """
        try:
            seat = self._idle.get(timeout=self._settings.budget)
        except queue.Empty:
            return self._pass(case, "filter overloaded")
        try:
            verdict = seat.ask(case, self._settings.budget + MARGIN)
        except TimeoutError:
            self._replace(seat)
            return self._pass(case, f"no verdict within {self._settings.budget:g} s")
        except (EOFError, OSError):
            self._replace(seat)
            return self._pass(case, "filter died")
        except BaseException:
            self._replace(seat)
            raise
        self._idle.put(seat)
        return verdict if verdict is not None else self._pass(case, "filter failed")

    def close(self) -> None:
        """End the processes. Judgements under way pass."""
        atexit.unregister(self.close)
        self._closed.set()
        with self._lock:
            seats, self._seats = self._seats, set()
        for seat in seats:
            seat.kill()

    def _replace(self, seat: _Seat) -> None:
        with self._lock:
            self._seats.discard(seat)
            self.replaced += 1
        seat.kill()
        self._hire()

    def _hire(self) -> None:
        """Have a process started by a thread: nobody's message waits for it."""
        threading.Thread(target=self._seat_one, name="judge-start", daemon=True).start()

    def _seat_one(self) -> None:
        while not self._closed.is_set():
            try:
                seat = _Seat(self._make)
            except Exception as error:
                log.error("spam.judge.not_started", error=str(error) or type(error).__name__, again=AGAIN)
                self._closed.wait(AGAIN)
                continue
            with self._lock:
                self._seats.add(seat)
            if self._closed.is_set():
                seat.kill()
            self._idle.put(seat)
            self._seated.set()
            return

    def _pass(self, case: Case, note: str) -> Verdict:
        with self._lock:
            self.unscanned += 1
        log.warning("spam.unscanned", id=case.envelope.id, note=note, unscanned=self.unscanned, replaced=self.replaced)
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


class _Seat:
    """One judging process, seen from here; used by one thread at a time."""

    def __init__(self, make: Callable[[], Filter]) -> None:
        """Raises OSError or EOFError when the process can't start, TimeoutError when it takes too long."""
        # Forked from a small process that has the filter's modules and no threads: quick, safe, and memory is shared.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([getattr(make, "func", make).__module__])
        self._connection, theirs = context.Pipe()
        self._answered = select.poll()
        self._answered.register(self._connection.fileno(), select.POLLIN)
        self._process = context.Process(target=sit, args=(theirs, make), name="judge", daemon=True)
        try:
            self._process.start()
            theirs.close()
            self._answer(START)
        except BaseException:
            self.kill()
            raise

    def ask(self, case: Case, seconds: float) -> Verdict | None:
        """The verdict; None when the filter failed. Raises TimeoutError, and EOFError or OSError when it died."""
        self._connection.send_bytes(_pickled(case))
        return _decoded(self._answer(seconds))

    def _answer(self, seconds: float) -> bytes:
        if not self._answered.poll(seconds * 1000):
            raise TimeoutError
        return self._connection.recv_bytes()

    def kill(self) -> None:
        self._connection.close()
        if self._process.pid is not None:
            self._process.kill()


def sit(connection: Connection, make: Callable[[], Filter]) -> None:
    """The life of a judging process: it judges what comes until the other end is gone."""
    # Ctrl-C and systemd's SIGTERM reach all processes; what is under way is finished as long as somebody asks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    spam_filter = make()
    # What is there now stays: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    try:
        connection.send_bytes(_encoded(None))
        while True:
            connection.send_bytes(_encoded(_judged(spam_filter, pickle.loads(connection.recv_bytes()))))
    except (EOFError, OSError):
        return


def _judged(spam_filter: Filter, case: Case) -> Verdict | None:
    try:
        return case.judged_by(spam_filter)
    except Exception:
        log.exception("spam.failed", id=case.envelope.id, incident=uuid.uuid4().hex[:12])
        return None


def _values(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    """What gives the values of the fields of a dataclass in their order, much quicker than ``astuple``."""
    return attrgetter(*(field.name for field in fields(kind)))


_of_hit, _of_verdict = _values(Hit), _values(Verdict)


def _made_of(kind: type) -> Callable[[Any], tuple[Callable[..., Any], tuple[Any, ...]]]:
    values = _values(kind)
    return lambda one: (kind, values(one))


#: How cases are pickled: as calls of constructors, in half the time of their states.
_CASE_OF: dict[type, Callable[[Any], Any]] = {
    kind: _made_of(kind)
    for kind in (
        Case, Envelope, Recipient, ClientInfo, AuthenticationResults, SpfResult, DkimResult, DmarcResult, Namesake,
        Standing,
    )
}  # fmt: skip


def _pickled(case: Case) -> bytes:
    octets = io.BytesIO()
    pickler = pickle.Pickler(octets, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _CASE_OF
    pickler.dump(case)
    return octets.getvalue()


def _encoded(verdict: Verdict | None) -> bytes:
    """As JSON: what comes from a process that has read hostile mail is never unpickled."""
    return json.dumps(_of_verdict(verdict) if verdict is not None else None, default=_of_hit).encode()


def _decoded(octets: bytes) -> Verdict | None:
    found = json.loads(octets)
    if found is None:
        return None
    score, action, hits, *rest = found
    verdict = Verdict(score, Action(action), tuple(Hit(*hit) for hit in hits), *rest)
    return replace(
        verdict,
        guarded=tuple(verdict.guarded),
        origin=tuple(verdict.origin),
        files_at=tuple((symbol, at) for symbol, at in verdict.files_at),
    )

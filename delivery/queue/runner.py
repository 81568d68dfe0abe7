"""The queue's runner: leases due items, has them carried away, and writes down what became of them.

Crash-only: a runner keeps nothing that matters. Its leases tell others what it is trying; they are renewed while it
lives, given back by the next runner when it died, and an outcome is written in one transaction with the report that
the sender gets. So a message is never lost, and is sent twice only when the far server's 250 could not be written
down.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Connection

from config.settings import Queue
from delivery.dsn import ReportWriter, notice_of
from delivery.filing import Filer, Letter, Route, refuse, route
from delivery.outcome import Disposition, Fate, Reason
from delivery.queue.model import Attempt, QueuedMessage, State
from delivery.queue.presence import Presence
from delivery.queue.relay import Relay
from delivery.queue.schedule import Settlement, settle
from delivery.queue.store import LeaseLost, QueueStore
from directory.api import DirectoryUnavailable, Recipients
from message.content import PrefixedContent
from message.envelope import ClientInfo, Envelope, Recipient
from message.trace import return_path
from storage.api import AlongWith
from storage.errors import StoreError

log = structlog.get_logger()

#: Seconds that attempts under way get to end after a stop.
GRACE = 20.0

#: Longest wait between two tries to write down an outcome, in seconds.
PATIENCE = 30.0


class QueueRunner:
    """Works the queue off with at most ``settings.connections`` attempts at a time."""

    def __init__(
        self,
        queue: QueueStore,
        relay: Relay,
        filer: Filer,
        directory: Recipients,
        reports: ReportWriter,
        settings: Queue,
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self._relay = relay
        self._filer = filer
        self._directory = directory
        self._reports = reports
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._flights: dict[int, str] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._owner = ""

    def wake(self) -> None:
        """Look at the queue now: the bell of those who put something in. From any thread."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set (seen at ``wake`` or after ``settings.poll``); attempts get GRACE to end."""
        presence = Presence(self._queue.presence_folder)
        self._owner = presence.name
        next_care = 0.0
        while not stop.is_set():
            self._wake.clear()
            try:
                if time.monotonic() >= next_care:
                    self._take_care(presence)
                    next_care = time.monotonic() + self._settings.lease / 3
                self._start_due()
            except StoreError as error:
                log.warning("queue.unavailable", error=str(error))
            self._wake.wait(self._settings.poll)
        if self._drained():
            presence.leave()
        # Else the presence stays until the process ends: what is still being tried is not for others yet.

    def _take_care(self, presence: Presence) -> None:
        """Lengthen our leases, and give back those of the dead."""
        with self._lock:
            flying = tuple(self._flights)
        if flying:
            self._queue.renew(self._owner, flying, self._clock() + self._settings.lease)
        presence.bury_dead(self._release)

    def _release(self, owner: str) -> None:
        log.info("queue.released", owner=owner, items=self._queue.release(owner, self._clock()))

    def _start_due(self) -> None:
        with self._lock:
            busy = dict(self._flights)
        room = self._settings.connections - len(busy)
        if room <= 0:
            return
        now = self._clock()
        for item in self._queue.lease(
            self._owner, now, now + self._settings.lease, room, busy, self._settings.per_destination
        ):
            with self._lock:
                self._flights[item.id] = item.destination
            threading.Thread(target=self._fly, args=(item,), name=f"queue-{item.id}", daemon=True).start()

    def _drained(self) -> bool:
        end = time.monotonic() + GRACE
        while (rest := end - time.monotonic()) > 0:
            self._wake.clear()
            with self._lock:
                if not self._flights:
                    return True
            self._wake.wait(rest)
        log.warning("queue.stopped_while_sending", items=len(self._flights))
        return False

    # ------------------------------------------------------------ one item, in a thread of its own

    def _fly(self, item: QueuedMessage) -> None:
        try:
            if self._directory.is_local_domain(item.destination):
                self._file(item)
            else:
                self._write_down(item, self._attempts(item))
        except Exception:
            # The lease stays: the item is tried again when it ends.
            log.exception("queue.attempt_failed", item=item.id, id=item.message_id)
        finally:
            item.content.close()
            with self._lock:
                del self._flights[item.id]
            self._wake.set()

    def _attempts(self, item: QueuedMessage) -> Sequence[Attempt]:
        try:
            return self._relay.attempt(item)
        except Exception:
            incident = uuid.uuid4().hex[:12]
            log.exception("queue.relay_failed", incident=incident, item=item.id, id=item.message_id)
            return _same_for_all(item, 451, "4.3.0", f"internal error {incident}")

    def _write_down(self, item: QueuedMessage, attempts: Sequence[Attempt]) -> None:
        """Record the outcome, while the store is away again and again: a 250 forgotten is a mail sent twice."""
        pause = 0.5
        while True:
            settlement = self._settled(item, attempts)
            try:
                notice = notice_of(self._reports, item, settlement, self._clock(), self._settings.give_up)
                self._queue.settle(item, self._owner, settlement, [notice] if notice is not None else [])
            except LeaseLost as error:
                log.error("queue.lease_lost", item=item.id, id=item.message_id, error=str(error))
                return
            except StoreError as error:
                log.error("queue.outcome_waits", item=item.id, id=item.message_id, error=str(error))
                time.sleep(pause)
                pause = min(pause * 2, PATIENCE)
            else:
                _log_outcome(item, settlement)
                return

    def _settled(self, item: QueuedMessage, attempts: Sequence[Attempt]) -> Settlement:
        return settle(item, attempts, self._clock(), self._settings, self._chance())

    # ------------------------------------------------------------ recipients that are here

    def _file(self, item: QueuedMessage) -> None:
        """File an item of a local domain (reports to our users are queued) in one transaction with its outcome."""
        bodies: list[str | None] = []
        settlements: list[Settlement] = []

        def also(dispositions: tuple[Disposition, ...]) -> AlongWith:
            settlement = self._settled(item, _as_attempts(dispositions))
            notice = notice_of(self._reports, item, settlement, self._clock(), self._settings.give_up)
            staged = self._queue.stage(notice) if notice is not None else None

            def along(connection: Connection) -> None:
                # May be called again when the first transaction was rolled back: the last call counts.
                bodies[:] = [self._queue.record(connection, item, self._owner, settlement)]
                settlements[:] = [settlement]
                if staged is not None:
                    self._queue.enqueue(connection, staged)

            return along

        try:
            dispositions = self._filer.keep(self._letter(item), also)
        except DirectoryUnavailable as error:
            self._write_down(item, _same_for_all(item, 451, "4.3.0", f"directory unavailable: {error}"))
            return
        except StoreError as error:
            self._write_down(item, _same_for_all(item, 451, "4.3.0", f"store unavailable: {error}"))
            return
        except LeaseLost as error:
            log.error("queue.lease_lost", item=item.id, id=item.message_id, error=str(error))
            return
        if not settlements:
            self._write_down(item, _as_attempts(dispositions))
            return
        self._queue.forget(bodies[0])
        _log_outcome(item, settlements[0])

    def _letter(self, item: QueuedMessage) -> Letter:
        recipients = tuple(Recipient(one.address, one.original, one.notify) for one in item.waiting())
        envelope = Envelope(
            id=item.message_id,
            sender=item.sender,
            recipients=recipients,
            client=ClientInfo(address=""),
            received_at=self._clock(),
            smtputf8=item.smtputf8,
            ret=item.ret,
            envid=item.envid,
        )
        return Letter(
            envelope=envelope,
            routes=tuple(self._route(recipient) for recipient in recipients),
            local=PrefixedContent(return_path(item.sender), item.content),
            remote=item.content,
            # What is to be told is in the item's settlement.
            reports=False,
        )

    def _route(self, recipient: Recipient) -> Route:
        found = route(self._directory, recipient, "en", relay=False)
        if any(self._directory.is_local_domain(address.rpartition("@")[2]) for address in found.elsewhere):
            # Queueing it for ourselves again could go on for ever.
            return refuse(recipient, Reason.LOOP, "en")
        return found


def _same_for_all(item: QueuedMessage, code: int, status: str, text: str) -> tuple[Attempt, ...]:
    return tuple(Attempt(recipient.address, code, status, text) for recipient in item.waiting())


def _as_attempts(dispositions: Sequence[Disposition]) -> tuple[Attempt, ...]:
    return tuple(Attempt(one.recipient, *_ATTEMPTS[one.fate], one.text or one.reason.value) for one in dispositions)


_ATTEMPTS = {Fate.KEPT: (250, "2.0.0"), Fate.REFUSED: (550, "5.1.1"), Fate.LATER: (452, "4.2.2")}


def _log_outcome(item: QueuedMessage, settlement: Settlement) -> None:
    for before, after in zip(item.recipients, settlement.recipients, strict=True):
        if before.state is State.WAITING:
            log.info(
                "queue.outcome",
                item=item.id,
                id=item.message_id,
                recipient=after.address,
                state=after.state.value,
                code=after.code,
                status=after.status,
                text=after.text[:200],
                remote=after.remote,
                attempts=item.attempts + 1,
                next_at=settlement.due_at,
            )

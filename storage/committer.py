"""Group commit: messages that wait at the same time become durable by one set of directory syncs and one transaction.

The caller has written and fsynced its body (in parallel with others). A single thread takes all that wait, gives each
body its places, syncs each directory once, and commits the rows of all in one transaction. Only then the callers go on.
A commit costs about the same for one and for twenty: those of whom it is known that they are on their way are waited
for, but not for long (as commit_delay and commit_siblings of PostgreSQL). Who is alone never waits, and commits itself.
One that can't be kept (over quota, mailbox gone) fails alone; a failure of the whole is told to each of the batch.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection, Insert

from message.summary import Summary
from storage.blobs.api import BlobStore, BodyName, Place, Staged
from storage.database import Database, NewRow
from storage.doorbell import Doorbell
from storage.errors import Contended, NoSuchAccount, NoSuchMailbox, NoSuchMessage, OverQuota, StoreError, Unavailable
from storage.index import mailboxes, messages
from storage.index.ledger import Ledger, Limits
from storage.index.pools import Pools
from storage.model import MessageRow, SpecialUse
from storage.names import INBOX

log = structlog.get_logger()

#: Requests in one transaction at most, so that nobody waits long for others.
BATCH = 256

#: Seconds that a batch waits at most for those who are on their way.
COMPANY = 0.02

#: Targets whose places are remembered.
KNOWN_TARGETS = 50_000


@dataclass(frozen=True, slots=True)
class Target:
    """A mailbox by number, or by special use, or by name; the latter two fall back to INBOX."""

    account: int
    mailbox: int | None = None
    use: SpecialUse | None = None
    name: str = INBOX


@dataclass(frozen=True, slots=True)
class Entry:
    """One message row to be: into which mailbox, with which marks, and the octets it shares with other entries.

    ``replaces`` is the mailbox and UID of a message of the same account that goes when this one comes.
    """

    target: Target
    staged: Staged
    summary: Summary
    system: int
    keywords: tuple[str, ...]
    internal_date: int
    zone: int
    replaces: tuple[int, int] | None = None


@dataclass(slots=True)
class Request:
    """Entries that are kept all or none, with what commits along with them: a call, and rows of their own."""

    entries: Sequence[Entry]
    along: Callable[[Connection], None] | None
    rows: Sequence[NewRow]
    noted: Callable[[Connection, list[int]], None] | None
    done: Future[list[tuple[int, int, int]]] = field(default_factory=Future)


@dataclass(slots=True)
class _Placed:
    """A request whose bodies have their places."""

    request: Request
    rows: list[tuple[Entry, int, Place, BodyName]] = field(default_factory=list)


class _Coming(AbstractContextManager[None]):
    """Counts the threads that are within it; those that enter it again within it are counted once."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._depth = threading.local()

    def __enter__(self) -> None:
        depth = getattr(self._depth, "value", 0)
        self._depth.value = depth + 1
        if not depth:
            with self._lock:
                self.count += 1

    def __exit__(self, *_: object) -> None:
        self._depth.value -= 1
        if not self._depth.value:
            with self._lock:
                self.count -= 1


class _Moved(Exception):
    """A mailbox was renamed or deleted between placing the bodies and the transaction."""


class Committer:
    """See the module. ``keep`` blocks its caller; one thread per process does the work."""

    def __init__(self, database: Database, blobs: BlobStore, doorbell: Doorbell, limits: Limits) -> None:
        self._database = database
        self._blobs = blobs
        self._doorbell = doorbell
        self._limits = limits
        # Where targets led last time; a wrong answer is found in the transaction, and asked for again.
        self._known: dict[Target, tuple[int, Place]] = {}
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._coming = _Coming()
        self._start = threading.Lock()
        #: Held by whoever commits.
        self._busy = threading.Lock()
        self._thread: threading.Thread | None = None

    def coming(self) -> AbstractContextManager[None]:
        """Within it the calling thread is on its way to ``keep``: others wait a little for it."""
        return self._coming

    def keep(
        self,
        entries: Sequence[Entry],
        along: Callable[[Connection], None] | None = None,
        rows: Sequence[NewRow] = (),
        noted: Callable[[Connection, list[int]], None] | None = None,
    ) -> list[tuple[int, int, int]]:
        """Keep all entries or none; returns (account, mailbox, uid) of each.

        ``along`` and ``noted``, which is told the UIDs, run in the same transaction, and again where it is tried again.
        The staged bodies are left to the caller to discard, whatever happens.
        """
        request = Request(entries, along, rows, noted)
        with self._coming:
            if not self._settled_alone(request):
                self._start_thread()
                self._waiting.put(request)
            return request.done.result()

    def close(self) -> None:
        """Finish what waits and end the thread."""
        with self._start:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()
        with self._busy:
            pass

    # ---------------------------------------------------------------- alone

    def _settled_alone(self, request: Request) -> bool:
        """Commit a request in its own thread: false where there are others, on their way or at it."""
        if self._coming.count > 1 or not self._busy.acquire(blocking=False):
            return False
        try:
            self._settle([request])
        finally:
            self._busy.release()
        return True

    # ---------------------------------------------------------------- the thread

    def _start_thread(self) -> None:
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (request := self._waiting.get()) is not None:
            # Those who come while somebody else commits are company.
            with self._busy:
                batch, ended = self._company(request)
                self._settle(batch)
            if ended:
                return

    def _company(self, request: Request) -> tuple[list[Request], bool]:
        """A request with those that come until it has waited long enough; whether the thread is to end after them."""
        batch = [request]
        end = time.monotonic() + COMPANY
        while len(batch) < BATCH:
            alone = self._coming.count <= len(batch)
            try:
                another = self._waiting.get(timeout=0 if alone else max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
            if another is None:
                return batch, True
            batch.append(another)
        return batch, False

    def _settle(self, batch: list[Request]) -> None:
        """Commit a batch; when that fails and it holds several requests, each for itself, to find the bad one."""
        try:
            results = self._commit(batch)
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, Unavailable):
                for request in batch:
                    self._settle([request])
                return
            for request in batch:
                request.done.set_exception(error)
            return
        for request, result in zip(batch, results, strict=True):
            if isinstance(result, StoreError):
                request.done.set_exception(result)
            else:
                request.done.set_result(result)

    def _commit(self, batch: list[Request]) -> list[list[tuple[int, int, int]] | StoreError]:
        contended: Contended | None = None
        for _ in range(5):
            places = self._resolve(batch)
            placed: list[_Placed] = []
            try:
                for request in batch:
                    placed.append(self._place(request, places))
                self._blobs.sync(place for one in placed for _, _, place, _ in one.rows)
                with self._database.write() as connection:
                    results, rings = self._write(connection, placed)
            except _Moved:
                self._undo(placed)
                for target in places:
                    self._known.pop(target, None)
                continue
            except Contended as error:
                self._undo(placed)
                contended = error
                continue
            except BaseException:
                self._undo(placed)
                raise
            for one, result in zip(placed, results, strict=True):
                if isinstance(result, StoreError):
                    self._undo([one])
            self._doorbell.ring(rings)
            return results
        raise contended or Unavailable("the mailbox is being renamed again and again")

    def _undo(self, placed: Iterable[_Placed]) -> None:
        for one in placed:
            for _, _, place, name in one.rows:
                try:
                    self._blobs.remove(place, name)
                except StoreError as error:
                    log.warning("committer.orphan_left", blob=name.blob, error=str(error))

    # ---------------------------------------------------------------- before the transaction

    def _resolve(self, batch: Iterable[Request]) -> dict[Target, tuple[int, Place] | StoreError]:
        """Mailbox number and place of each target."""
        places: dict[Target, tuple[int, Place] | StoreError] = {}
        unknown: list[Target] = []
        for target in {entry.target for request in batch for entry in request.entries}:
            found = self._known.get(target)
            if found is None:
                unknown.append(target)
            else:
                places[target] = found
        if unknown:
            if len(self._known) > KNOWN_TARGETS:
                self._known.clear()
            with self._database.read() as connection:
                for target in unknown:
                    places[target] = self._look_up(connection, target)
        return places

    def _look_up(self, connection: Connection, target: Target) -> tuple[int, Place] | StoreError:
        try:
            key = mailboxes.account_key(connection, target.account)
            number, folder, exact = _choose(target, mailboxes.folders(connection, target.account))
        except (NoSuchAccount, NoSuchMailbox) as error:
            return error
        found = number, Place(key, folder)
        if exact:
            # A fallback is not remembered: the mailbox that was meant may be made at any time.
            self._known[target] = found
        return found

    def _place(self, request: Request, places: dict[Target, tuple[int, Place] | StoreError]) -> _Placed:
        placed = _Placed(request)
        try:
            for entry in request.entries:
                found = places[entry.target]
                if isinstance(found, StoreError):
                    raise found
                number, place = found
                name = BodyName(self._blobs.new_name(), entry.staged.size, entry.system)
                self._blobs.put(entry.staged, place, name)
                placed.rows.append((entry, number, place, name))
        except BaseException:
            self._undo([placed])
            raise
        return placed

    # ---------------------------------------------------------------- the transaction

    def _write(
        self, connection: Connection, placed: Sequence[_Placed]
    ) -> tuple[list[list[tuple[int, int, int]] | StoreError], list[tuple[int, int]]]:
        accounts = sorted({entry.target.account for one in placed for entry, _, _, _ in one.rows})
        # In rising order, so that two processes can't wait for each other's row locks.
        shared = Pools(connection)
        ledgers = {account: Ledger(connection, account, self._limits, shared) for account in accounts}
        results: list[list[tuple[int, int, int]] | StoreError] = []
        rows: dict[Insert, list[Mapping[str, object]]] = {}
        for one in placed:
            try:
                gone = self._check(connection, one, ledgers)
            except StoreError as error:
                results.append(error)
                continue
            if one.request.along is not None:
                one.request.along(connection)
            for statement, values in one.request.rows:
                rows.setdefault(statement, []).append(values)
            contents: dict[tuple[int, str], int] = {}
            entered = [_enter(entry, number, name, ledgers, contents) for entry, number, _, name in one.rows]
            if one.request.noted is not None:
                one.request.noted(connection, [uid for _, _, uid in entered])
            results.append(entered)
            for ledger, mailbox, row in gone:
                messages.expunge(ledger, ledger.mailbox(mailbox), [row])
        for statement, each in rows.items():
            connection.execute(statement, each)
        rings = [ring for ledger in ledgers.values() for ring in ledger.close()]
        return results, rings

    def _check(
        self, connection: Connection, one: _Placed, ledgers: dict[int, Ledger]
    ) -> list[tuple[Ledger, int, MessageRow]]:
        """Raises what keeps a request from being kept; returns the messages that it replaces."""
        gone: list[tuple[Ledger, int, MessageRow]] = []
        need: dict[int, tuple[int, int]] = {}
        elsewhere: set[int] = set()
        for entry, number, place, _ in one.rows:
            ledger = ledgers[entry.target.account]
            try:
                if ledger.place(ledger.mailbox(number)) != place:
                    raise _Moved
            except NoSuchMailbox:
                raise _Moved from None
            if not ledger.mailbox(number).charged:
                continue
            if ledger.mailbox(number).special_use is not SpecialUse.SENT:
                elsewhere.add(entry.target.account)
            octets, count = need.get(entry.target.account, (0, 0))
            need[entry.target.account] = octets + entry.staged.size, count + 1
            if entry.replaces is not None:
                row = _replaced(connection, entry.target.account, *entry.replaces)
                gone.append((ledger, entry.replaces[0], row))
                octets, count = need[entry.target.account]
                need[entry.target.account] = octets - row.size, count - 1
        set_aside: list[tuple[Ledger, int, int]] = []
        full: list[OverQuota] = []
        for account, (octets, count) in need.items():
            if octets > 0 or count > 0:
                try:
                    ledgers[account].check_room(octets, count, sent=account not in elsewhere)
                except OverQuota as error:
                    full.append(error)
                    continue
                # The next account may share a quota with this one.
                ledgers[account].set_aside(octets, count)
                set_aside.append((ledgers[account], octets, count))
        for ledger, octets, count in set_aside:
            ledger.set_aside(-octets, -count)
        if full:
            # All at once: the caller leaves them out and tries again, which would take long one by one.
            raise OverQuota(full[0].account, str(full[0]), (error.account for error in full))
        return gone


def _enter(
    entry: Entry, number: int, name: BodyName, ledgers: dict[int, Ledger], contents: dict[tuple[int, str], int]
) -> tuple[int, int, int]:
    """Write a row; entries of one account that share a body share its content row, kept in ``contents``."""
    account = entry.target.account
    ledger = ledgers[account]
    key = account, entry.staged.token
    if key not in contents:
        contents[key] = ledger.add_content(entry.summary, entry.staged.digest)
    uid = ledger.add_message(
        ledger.mailbox(number),
        modseq=ledger.next_modseq(),
        system=entry.system,
        keywords=entry.keywords,
        size=entry.staged.size,
        internal_date=entry.internal_date,
        zone=entry.zone,
        content=contents[key],
        blob=name.blob,
    )
    return account, number, uid


def _replaced(connection: Connection, account: int, mailbox: int, uid: int) -> MessageRow:
    rows = messages.rows_of(connection, account, mailbox, [uid])
    if not rows:
        raise NoSuchMessage("the message to be replaced is gone")
    return rows[0]


def _choose(target: Target, folders: dict[int, tuple[str, str, str | None]]) -> tuple[int, str, bool]:
    """Number and folder of the mailbox meant, and whether it is that one and not INBOX in its place."""
    if target.mailbox is not None:
        if target.mailbox not in folders:
            raise NoSuchMailbox("the mailbox is gone")
        return target.mailbox, folders[target.mailbox][1], True
    inbox: tuple[int, str] | None = None
    for number, (name, folder, use) in folders.items():
        if use == target.use.value if target.use is not None else name == target.name:
            return number, folder, True
        if name == INBOX:
            inbox = number, folder
    if inbox is None:
        raise NoSuchMailbox("the account has no INBOX")
    return *inbox, False

"""The queue process: the outbound runner, learning from moves, sweeping."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
import time
from collections.abc import Callable

import structlog

from config.settings import Settings
from mailserver import lifecycle, logs
from mailserver.control import Control
from mailserver.wiring import Rooms
from spamfilter import campaigns, outcomes, record, reputation
from spamfilter.people import forget_written
from storage.doorbell import QUEUE
from storage.errors import StoreError
from storage.model import SpecialUse

log = structlog.get_logger()

#: Seconds between rounds of the chores.
LEARN = 2.0
SWEEP = 30.0

#: Seconds between looks for messages that the text index doesn't have, and the longest rest after a block of them. To
#: open an account's index costs more than to add a message: less than ``SEVERAL`` wait for every ``ALL``-th look.
INDEX = 1.0
REST = 0.5
SEVERAL = 20
ALL = 15

#: Seconds until the names of files show what flags were changed.
RENAME = 2.0

#: Seconds between looks for mailboxes that are nearly full.
TELL = 60.0

#: Seconds between looks for what stood long enough in Junk and Trash.
EXPIRE = 3600.0

#: Seconds between looks for people who are to be told what was held back.
DIGEST = 300.0

#: Seconds between looks for what people report.
REPORT = 5.0

#: Accounts whose text index is rid of what is gone, in one round of sweeping.
PRUNE = 20

#: Mailboxes whose files and rows are compared in one round of sweeping.
SCRUB = 20


def run(settings: Settings) -> int:
    """Work until SIGTERM; returns the exit status."""
    lifecycle.drop_rights(settings.site.user, settings.site.data)
    logs.set_up(settings.log, "queue")
    rooms = Rooms(settings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    control = Control()
    runner = threading.Thread(target=rooms.runner.run, args=(stop,), name="runner")
    chores = [threading.Thread(target=_chore, args=(stop, SWEEP, lambda: _sweep(rooms)), name="sweep")]
    chores.append(threading.Thread(target=_chore, args=(stop, RENAME, rooms.store.rename_bodies), name="rename"))
    looks = itertools.count(1)
    chores.append(
        threading.Thread(target=_chore, args=(stop, INDEX, lambda: _index(rooms, stop, next(looks))), name="index")
    )
    chores.append(threading.Thread(target=_chore, args=(stop, TELL, lambda: _tell_full(rooms)), name="quota"))
    chores.append(threading.Thread(target=_chore, args=(stop, EXPIRE, lambda: _expire(rooms)), name="expire"))
    if settings.spam.learn_from_moves:
        chores.append(threading.Thread(target=_chore, args=(stop, LEARN, rooms.learning.catch_up), name="learn"))
    chores.append(threading.Thread(target=_chore, args=(stop, REPORT, lambda: _report(rooms)), name="report"))
    if settings.spam.digest:
        chores.append(threading.Thread(target=_chore, args=(stop, DIGEST, lambda: _digest(rooms)), name="digest"))
    end_watch = rooms.doorbell.watch(QUEUE, lambda _: rooms.runner.wake())
    for thread in (runner, *chores):
        thread.start()
    control.ready()
    while not stop.wait(control.interval):
        # Without its runner this process is of no use: end, and be started again.
        if not runner.is_alive() or not control.beat():
            stop.set()
    control.stopping()
    end_watch()
    for thread in (runner, *chores):
        thread.join(20)
    with contextlib.suppress(StoreError):
        rooms.store.rename_bodies()
    rooms.close()
    return 0


def _chore(stop: threading.Event, interval: float, work: Callable[[], object]) -> None:
    """Do something again and again; a failure is logged and does not end it."""
    while not stop.wait(interval):
        try:
            work()
        except StoreError as error:
            log.warning("chore.put_off", chore=threading.current_thread().name, error=str(error))
        except Exception:
            log.exception("chore.failed", chore=threading.current_thread().name)


def _index(rooms: Rooms, stop: threading.Event, look: int) -> None:
    """Let searches find what came; after each block rest as long as it took, for the other threads' sake."""
    least = SEVERAL if look % ALL else 1
    busy = 0.0

    def rest(_: int, seconds: float) -> bool:
        nonlocal busy
        busy += seconds
        return stop.wait(min(seconds, REST))

    added = rooms.indexer.catch_up(rest, least)
    if added:
        log.info("texts.added", messages=added, a_second=round(added / max(busy, 0.001)))


def _tell_full(rooms: Rooms) -> None:
    """Tell owners of mailboxes that are nearly full."""
    told = rooms.quota_notices.catch_up(time.time())
    if told:
        log.info("quota.told", accounts=told)


def _report(rooms: Rooms) -> None:
    """Deal with what people report, and tell the hotline."""
    now = time.time()
    rooms.report_desk.catch_up(now)
    rooms.hotline.catch_up(now)


def _digest(rooms: Rooms) -> None:
    """Tell people what was held back for them."""
    told = rooms.digests.catch_up(time.time())
    if told:
        log.info("quarantine.told", accounts=told)


def _expire(rooms: Rooms) -> None:
    """Expunge what stood long enough in Junk, Trash and mailboxes with a rule of their own."""
    limits = rooms.settings.store
    for use, age in ((SpecialUse.JUNK, limits.keep_junk), (SpecialUse.TRASH, limits.keep_trash)):
        expired = rooms.retention.expire(use, time.time() - age) if age else 0
        if expired:
            log.info("store.expired", use=use.value, messages=expired)
    expired = rooms.retention.expire_ruled(time.time())
    if expired:
        log.info("store.expired", use="by rule", messages=expired)
    if limits.keep_held:
        expired = rooms.retention.expire_held(time.time() - limits.keep_held)
        if expired:
            log.info("quarantine.expired", messages=expired)
    rooms.held.forget_outcomes(time.time() - limits.keep_held - limits.keep_history)


def _sweep(rooms: Rooms) -> None:
    now = time.time()
    swept = rooms.store.sweep(now)
    swept += rooms.queue.sweep(now, rooms.settings.store.orphan_age)
    swept += rooms.store.scrub(now, SCRUB)
    forget_written(rooms.database, now - rooms.settings.spam.correspondents_kept)
    record.forget_before(rooms.database, now - rooms.settings.spam.records_kept)
    outcomes.catch_up(rooms.database, now)
    reputation.forget(rooms.database, now)
    campaigns.forget_before(rooms.database, now - rooms.settings.spam.records_kept)
    forgotten = rooms.indexer.prune(PRUNE)
    if swept or forgotten:
        log.info("store.swept", bodies=swept, texts=forgotten)

"""The spam filter learns from what people do: into Junk or marked $Phishing is spam, out of Junk (not into Trash) ham.

The store's event log says who moved what. A cursor is kept with it, so each event is looked at by one reader about
once; what is looked at twice after a crash changes nothing, because the trainer learns a message once.
"""

from __future__ import annotations

from typing import Protocol

import structlog

from config.settings import Spam
from delivery.reports.log import Kind, note_report, report_of
from message.content import Buffer, Content
from storage import events
from storage.database import Database
from storage.errors import Damaged, NoSuchAccount, NoSuchMailbox, NoSuchMessage, StoreError
from storage.events import REPORTED, Event
from storage.model import SpecialUse

log = structlog.get_logger()

#: Name under which the cursor is kept.
READER = "learning"

#: Events read at a time.
BATCH = 100


class Trainer(Protocol):
    """What is asked of a trainer."""

    def learn(self, buffer: Buffer, *, spam: bool, account: str | None) -> bool:
        """Learn a message once per account; True when that changed something."""
        ...


class EventSource(Protocol):
    """The part of the store that knows what people did."""

    def events_after(self, cursor: int, limit: int) -> list[Event]: ...

    def event_body(self, event: Event) -> Content: ...


class Learning:
    """Teaches the filter. How much one account may teach in a day is the trainer's to watch."""

    def __init__(self, database: Database, store: EventSource, trainer: Trainer, settings: Spam) -> None:
        self._database = database
        self._store = store
        self._trainer = trainer
        self._settings = settings

    def catch_up(self) -> int:
        """Deal with all that happened since the last time; returns how many messages were learnt.

        Raises storage.errors.Unavailable; what was dealt with before it is not dealt with again.
        """
        with self._database.read() as connection:
            cursor = events.cursor_of(connection, READER)
        learnt = 0
        while batch := self._store.events_after(cursor, BATCH):
            learnt += sum(self._learn(event) for event in batch)
            cursor = batch[-1].id
            with self._database.write() as connection:
                events.save_cursor(connection, READER, cursor)
        return learnt

    def _learn(self, event: Event) -> bool:
        spam = lesson(event)
        if spam is None or not self._settings.learn_from_moves:
            return False
        try:
            content = self._store.event_body(event)
        except (NoSuchMessage, NoSuchMailbox, NoSuchAccount, Damaged) as error:
            log.info("learning.skipped", account=event.account_key, number=event.id, reason=type(error).__name__)
            return False
        try:
            changed = self._trainer.learn(content.buffer(), spam=spam, account=event.account_key)
        except StoreError:
            raise
        except Exception:
            # One message that can't be learnt must not keep all later ones from being learnt.
            log.exception("learning.failed", account=event.account_key, number=event.id)
            return False
        else:
            if event.kind == REPORTED:
                one = report_of(content.buffer(), event.account_key, Kind.PHISHING, "keyword", event.at)
                with self._database.write() as connection:
                    note_report(connection, one)
        finally:
            content.close()
        if changed:
            log.info("learning.learnt", account=event.account_key, number=event.id, spam=spam)
        return changed


def lesson(event: Event) -> bool | None:
    """True for spam, False for ham, None when the event teaches nothing.

    The keyword $Phishing, set by a person, says what a move to Junk says. A move into Trash says only that somebody
    has read a message; within Junk nothing is said.
    """
    if event.kind == REPORTED:
        return True
    if event.target_use is event.source_use:
        return None
    if event.target_use is SpecialUse.JUNK:
        return True
    if event.source_use is SpecialUse.JUNK and event.target_use is not SpecialUse.TRASH:
        return False
    return None

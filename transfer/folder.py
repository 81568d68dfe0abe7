"""One folder's messages come into a mailbox."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import structlog
from sqlalchemy import Connection

from message.content import MemoryContent
from message.summary import summarise
from storage.errors import LimitReached, OverQuota, StoreError, Unavailable
from storage.model import FlagChange, Mailbox, MessageRow, NewMessage, System
from transfer import marks
from transfer.errand import Errand
from transfer.parity import FolderReport
from transfer.patience import PORTION_OCTETS, portions
from transfer.source import Listing, SourceFolder, SourceMessage, Unreadable
from transfer.state import FolderState, Known

log = structlog.get_logger()

#: Messages whose flags are changed at a time.
_FLAGS = 1000

_DELETED = int(System.DELETED)


class FolderArrival:
    """See the module."""

    def __init__(
        self, errand: Errand, folder: SourceFolder, noted: FolderState, box: Mailbox, report: FolderReport
    ) -> None:
        """``noted`` is the state of the folder, ``box`` where it comes to."""
        self._source = errand.source
        self._store = errand.store
        self._state = errand.state
        self._settings = errand.settings
        self._largest = errand.wishes.largest
        self._patience = errand.patience
        self._quota = errand.quota
        self._told = errand.told
        self._folder = folder
        self._noted = noted
        self._account, self._mailbox = box.account, box.id
        self._report = report

    def take(self, listing: Listing, known: dict[str, Known]) -> list[SourceMessage]:
        """Bring what is not ``known``, which grows, and flags that changed there.

        Returns the messages with the keywords that can be kept.
        """
        view = self._store.view(self._account, self._mailbox)
        limits = marks.Limits(self._settings.keywords, self._settings.keyword_length)
        messages, refused = marks.keep(listing.messages, view.keywords, limits)
        for keyword, count in refused:
            self._report.differences.add(f"the keyword {keyword} can't be kept here", count=count)
        new = [one for one in messages if one.key not in known]
        if new:
            self._bring(new, known, {row.uid: row for row in view.rows})
        self._take_flags([one for one in messages if one.key in known], known)
        return messages

    # ---------------------------------------------------------------- bodies

    def _bring(self, new: Sequence[SourceMessage], known: dict[str, Known], rows: dict[int, MessageRow]) -> None:
        here = self._unnoted(known, rows)
        batch: list[tuple[SourceMessage, bytes]] = []
        octets = 0
        for portion in portions(self._small_enough(new)):
            for one, got in self._patience.octets(self._source, self._folder, portion):
                if isinstance(got, Unreadable):
                    self._left_out(str(got), one)
                elif len(got) > self._largest:
                    self._too_large(one)
                elif uids := here.get(hashlib.sha256(got).digest() if here else b""):
                    row = rows[uids.pop(0)]
                    known[one.key] = Known(row.uid, row.system, row.keywords)
                    self._state.claim(self._noted, [(one, known[one.key])])
                    self._report.found += 1
                    self._told(1)
                else:
                    batch.append((one, got))
                    octets += len(got)
                    if octets >= PORTION_OCTETS:
                        self._keep(batch, known)
                        batch, octets = [], 0
            self._keep(batch, known)
            batch, octets = [], 0

    def _unnoted(self, known: dict[str, Known], rows: dict[int, MessageRow]) -> dict[bytes, list[int]]:
        """Messages here that no note tells of, by SHA-256."""
        noted = {one.uid for one in known.values()}
        found: defaultdict[bytes, list[int]] = defaultdict(list)
        if rows.keys() - noted:
            for uid, digest in self._store.digests(self._account, self._mailbox).items():
                if uid in rows and uid not in noted:
                    found[digest].append(uid)
        return dict(found)

    def _small_enough(self, new: Sequence[SourceMessage]) -> Iterator[SourceMessage]:
        for one in new:
            if self._quota.exhausted:
                self._left_out(self._quota.exhausted, one)
            elif one.size is not None and one.size > self._largest:
                self._too_large(one)
            else:
                yield one

    def _too_large(self, one: SourceMessage) -> None:
        self._left_out(f"larger than {self._largest} octets: raise --largest", one)

    def _left_out(self, why: str, one: SourceMessage) -> None:
        self._report.differences.add(f"did not come: {why}", one.key)
        self._told(1)

    def _keep(self, batch: Sequence[tuple[SourceMessage, bytes]], known: dict[str, Known]) -> None:
        """Keep messages and the notes of them in one transaction; when that fails, each for itself."""
        if self._quota.exhausted:
            for one, _ in batch:
                self._left_out(self._quota.exhausted, one)
        elif batch:
            try:
                self._patience.call(lambda: self._append(batch, known))
            except Unavailable:
                raise
            except Exception as error:
                if len(batch) > 1:
                    for pair in batch:
                        self._keep([pair], known)
                else:
                    self._failed(batch[0][0], error)

    def _failed(self, one: SourceMessage, error: Exception) -> None:
        if isinstance(error, OverQuota):
            self._quota.exhausted = f"over the quota ({error}): raise it and run again"
            self._left_out(self._quota.exhausted, one)
        elif isinstance(error, StoreError):
            self._left_out(f"the store refuses it: {error}", one)
        else:
            log.error("import.message_failed", folder=self._folder.name, key=one.key, exc_info=error)
            self._left_out(f"it can't be taken in ({type(error).__name__}); the log has more", one)

    def _append(self, batch: Sequence[tuple[SourceMessage, bytes]], known: dict[str, Known]) -> None:
        new: dict[str, Known] = {}

        def note(connection: Connection, uids: list[int]) -> None:
            new.clear()
            new.update(
                (one.key, Known(uid, one.system, one.keywords)) for (one, _), uid in zip(batch, uids, strict=True)
            )
            self._state.note(connection, self._noted, ((one, new[one.key]) for one, _ in batch))

        self._store.append(self._account, self._mailbox, [_message(one, octets) for one, octets in batch], note)
        known.update(new)
        self._report.came += len(batch)
        self._report.came_octets += sum(len(octets) for _, octets in batch)
        self._told(len(batch))

    # ---------------------------------------------------------------- flags, and what is gone

    def _take_flags(self, messages: Sequence[SourceMessage], known: dict[str, Known]) -> None:
        """Flags that changed at the source since it was looked at last; what was changed here alone stays."""
        groups: defaultdict[tuple[int, tuple[str, ...]], list[SourceMessage]] = defaultdict(list)
        for one in messages:
            before = known[one.key]
            if (one.system, one.keywords) != (before.system, before.keywords):
                groups[one.system, one.keywords].append(one)
        for (system, keywords), changed in groups.items():
            for start in range(0, len(changed), _FLAGS):
                some = changed[start : start + _FLAGS]
                uids = [known[one.key].uid for one in some]
                try:
                    self._store.store_flags(self._account, self._mailbox, uids, FlagChange.REPLACE, system, keywords)
                except LimitReached as error:
                    self._report.differences.add(str(error), *(one.key for one in some))
                    continue
                self._state.note_flags(self._noted, some)
                self._report.flags += len(some)
                known.update((one.key, Known(known[one.key].uid, system, keywords)) for one in some)

    def remove_gone(self, messages: Sequence[SourceMessage], known: dict[str, Known], *, expunge: bool) -> None:
        """Messages that came and are gone at the source: removed if wished, else reported."""
        gone = known.keys() - {one.key for one in messages}
        rows = {row.uid for row in self._store.view(self._account, self._mailbox).rows}
        uids = [known[key].uid for key in gone if known[key].uid in rows]
        if uids and not expunge:
            self._report.differences.add("gone at the source since: still here (--expunge removes it)", count=len(uids))
            return
        for start in range(0, len(uids), _FLAGS):
            some = uids[start : start + _FLAGS]
            self._store.store_flags(self._account, self._mailbox, some, FlagChange.ADD, _DELETED, ())
            self._report.removed += len(self._store.expunge(self._account, self._mailbox, some))
        if gone:
            self._state.forget(self._noted, gone)
            for key in gone:
                del known[key]


def _message(one: SourceMessage, octets: bytes) -> NewMessage:
    content = MemoryContent(octets)
    if one.date is not None:
        return NewMessage(content, one.system, one.keywords, one.date, one.zone)
    # Nothing tells when it came: when it was written is nearest.
    summary = summarise(octets)
    return NewMessage(content, one.system, one.keywords, summary.sent_at, 0, summary)

"""Bodies and rows kept in step over the years: what nobody can bring back goes, and what crashes left.

Every removal here is of something that no row names, and that is old enough not to be somebody's work under way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import structlog

from config.settings import Store as Settings
from message.content import Content
from storage import events
from storage.attic import Attic, forget_recalled
from storage.blobs.api import BlobStore, BodyName, Place
from storage.database import Database
from storage.errors import Damaged, NoSuchMailbox, NoSuchMessage, Unavailable
from storage.index import history, mailboxes, messages
from storage.model import MessageRow

log = structlog.get_logger()


class Sweeper:
    """Its calls are for one process at a time."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        settings: Settings,
        body: Callable[[int, int, MessageRow], Content],
        move_folders: Callable[[int, Sequence[tuple[int, str, str]]], None],
    ) -> None:
        """``body`` opens a message of an account's mailbox; ``move_folders`` finishes renames on disk."""
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._attic = Attic(database, blobs)
        self._body = body
        self._move_folders = move_folders
        self._scrubbed = (0, 0)

    def sweep(self, now: float) -> int:
        """Unlink bodies that nobody can bring back any more, and what crashes left staged; returns how many.

        Called by one process now and then. ``now`` is seconds since the epoch. Old events and
        history are forgotten with it.
        """
        self._attic.shelve(int(now - self._settings.keep_removed))
        long_ago = int(now - max(self._settings.keep_removed, self._settings.keep_history))
        count = self._attic.clear(long_ago)
        count += self._blobs.sweep_staging(now - self._settings.orphan_age)
        with self._database.write() as connection:
            events.prune(connection, int(now - self._settings.keep_events))
            history.prune(connection, long_ago)
            forget_recalled(connection, long_ago)
        return count

    def scrub(self, now: float, mailboxes_at_a_time: int) -> int:
        """Compare files and rows of the next few mailboxes, round and round; returns how many files were removed.

        A crash between the links of a body and its commit leaves files that no row names: those older than
        ``orphan_age`` go. A row without a file is damage, and is logged: nothing here can mend it. Which UIDs went away
        is forgotten on the way, but for the last ``keep_vanished`` of each mailbox.
        """
        with self._database.read() as connection:
            places = mailboxes.after(connection, self._scrubbed, mailboxes_at_a_time)
            if not places:
                places = mailboxes.after(connection, (0, 0), mailboxes_at_a_time)
        self._scrubbed = (places[-1][0], places[-1][1]) if places else (0, 0)
        return sum(self._scrub(account, number, place, now) for account, number, place in places)

    def _scrub(self, account: int, mailbox: int, place: Place, now: float) -> int:
        self._forget_vanished(account, mailbox)
        self._tidy_folders(account, mailbox, place, now)
        self._attic.scrub(account, mailbox, place.account, now - self._settings.orphan_age)
        # Files first: a row that is added meanwhile has a young file, one that goes leaves a "removed" row.
        files = {body.name.blob: body for body in self._blobs.bodies(place)}
        with self._database.read() as connection:
            rows = {row.blob: row for row in messages.all_rows(connection, account, mailbox)}
            removed = messages.removed_blobs(connection, account, mailbox)
        old = [body for body in files.values() if body.changed < now - self._settings.orphan_age]
        orphans = [body.name for body in old if body.name.blob not in rows and body.name.blob not in removed]
        kept = self._attic.bring_home(account, place, orphans)
        orphans = [name for name in orphans if name.blob not in kept]
        for name in orphans:
            self._blobs.remove(place, name)
        for body in old:
            row = rows.get(body.name.blob)
            try:
                if row is not None and row.system != body.name.system:
                    # Nobody knows that it is due any more: the index is a restored one.
                    self._blobs.reflag(place, BodyName(row.blob, row.size, row.system))
                elif row is None and body.name.blob in removed:
                    self._blobs.retire(place, body.name)
            except Unavailable as error:
                log.warning("store.not_renamed", account=account, mailbox=mailbox, error=str(error))
        retired = self._blobs.bodies(place, retired=True)
        strays = [body.name for body in retired if body.changed < now - self._settings.orphan_age]
        strays = [name for name in strays if name.blob not in removed]
        kept = self._attic.bring_home(account, place, strays)
        for name in strays:
            if name.blob not in kept:
                self._blobs.remove(place, name)
                orphans.append(name)
        missing = rows.keys() - files.keys()
        if missing:
            self._tell_missing(account, mailbox, missing)
        if orphans:
            log.info("store.orphans_removed", account=account, mailbox=mailbox, files=len(orphans))
        return len(orphans)

    def _tidy_folders(self, account: int, mailbox: int, place: Place, now: float) -> None:
        """Finish on disk what a crash cut off: a rename, a removal. Mailboxes that never held mail get a folder."""
        folders = set(self._blobs.folders(place.account)) if not place.folder else set()
        with self._database.read() as connection:
            try:
                folder, was = mailboxes.folder_of(connection, account, mailbox)
                name = mailboxes.by_number(connection, account, mailbox).name
            except NoSuchMailbox:
                return
            unknown = folders - mailboxes.folder_names(connection, account)
        if was is not None:
            self._move_folders(account, [(mailbox, was, folder)])
        self._blobs.make_folder(Place(place.account, folder), name)
        for one in sorted(unknown):
            stranger = Place(place.account, one)
            for retired in (False, True):
                bodies = self._blobs.bodies(stranger, retired=retired)
                self._attic.bring_home(account, stranger, [body.name for body in bodies])
            if all(body.changed < now - self._settings.orphan_age for body in self._blobs.bodies(stranger)):
                with contextlib.suppress(Damaged):
                    aside = self._blobs.set_aside(stranger, None)
                    log.warning("store.unknown_folder", account=account, folder=one, quarantine=aside)

    def _forget_vanished(self, account: int, mailbox: int) -> None:
        with self._database.read() as connection:
            upto = messages.old_vanished(connection, account, mailbox, self._settings.keep_vanished)
        if upto is not None:
            with self._database.write() as connection:
                messages.forget_vanished(connection, account, mailbox, upto)

    def _tell_missing(self, account: int, mailbox: int, blobs: set[str]) -> None:
        """Log bodies that are missing still when looked at again: some were moved or renamed in between."""
        with self._database.read() as connection:
            rows = [row for row in messages.all_rows(connection, account, mailbox) if row.blob in blobs]
        for row in rows:
            try:
                self._body(account, mailbox, row).close()
            except NoSuchMessage:
                continue
            except Damaged as error:
                log.error("store.body_missing", account=account, mailbox=mailbox, uid=row.uid, error=str(error))

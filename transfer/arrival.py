"""Brings one account's mail from a source: all that is new there, flags that changed, and nothing twice.

A message, and the note that it came (``transfer.state``), are one transaction: a run that was killed goes on. Where
notes are missing (the source gave new UIDs, the index here was made anew), messages that are here already are known by
their octets. What one message or folder has wrong is reported, and the rest goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import structlog

from config.settings import Store as Settings
from directory.api import People
from directory.model import Account
from imap.session.places import identifier_of
from storage.database import Database
from storage.errors import InvalidName, LimitReached, NoSuchMailbox, StoreError, UseRefused
from storage.model import Mailbox, SpecialUse
from storage.store import Store
from transfer import names, parity, rights
from transfer.errand import Errand, Wishes
from transfer.folder import FolderArrival
from transfer.parity import FolderReport, Report
from transfer.patience import Patience
from transfer.source import Listing, Source, SourceError, SourceFolder, Unreadable
from transfer.state import FolderState, ImportState

log = structlog.get_logger()


class Importer:
    """For all accounts; safe from several threads, one account each."""

    def __init__(
        self,
        database: Database,
        store: Store,
        people: People,
        settings: Settings,
        *,
        with_anyone: bool = False,
        patience: Patience | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._people = people
        self._settings = settings
        self._with_anyone = with_anyone
        self._patience = patience or Patience()

    def run(
        self, account: Account, source: Source, wishes: Wishes, told: Callable[[int], None] = lambda count: None
    ) -> Report:
        """Never raises for what the source or the store has wrong: the report says it.

        ``told`` hears of messages as they come, how many more.
        """
        report = Report(account.login, source.name)
        begun = time.monotonic()
        try:
            _Run(self, account, source, wishes, report, told).run()
        except (SourceError, StoreError) as error:
            log.warning("import.broken_off", account=account.key, error=str(error))
            report.error = str(error)
        except Exception as error:
            # The other accounts go on.
            log.exception("import.failed", account=account.key)
            report.error = f"an unexpected {type(error).__name__}: the log has more"
        finally:
            source.close()
        report.seconds = time.monotonic() - begun
        return report


class _Run:
    """One account."""

    def __init__(
        self,
        importer: Importer,
        account: Account,
        source: Source,
        wishes: Wishes,
        report: Report,
        told: Callable[[int], None],
    ) -> None:
        self._store = importer._store
        self._people = importer._people
        self._settings = importer._settings
        self._with_anyone = importer._with_anyone
        self._patience = importer._patience
        self._owner = identifier_of(account)
        self._source = source
        self._wishes = wishes
        self._report = report
        self._number = self._store.open_account(account.key)
        self._state = ImportState(importer._database, self._number, source.name)
        self._errand = Errand(source, self._store, self._state, self._settings, wishes, self._patience, told)

    def run(self) -> None:
        folders = self._patience.call(self._source.folders)
        # What people look for first comes first.
        folders.sort(key=lambda one: (one.levels != ("INBOX",), one.levels))
        states = self._state.folders()
        boxes = {box.id: box for box in self._store.mailboxes(self._number)}
        settled = {one: boxes[state.mailbox].name for one, state in states.items() if state.mailbox in boxes}
        limits = names.Limits(self._settings.mailbox_name, self._settings.mailbox_depth)
        placed = names.place(folders, boxes.values(), settled, limits)
        for folder in folders:
            where = placed[folder.id]
            report = FolderReport(folder.name, where.name)
            report.remarks += [where.why] if where.why else []
            self._report.folders.append(report)
            try:
                self._folder(folder, where, states.get(folder.id), report)
            except (Unreadable, InvalidName, LimitReached) as error:
                report.differences.add(str(error))
        for gone in sorted(states.keys() - {folder.id for folder in folders}):
            self._report.differences.add(f"the folder {gone} is gone at the source; what came of it stays")

    # ---------------------------------------------------------------- a folder

    def _folder(
        self, folder: SourceFolder, where: names.Placed, state: FolderState | None, report: FolderReport
    ) -> None:
        listing = self._patience.call(lambda: self._source.listing(folder))
        if self._wishes.dry_run:
            self._foretell(listing, state, report)
            return
        box = self._mailbox(where.name, where.use)
        if state is None or (state.generation, state.mailbox, state.uidvalidity) != (
            listing.generation,
            box.id,
            box.uidvalidity,
        ):
            state = self._state.begin(folder.id, listing.generation, box.id, box.uidvalidity)
        arrival = FolderArrival(self._errand, folder, state, box, report)
        known = self._state.known(state)
        messages = arrival.take(listing, known)
        arrival.remove_gone(messages, known, expunge=self._wishes.expunge)
        if folder.subscribed and not box.subscribed:
            self._store.subscribe(self._number, box.name, True)
        self._share(folder, state, box, report)
        rows = {row.uid: row for row in self._store.view(self._number, box.id).rows}
        parity.compare(report, messages, known, rows)
        if self._wishes.verify:
            there = ((one, known[one.key].uid) for one in messages if one.key in known)
            pairs = [(one, rows[uid]) for one, uid in there if uid in rows]
            parity.verify(report, self._errand, folder, box, pairs)

    def _foretell(self, listing: Listing, state: FolderState | None, report: FolderReport) -> None:
        """What would come."""
        known = {} if state is None or state.generation != listing.generation else self._state.known(state)
        new = [one for one in listing.messages if one.key not in known]
        report.there = len(listing.messages)
        report.there_octets = sum(one.size or 0 for one in listing.messages)
        report.came, report.came_octets = len(new), sum(one.size or 0 for one in new)
        report.flags = sum(
            (one.system, one.keywords) != (before.system, before.keywords)
            for one in listing.messages
            if (before := known.get(one.key)) is not None
        )

    def _mailbox(self, name: str, use: SpecialUse | None) -> Mailbox:
        try:
            return self._store.mailbox(self._number, name)
        except NoSuchMailbox:
            pass
        try:
            return self._store.create(self._number, name, use)
        except UseRefused:
            return self._store.create(self._number, name)

    def _share(self, folder: SourceFolder, state: FolderState, box: Mailbox, report: FolderReport) -> None:
        """Give others the rights they have there, and take back what they had there and have no more."""
        there = self._patience.call(lambda: self._source.grants(folder))
        grants, refused = rights.translate(there, self._people, self._owner, with_anyone=self._with_anyone)
        for text in refused:
            report.differences.add(text)
        if grants == state.grants:
            return
        for identifier in sorted(grants.keys() | state.grants.keys()):
            given = grants.get(identifier)
            if given != state.grants.get(identifier):
                self._store.sharing.change_acl(self._number, box.id, identifier, partial(_instead, given))
        self._state.note_grants(state, grants)


def _instead(given: str | None, before: str | None) -> str | None:
    """Rights in the place of those before, whatever they were."""
    return given

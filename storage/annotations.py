"""What is noted of mailboxes and of the server (RFC 5464), within the limits of the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from config.settings import Store as Settings
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import AnnotationTooBig, OverQuota, TooManyAnnotations
from storage.index import mailboxes, notes
from storage.model import SERVER, UseChange
from storage.uses import check_use

#: The entry that says what its owner uses a mailbox for (RFC 6154 section 4): no value of it is kept.
SPECIAL_USE = "/private/specialuse"

_PRIVATE = "/private/"


class Annotations:
    """Implements ``storage.api.Annotations``."""

    def __init__(self, database: Database, doorbell: Doorbell, settings: Settings) -> None:
        self._database = database
        self._doorbell = doorbell
        self._settings = settings

    def sizes(self, account: int, mailbox: int, reader: int) -> dict[str, int]:
        """See ``storage.api.Annotations``."""
        with self._database.read() as connection:
            return notes.sizes(connection, account, mailbox, reader)

    def values(
        self, account: int, reader: int, entries: Iterable[str], mailbox: int | None = None
    ) -> dict[int, dict[str, bytes]]:
        """See ``storage.api.Annotations``."""
        with self._database.read() as connection:
            return notes.values(connection, account, reader, entries, mailbox)

    def change(
        self,
        account: int,
        mailbox: int,
        reader: int,
        values: Mapping[str, bytes | None],
        use: UseChange | None = None,
    ) -> int:
        """See ``storage.api.Annotations``."""
        for value in values.values():
            if value is not None and len(value) > self._settings.annotation_size:
                raise AnnotationTooBig(self._settings.annotation_size)
        private = {entry: value for entry, value in values.items() if entry.startswith(_PRIVATE)}
        shared = {entry: value for entry, value in values.items() if entry not in private}
        with self._database.write() as connection:
            if mailbox:
                mailboxes.by_number(connection, account, mailbox)
            if use is not None:
                self._set_use(connection, account, mailbox, use)
                private[SPECIAL_USE] = None
            modseq = notes.next_modseq(connection, account)
            for owner, some in ((reader, private), (notes.SHARED, shared)):
                if some:
                    notes.change(connection, account, mailbox, owner, some, modseq)
                    self._check_room(connection, account, mailbox, owner, some)
        self._doorbell.ring([(account, 0)])
        return modseq

    def _set_use(self, connection: Connection, account: int, mailbox: int, change: UseChange) -> None:
        box = mailboxes.by_number(connection, account, mailbox)
        if change.use is not box.special_use:
            check_use(change.use, box.name, mailboxes.every(connection, account))
            mailboxes.set_use(connection, account, mailbox, change.use)

    def _check_room(
        self, connection: Connection, account: int, mailbox: int, owner: int, changes: Mapping[str, bytes | None]
    ) -> None:
        """Raises what keeps entries that were just set from being kept; taking away is always possible."""
        if all(value is None for value in changes.values()):
            return
        if notes.count(connection, account, mailbox, owner) > self._settings.annotations:
            raise TooManyAnnotations(f"there may be {self._settings.annotations} entries of a kind")
        payer = account if owner == notes.SHARED else owner
        if payer != SERVER and notes.octets(connection, payer) > self._settings.annotations_size:
            raise OverQuota(payer, f"annotations may have {self._settings.annotations_size} octets in all")

    def highest(self, account: int) -> int:
        """See ``storage.api.Annotations``."""
        with self._database.read() as connection:
            return notes.highest(connection, account)

    def changed(self, account: int, reader: int, since: int) -> list[tuple[int, int, str]]:
        """See ``storage.api.Annotations``."""
        with self._database.read() as connection:
            return notes.changed(connection, account, reader, since)

"""A store with mail in it, and what damages it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Store as Settings
from message.content import MemoryContent
from storage.blobs.api import BodyName, Place
from storage.blobs.maildir import Maildir, file_name
from storage.check.findings import Finding
from storage.check.repair import Repair
from storage.check.verify import Verifier
from storage.database import Database
from storage.doorbell import Doorbell
from storage.model import MessageRow, NewMessage
from storage.names import account_folder, folder
from storage.store import Store


class House:
    """A store, and its parts."""

    def __init__(self, tmp_path: Path, database: Database) -> None:
        self.root = tmp_path / "mail"
        self.database = database
        self.doorbell = Doorbell(tmp_path / "bells")
        self.blobs = Maildir(self.root)
        self.store = Store(database, self.blobs, Settings(), self.doorbell)
        self.marie = self.store.open_account("marie.durand")

    def append(self, text: str, mailbox: str = "INBOX", account: int | None = None, **facts: object) -> int:
        """A message whose octets are the text's; returns its UID."""
        account = account or self.marie
        octets = f"From: a@example.net\r\nSubject: {text}\r\n\r\n{text}\r\n".encode()
        box = self.store.mailbox(account, mailbox).id
        return self.store.append(account, box, [NewMessage(MemoryContent(octets), **facts)])[0]  # type: ignore[arg-type]

    def row(self, uid: int, mailbox: str = "INBOX") -> MessageRow | None:
        return self.store.view(self.marie, self.store.mailbox(self.marie, mailbox).id).row(uid)

    def place(self, mailbox: str = "INBOX") -> Place:
        return Place("marie.durand", folder(mailbox))

    def path(self, uid: int, mailbox: str = "INBOX") -> Path:
        row = self.row(uid, mailbox)
        assert row is not None
        name = file_name(BodyName(row.blob, row.size, row.system))
        return self.root / account_folder("marie.durand") / folder(mailbox) / "cur" / name

    def octets(self, uid: int, mailbox: str = "INBOX") -> bytes:
        row = self.row(uid, mailbox)
        assert row is not None
        content = self.store.body(self.marie, self.store.mailbox(self.marie, mailbox).id, row)
        try:
            return bytes(content.buffer())
        finally:
            content.close()

    def verify(self, *, repair: bool = False, later: float = 10_000) -> list[Finding]:
        mend = Repair(self.database, self.blobs, self.doorbell) if repair else None
        before = time.time() + later
        return list(Verifier(self.database, self.blobs, orphans_before=before, repair=mend).run())


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[House]:
    house = House(tmp_path, database)
    yield house
    house.store.close()
    house.doorbell.close()

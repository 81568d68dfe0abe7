"""Does one piece of the store's work in a process that a failing disk may kill (tests/faults/test_disk.py).

A line ``FOLDER URL WORK`` forks a child that opens the store there, says ``ready``, waits for a line, works, says how
it went, and works again for each further ``again``. When it is gone the parent says ``gone``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

import delivery.queue.tables  # noqa: F401  (all tables)
import directory.tables  # noqa: F401
import spamfilter.tables  # noqa: F401
from config.settings import Store as Settings
from message.content import MemoryContent
from storage.blobs.maildir import Maildir
from storage.check.rebuild import Rebuilder
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import StoreError
from storage.model import Filing, FlagChange, NewMessage, System
from storage.store import Store

#: Longer than what SQLite's page holds, so that it spills over.
LETTER = "From: a@example.net\r\nSubject: {}\r\n\r\n" + "Bonjour à tous\r\n" * 40


def letter(text: str) -> MemoryContent:
    return MemoryContent(LETTER.format(text).encode())


class House:
    """A store in a folder, and the numbers of what is in it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.database = Database(url)
        self.blobs = Maildir(folder / "mail")
        self.doorbell = Doorbell(folder / "bells")
        self.store = Store(self.database, self.blobs, Settings(), self.doorbell)
        self.marie, self.paul = self.store.open_account("marie"), self.store.open_account("paul")

    def box(self, name: str = "INBOX", account: int | None = None) -> int:
        return self.store.mailbox(account or self.marie, name).id

    def furnish(self) -> None:
        """What is there before the work begins."""
        store, marie = self.store, self.marie
        # Fewer to look through, hundreds of times.
        for account, names in (
            (marie, "Junk Templates Trash"),
            (self.paul, "Archive Drafts Junk Sent Templates Trash"),
        ):
            for name in names.split():
                store.delete(account, name)
        store.create(marie, "Projets/2026")
        for name in ("INBOX", "Archive", "Projets/2026"):
            store.append(marie, self.box(name), [NewMessage(letter(f"{name} {n}")) for n in range(3)])
        store.append(self.paul, self.box("INBOX", self.paul), [NewMessage(letter("paul"))])
        store.store_flags(marie, self.box(), [1, 3], FlagChange.ADD, int(System.DELETED), ())
        archive = self.box("Archive")
        store.store_flags(marie, archive, [2], FlagChange.ADD, int(System.DELETED), ())
        store.expunge(marie, archive)

    def close(self) -> None:
        self.store.close()
        self.doorbell.close()
        self.database.close()


def deliver(house: House) -> None:
    house.store.deliver([Filing(house.marie), Filing(house.paul)], letter("livré"), None, time.time())


def append(house: House) -> None:
    house.store.append(house.marie, house.box(), [NewMessage(letter(f"rangé {n}")) for n in range(2)])


def append_to_a_new_folder(house: House) -> None:
    house.store.append(house.marie, house.box("Sent"), [NewMessage(letter("envoyé"))])


def replace(house: House) -> None:
    house.store.replace(house.marie, house.box(), 2, house.box("Drafts"), NewMessage(letter("remplacé")))


def copy(house: House) -> None:
    house.store.copy(house.marie, house.box(), [1, 2], house.box("Archive"))


def move(house: House) -> None:
    house.store.move(house.marie, house.box(), [1, 2], house.box("Archive"))


def give(house: House) -> None:
    inbox = house.box("INBOX", house.paul)
    house.store.move(house.marie, house.box(), [1, 2], inbox, to_account=house.paul)


def flags(house: House) -> None:
    house.store.store_flags(house.marie, house.box(), [1, 2, 3], FlagChange.REPLACE, int(System.SEEN), ("$travail",))


def expunge(house: House) -> None:
    house.store.expunge(house.marie, house.box())


def sweep(house: House) -> None:
    house.store.sweep(time.time() + 10_000)


def create(house: House) -> None:
    house.store.create(house.marie, "Nouveau/" + "é" * 120 + "/dedans")


def rename(house: House) -> None:
    house.store.rename(house.marie, "Projets", "Plans/2027")


def delete(house: House) -> None:
    house.store.delete(house.marie, "Projets/2026")


def rebuild(house: House) -> None:
    Rebuilder(house.database, house.blobs, house.doorbell).account("marie")


def names(house: House) -> None:
    house.store.rename_bodies()


WORKS: dict[str, Callable[[House], None]] = {
    work.__name__: work
    for work in (
        *(deliver, append, append_to_a_new_folder, replace, copy, move, give, flags, expunge, sweep, create, rename),
        *(delete, rebuild, names),
    )
}


def _child(folder: str, url: str, name: str) -> None:
    house = House(Path(folder), url)
    print("ready", flush=True)
    while sys.stdin.readline().strip() == "again":
        try:
            WORKS[name](house)
        except StoreError as error:
            print("refused", type(error).__name__, flush=True)
        except BaseException as error:
            print("defect", type(error).__name__, str(error)[:300].replace("\n", " "), flush=True)
        else:
            print("done", flush=True)


def main() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            try:
                _child(*line.split())
            finally:
                sys.stdout.flush()
                os._exit(0)
        os.waitpid(pid, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    main()

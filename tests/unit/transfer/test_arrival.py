"""An account's mail comes: once, whole, and again only what changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from config.settings import Store as StoreSettings
from directory.model import Account
from directory.sql import SqlDirectory
from storage.database import Database
from storage.model import FlagChange, Grant, MessageRow, SpecialUse, System
from storage.store import Store
from transfer.arrival import Importer
from transfer.errand import Wishes
from transfer.parity import Report
from transfer.patience import WAITS, Patience
from transfer.source import Listing, SourceFolder, SourceLost, SourceMessage, Unreadable

DATE = 1_700_000_000
Rows = Callable[[str], list[MessageRow]]
Bring = Callable[..., Report]


def letter(n: int) -> bytes:
    return f"From: a{n}@example.net\r\nSubject: n{n}\r\n\r\n{'À lire ' * n}\r\n".encode()


class Elsewhere:
    """A source whose folders and faults a test chooses."""

    name = "elsewhere"

    def __init__(self) -> None:
        self.generation = 1
        self.boxes: dict[str, dict[str, tuple[bytes, int, tuple[str, ...]]]] = {"INBOX": {}}
        self.uses: dict[str, SpecialUse] = {}
        self.subscribed: set[str] = set()
        self.rights: dict[str, dict[str, str]] = {}
        self.stated: dict[str, int] = {}
        #: Octets, or what happens when they are asked for.
        self.faults: dict[str, list[Exception]] = {}
        self.read: list[str] = []

    def fill(self, box: str, *numbers: int) -> None:
        for n in numbers:
            self.boxes.setdefault(box, {})[str(n)] = (letter(n), 0, ())

    def flag(self, box: str, key: str, system: int, *keywords: str) -> None:
        self.boxes[box][key] = (self.boxes[box][key][0], system, keywords)

    def folders(self) -> list[SourceFolder]:
        return [
            SourceFolder(one, tuple(one.split("/")), self.uses.get(one), one in self.subscribed) for one in self.boxes
        ]

    def listing(self, folder: SourceFolder) -> Listing:
        messages = [
            SourceMessage(key, system, keywords, self.stated.get(key, len(octets)), DATE + int(key), 60)
            for key, (octets, system, keywords) in self.boxes[folder.id].items()
        ]
        return Listing(self.generation, messages)

    def octets(
        self, folder: SourceFolder, messages: Sequence[SourceMessage]
    ) -> Iterator[tuple[SourceMessage, bytes | Unreadable]]:
        for one in messages:
            if self.faults.get(one.key):
                fault = self.faults[one.key].pop(0)
                if isinstance(fault, Unreadable):
                    yield one, fault
                    continue
                raise fault
            self.read.append(one.key)
            yield one, self.boxes[folder.id][one.key][0]

    def grants(self, folder: SourceFolder) -> Mapping[str, str]:
        return self.rights.get(folder.id, {})

    def close(self) -> None:
        return None


@pytest.fixture
def there() -> Elsewhere:
    return Elsewhere()


def test_everything_of_a_message_comes(
    there: Elsewhere, bring: Bring, rows: Rows, octets: Callable[..., bytes]
) -> None:
    there.fill("INBOX", 1, 2)
    there.flag("INBOX", "2", int(System.SEEN | System.DELETED), "$Label1", "à faire", "vu")
    report = bring(there, verify=True)
    first, second = rows("INBOX")
    assert [octets("INBOX", row) for row in (first, second)] == [letter(1), letter(2)]
    assert (first.system, first.keywords, first.internal_date, first.zone) == (0, (), DATE + 1, 60)
    assert (second.system, second.keywords) == (System.SEEN | System.DELETED, ("$Label1", "vu"))
    (folder,) = report.folders
    assert (folder.there, folder.here, folder.came, folder.verified) == (2, 2, 2, 2)
    assert folder.there_octets == folder.here_octets == len(letter(1) + letter(2))
    # The keyword with a space is none, and that is said.
    assert not report.equal
    assert folder.differences.lines() == ["1 message: the keyword à faire can't be kept here"]


def test_a_second_run_brings_what_is_new_and_flags_that_changed_there(
    there: Elsewhere, bring: Bring, rows: Rows
) -> None:
    there.fill("INBOX", 1, 2, 3)
    assert bring(there).equal
    there.fill("INBOX", 4)
    there.flag("INBOX", "2", int(System.SEEN), "vu")
    there.read.clear()
    report = bring(there)
    assert report.equal
    assert there.read == ["4"]
    assert [(row.system, row.keywords) for row in rows("INBOX")] == [(0, ()), (1, ("vu",)), (0, ()), (0, ())]
    assert (report.folders[0].came, report.folders[0].flags) == (1, 1)


def test_what_people_do_here_is_not_undone(
    there: Elsewhere, bring: Bring, rows: Rows, store: Store, people: dict[str, Account]
) -> None:
    there.fill("INBOX", 1, 2, 3)
    bring(there)
    account = store.open_account(people["marie"].key)
    box = store.mailbox(account, "INBOX").id
    store.store_flags(account, box, [1], FlagChange.ADD, int(System.FLAGGED), ())
    store.store_flags(account, box, [2], FlagChange.ADD, int(System.DELETED), ())
    store.expunge(account, box)
    there.read.clear()
    report = bring(there)
    assert there.read == []
    assert [(row.uid, row.system) for row in rows("INBOX")] == [(1, System.FLAGGED), (3, 0)]
    assert report.folders[0].differences.lines() == [
        "1 message (2): deleted or moved away here since it came",
        "1 message (1): marked otherwise here since it came",
    ]


def test_new_uids_there_bring_nothing_twice(there: Elsewhere, bring: Bring, rows: Rows) -> None:
    there.fill("INBOX", 1, 2)
    # The same octets twice are two messages.
    there.boxes["INBOX"]["3"] = (letter(1), 0, ())
    bring(there)
    there.generation = 2
    there.boxes["INBOX"] = {str(10 + int(key)): one for key, one in there.boxes["INBOX"].items()}
    there.fill("INBOX", 20)
    there.flag("INBOX", "12", int(System.SEEN))
    report = bring(there)
    assert report.equal
    assert (report.folders[0].found, report.folders[0].came) == (3, 1)
    assert [row.system for row in rows("INBOX")] == [0, 1, 0, 0]
    assert bring(there).folders[0].found == 0


def test_lost_notes_bring_nothing_twice(
    there: Elsewhere, bring: Bring, rows: Rows, store: Store, people: dict[str, Account]
) -> None:
    there.fill("INBOX", 1, 2)
    bring(there)
    there.name = "the same elsewhere"
    report = bring(there)
    assert report.equal
    assert (report.folders[0].found, len(rows("INBOX"))) == (2, 2)


def test_a_mailbox_deleted_here_comes_again(
    there: Elsewhere, bring: Bring, rows: Rows, store: Store, people: dict[str, Account]
) -> None:
    there.fill("Projets", 1)
    bring(there)
    store.delete(store.open_account(people["marie"].key), "Projets")
    assert bring(there).equal
    assert len(rows("Projets")) == 1


def test_a_mailbox_renamed_here_stays_the_same(
    there: Elsewhere, bring: Bring, rows: Rows, store: Store, people: dict[str, Account]
) -> None:
    there.fill("Projets", 1)
    bring(there)
    store.rename(store.open_account(people["marie"].key), "Projets", "Anciens/Projets")
    there.fill("Projets", 2)
    assert bring(there).equal
    assert len(rows("Anciens/Projets")) == 2


def test_what_is_gone_there_goes_when_that_is_wished(there: Elsewhere, bring: Bring, rows: Rows) -> None:
    there.fill("INBOX", 1, 2, 3)
    bring(there)
    del there.boxes["INBOX"]["2"]
    report = bring(there)
    assert not report.equal
    assert report.folders[0].differences.lines() == [
        "1 message: gone at the source since: still here (--expunge removes it)"
    ]
    assert bring(there, expunge=True).equal
    assert [row.uid for row in rows("INBOX")] == [1, 3]
    assert bring(there).equal


def test_a_dry_run_changes_nothing(
    there: Elsewhere, bring: Bring, rows: Rows, store: Store, people: dict[str, Account]
) -> None:
    there.fill("Projets", 1, 2)
    there.fill("INBOX", 3)
    bring(there)
    there.fill("INBOX", 4)
    there.flag("INBOX", "3", 1)
    there.fill("Neuf", 5)
    report = bring(there, dry_run=True)
    assert {one.source: (one.there, one.came, one.flags) for one in report.folders} == {
        "INBOX": (2, 1, 1),
        "Projets": (2, 0, 0),
        "Neuf": (1, 1, 0),
    }
    assert len(rows("INBOX")) == 1
    assert "Neuf" not in [box.name for box in store.mailboxes(store.open_account(people["marie"].key))]


def test_roles_and_subscriptions(there: Elsewhere, bring: Bring, store: Store, people: dict[str, Account]) -> None:
    there.boxes = {"INBOX": {}, "Éléments envoyés": {}, "Éléments envoyés/2023": {}, "Poubelle": {}, "A*b": {}}
    there.uses = {"Poubelle": SpecialUse.TRASH}
    there.subscribed = {"A*b"}
    report = bring(there)
    assert {one.source: one.mailbox for one in report.folders} == {
        "INBOX": "INBOX",
        "Éléments envoyés": "Sent",
        "Éléments envoyés/2023": "Sent/2023",
        "Poubelle": "Trash",
        "A*b": "A_b",
    }
    assert [one.remarks for one in report.folders if one.source == "A*b"] == [["the folder 'A*b' is 'A_b' here"]]
    assert report.equal
    account = store.open_account(people["marie"].key)
    assert "A_b" in store.subscriptions(account)
    assert "Sent/2023" not in store.subscriptions(account)


def test_rights_of_others(there: Elsewhere, bring: Bring, store: Store, people: dict[str, Account]) -> None:
    there.fill("Projets", 1)
    there.rights["Projets"] = {
        "paul@ac.test": "lrsn",
        "marie": "lr",
        "group:profs": "lrwdc",
        "eve": "lr",
        "anyone": "l",
    }
    report = bring(there)
    assert report.folders[1].differences.lines() == [
        "nobody is called eve here: the rights lr were not given",
        "sharing with everybody is switched off here: the rights l were not given",
    ]
    account = store.open_account(people["marie"].key)
    box = store.mailbox(account, "Projets").id
    paul = f"user:{people['paul'].key}"
    assert store.sharing.acl(account, box) == (
        Grant("group:profs", "lrwkxte"),
        Grant(paul, "lrs"),
    )
    # What the owner changed here stays, until it changes there.
    store.sharing.change_acl(account, box, paul, lambda before: "lrw")
    bring(there)
    assert Grant(paul, "lrw") in store.sharing.acl(account, box)
    there.rights["Projets"] = {"group:profs": "l"}
    bring(there)
    assert store.sharing.acl(account, box) == (Grant("group:profs", "l"),)


def test_one_bad_message_keeps_no_other_from_coming(there: Elsewhere, bring: Bring, rows: Rows) -> None:
    there.fill("INBOX", *range(1, 8))
    there.faults = {"3": [Unreadable("damaged")], "5": [Unreadable("damaged")]}
    there.boxes["INBOX"]["7"] = (b"x" * 5000, 0, ())
    report = bring(there, largest=4000)
    assert len(rows("INBOX")) == 4
    assert report.folders[0].differences.lines() == [
        "1 message (7): did not come: larger than 4000 octets: raise --largest",
        "2 messages (3, 5): did not come: damaged",
    ]
    # What was only damaged that day comes the next time.
    assert len(rows("INBOX")) + bring(there).folders[0].came == 7


def test_a_size_that_the_source_tells_wrong(there: Elsewhere, bring: Bring) -> None:
    there.fill("INBOX", 1)
    there.stated["1"] = 7
    report = bring(there)
    assert report.folders[0].here == 1
    assert report.folders[0].differences.lines() == [
        "1 message (1): the source tells another size than it gives octets"
    ]


def test_a_lost_connection_is_made_again(there: Elsewhere, bring: Bring, rows: Rows, waits: list[float]) -> None:
    there.fill("INBOX", 1, 2, 3)
    there.faults["2"] = [SourceLost("reset", connected=True), SourceLost("away", connected=False)]
    assert bring(there).equal
    assert [row.uid for row in rows("INBOX")] == [1, 2, 3]
    assert waits == [1, 2]


def test_a_message_over_which_the_source_breaks_down_is_left_out(
    there: Elsewhere, bring: Bring, rows: Rows, waits: list[float]
) -> None:
    there.fill("INBOX", 1, 2, 3)
    there.faults["2"] = [SourceLost("reset", connected=True)] * 100
    report = bring(there)
    assert len(rows("INBOX")) == 2
    assert report.folders[0].differences.lines() == [
        "1 message (2): did not come: the source breaks off over it: reset"
    ]


def test_a_source_that_stays_away_ends_the_run_and_the_next_goes_on(
    there: Elsewhere, bring: Bring, rows: Rows, waits: list[float]
) -> None:
    there.fill("INBOX", *range(1, 61))
    there.faults["55"] = [SourceLost("away", connected=False)] * 100
    report = bring(there)
    assert report.error == "away"
    assert waits == list(WAITS)
    assert len(rows("INBOX")) == 50
    there.faults.clear()
    there.read.clear()
    assert bring(there).equal
    assert len(there.read) == 10


def test_over_the_quota(there: Elsewhere, bring: Bring, rows: Rows, store: Store, people: dict[str, Account]) -> None:
    there.fill("INBOX", 1, 2, 3)
    there.fill("Projets", 4)
    account = store.open_account(people["marie"].key)
    store.set_quota(account, None, 2)
    report = bring(there)
    assert [one.here for one in report.folders] == [2, 0]
    why = "over the quota (the quota of 2 messages would be exceeded): raise it and run again"
    assert report.folders[0].differences.lines() == [f"1 message (3): did not come: {why}"]
    assert report.folders[1].differences.lines() == [f"1 message (4): did not come: {why}"]
    store.set_quota(account, None, None)
    assert bring(there).equal


def test_too_many_keywords(
    there: Elsewhere, database: Database, store: Store, directory: SqlDirectory, people: dict[str, Account], rows: Rows
) -> None:
    importer = Importer(database, store, directory, StoreSettings(keywords=10), patience=Patience(lambda _: None))
    there.fill("INBOX", 1)
    there.flag("INBOX", "1", 0, *(f"k{n:02}" for n in range(12)))
    report = importer.run(people["marie"], there, Wishes())
    assert len(rows("INBOX")[0].keywords) == 10
    assert report.folders[0].differences.lines() == [
        "1 message: the keyword k10 can't be kept here",
        "1 message: the keyword k11 can't be kept here",
    ]


def test_differing_octets_are_found(there: Elsewhere, bring: Bring, rows: Rows, tmp_path: Path) -> None:
    there.fill("INBOX", 1, 2)
    bring(there)
    (row, _) = rows("INBOX")
    (file,) = [path for path in (tmp_path / "mail").rglob("*") if path.name.startswith(row.blob)]
    octets = bytearray(file.read_bytes())
    octets[-3] ^= 1
    os.chmod(file, 0o600)
    file.write_bytes(octets)
    report = bring(there, verify=True)
    assert report.folders[0].verified == 1
    assert report.folders[0].differences.lines() == ["1 message (1): its octets differ from the source's"]

"""The time machine (storage/restore.py), on each database."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import update

from message.content import MemoryContent
from storage import tables
from storage.blobs.maildir import Maildir
from storage.check.findings import Finding
from storage.check.repair import Repair
from storage.check.verify import Verifier
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import NoSuchMailbox
from storage.model import FlagChange, Grant, NewMessage, System
from storage.restore import Plan, TimeMachine
from storage.store import Store

HOUR = 3600
DELETED = int(System.DELETED)


class Box:
    """An account, and a clock that goes on when told."""

    def __init__(self, store: Store, database: Database, tmp_path: Path) -> None:
        self.store, self.database = store, database
        self.blobs = Maildir(tmp_path / "mail")
        self.doorbell = Doorbell(tmp_path / "more-bells")
        self.machine = TimeMachine(database, self.blobs, store, self.doorbell)
        self.account = store.open_account("marie.durand")

    def later(self) -> int:
        """All that was done so far was an hour ago; returns a moment in between."""
        m, r = tables.message.c, tables.removed.c
        f, b = tables.flags_before.c, tables.mailbox_before.c
        with self.database.write() as connection:
            for column in (m.saved_at, r.saved_at, r.removed_at, f.at, b.at):
                connection.execute(update(column.table).values({column: column - HOUR}))
        return int(time.time()) - HOUR // 2

    def number(self, name: str) -> int:
        return self.store.mailbox(self.account, name).id

    def add(self, *texts: str, to: str = "INBOX", system: int = 0, keywords: tuple[str, ...] = ()) -> None:
        new = [
            NewMessage(
                MemoryContent(f"Subject: {text}\r\n\r\n{text}\r\n".encode()), system, keywords, 1_780_000_000, 60
            )
            for text in texts
        ]
        self.store.append(self.account, self.number(to), new)

    def expunge(self, *uids: int, name: str = "INBOX") -> None:
        self.store.store_flags(self.account, self.number(name), uids, FlagChange.ADD, DELETED, ())
        self.store.expunge(self.account, self.number(name), uids)

    def texts(self, name: str = "INBOX") -> dict[int, str]:
        """What the messages of a mailbox say, by UID."""
        found = {}
        for row in self.store.view(self.account, self.number(name)).rows:
            content = self.store.body(self.account, self.number(name), row)
            found[row.uid] = bytes(content.buffer()).decode().split("\r\n\r\n")[1].strip()
            content.close()
        return found

    def restore(self, moment: int, name: str | None = None, *, rights: bool = False) -> Plan:
        plan = self.machine.plan(self.account, moment, name, rights=rights)
        self.machine.apply(plan)
        return plan

    def verify(self, repair: Repair | None = None) -> list[Finding]:
        before = time.time() + 10_000
        return list(Verifier(self.database, self.blobs, orphans_before=before, repair=repair).run())

    def idle(self, moment: int) -> bool:
        """Nothing is left to do."""
        plan = self.machine.plan(self.account, moment)
        return not any(one.missing or one.now or one.back or one.flags for one in plan.folders)


@pytest.fixture
def box(store: Store, database: Database, tmp_path: Path) -> Box:
    return Box(store, database, tmp_path)


@pytest.mark.parametrize("swept", [False, True])
def test_expunged_messages_return_under_new_uids(box: Box, swept: bool) -> None:
    box.add("un", "deux", "trois", system=int(System.SEEN), keywords=("urgent",))
    moment = box.later()
    box.expunge(1, 3)
    box.add("quatre")
    if swept:
        box.store.sweep(time.time() + HOUR)
    plan = box.restore(moment)
    assert plan.refused == []
    assert box.texts() == {2: "deux", 4: "quatre", 5: "un", 6: "trois"}
    row = box.store.view(box.account, box.number("INBOX")).row(5)
    assert row is not None
    assert (row.system, row.keywords) == (System.SEEN, ("urgent",))
    assert (row.internal_date, row.zone) == (1_780_000_000, 60)
    assert box.store.quota(box.account).used_messages == 4
    assert box.idle(moment)
    box.store.sweep(time.time() + 40 * 86400)
    box.store.scrub(time.time() + 40 * 86400, 100)
    assert len(box.texts()) == 4
    assert list(Verifier(box.database, box.blobs, orphans_before=time.time() + HOUR).run()) == []


def test_what_was_gone_before_or_came_since_does_not_return(box: Box) -> None:
    box.add("un", "deux")
    box.expunge(1)
    moment = box.later()
    box.add("trois")
    box.expunge(3)
    box.restore(moment)
    assert box.texts() == {2: "deux"}


def test_moved_messages_come_home_from_wherever_they_went(box: Box) -> None:
    box.add("un", "deux")
    moment = box.later()
    inbox, trash, archive = map(box.number, ("INBOX", "Trash", "Archive"))
    box.store.move(box.account, inbox, [1, 2], trash)
    box.store.move(box.account, trash, [1], archive)
    box.restore(moment)
    assert (box.texts(), box.texts("Trash"), box.texts("Archive")) == ({3: "un", 4: "deux"}, {}, {})
    assert box.idle(moment)


def test_one_folder_alone_takes_nothing_from_others(box: Box) -> None:
    box.add("un")
    box.add("deux", to="Archive")
    moment = box.later()
    box.store.move(box.account, box.number("INBOX"), [1], box.number("Trash"))
    box.expunge(1, name="Archive")
    box.restore(moment, "INBOX")
    assert (box.texts(), box.texts("Trash"), box.texts("Archive")) == ({2: "un"}, {1: "un"}, {})
    with pytest.raises(NoSuchMailbox):
        box.machine.plan(box.account, moment, "Inconnu")


def test_flags_become_what_they_were(box: Box) -> None:
    box.add("un", "deux", system=int(System.FLAGGED))
    moment = box.later()
    inbox = box.number("INBOX")
    box.store.store_flags(box.account, inbox, [1, 2], FlagChange.REPLACE, int(System.SEEN), ("plus",))
    box.store.store_flags(box.account, inbox, [1], FlagChange.ADD, DELETED, ())
    box.restore(moment)
    assert [(row.system, row.keywords) for row in box.store.view(box.account, inbox).rows] == [(System.FLAGGED, ())] * 2
    assert box.store.mailbox(box.account, "INBOX").deleted == 0
    assert box.idle(moment)


def test_deleted_mailboxes_return_with_all_that_was_in_them(box: Box) -> None:
    made = box.store.create(box.account, "Projets/2026")
    box.store.sharing.change_acl(box.account, made.id, "user:paul", lambda _: "lr")
    box.add("un", "deux", to="Projets/2026")
    moment = box.later()
    box.expunge(1, name="Projets/2026")
    box.store.delete(box.account, "Projets/2026")
    assert box.store.quota(box.account).used_messages == 0
    box.store.sweep(time.time() + HOUR)
    plan = box.restore(moment)
    assert plan.refused == []
    again = box.store.mailbox(box.account, "Projets/2026")
    assert again.uidvalidity > made.uidvalidity
    assert sorted(box.texts("Projets/2026").values()) == ["deux", "un"]
    assert box.store.sharing.acl(box.account, again.id) == (Grant("user:paul", "lr"),)
    assert box.idle(moment)


def test_a_deleted_mailbox_is_swept_with_its_bodies_in_the_end(box: Box, tmp_path: Path) -> None:
    box.store.create(box.account, "Projets")
    box.add("un", to="Projets")
    box.store.delete(box.account, "Projets")
    assert len(list((tmp_path / "mail").rglob("kept/*/cur/*"))) == 1
    assert box.store.sweep(time.time() + 31 * 86400) == 1
    assert list((tmp_path / "mail").rglob("kept/*")) == []


def test_names_and_rights_become_what_they_were(box: Box) -> None:
    box.store.create(box.account, "Projets/2026")
    box.add("un", to="Projets/2026")
    number = box.number("Projets/2026")
    box.store.sharing.change_acl(box.account, number, "user:paul", lambda _: "lr")
    moment = box.later()
    box.store.rename(box.account, "Projets", "Vieux")
    box.store.sharing.change_acl(box.account, number, "user:paul", lambda _: None)
    box.restore(moment)
    assert box.number("Projets/2026") == number
    assert box.texts("Projets/2026") == {1: "un"}
    assert box.store.sharing.acl(box.account, number) == ()
    box.restore(moment, rights=True)
    assert box.store.sharing.acl(box.account, number) == (Grant("user:paul", "lr"),)


def test_a_mailbox_whose_name_is_taken_keeps_the_new_one(box: Box) -> None:
    box.store.create(box.account, "A")
    moment = box.later()
    box.store.rename(box.account, "A", "B")
    box.store.create(box.account, "A")
    plan = box.restore(moment)
    assert len(plan.refused) == 1
    assert "B keeps its name" in plan.refused[0]


def test_a_body_that_is_lost_is_told_and_the_rest_returns(box: Box, tmp_path: Path) -> None:
    box.add("un", "deux")
    moment = box.later()
    box.expunge(1, 2)
    box.store.sweep(time.time() + HOUR)
    min((tmp_path / "mail").rglob("kept/*/cur/*")).unlink()
    plan = box.restore(moment)
    assert len(plan.refused) == 1
    assert len(box.texts()) == 1


def test_two_restores_bring_everything_once(box: Box) -> None:
    box.add("un", "deux")
    moment = box.later()
    box.expunge(1, 2)
    plans = [box.machine.plan(box.account, moment) for _ in "ab"]
    for plan in plans:
        box.machine.apply(plan)
    assert sorted(box.texts().values()) == ["deux", "un"]


@pytest.mark.parametrize("then", ["nothing", "scrub", "same name", "same name, scrub", "repair"])
def test_a_delete_cut_off_before_the_disk_loses_nothing(
    box: Box, then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.store.create(box.account, "Projets")
    box.add("un", "deux", "trois", to="Projets")
    box.expunge(2, name="Projets")
    moment = box.later()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Maildir, "rename_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            box.store.delete(box.account, "Projets")
    if "same name" in then:
        box.store.create(box.account, "Projets")
        box.add("neuf", to="Projets")
    if "scrub" in then:
        box.store.scrub(time.time() + 10**6, 100)
    if then == "repair":
        mend = Repair(box.database, box.blobs, box.doorbell)
        assert all(one.repaired for one in box.verify(mend))
        assert box.verify() == []
    plan = box.restore(moment)
    assert plan.refused == []
    assert sorted(box.texts("Projets").values()) == sorted(["un", "trois", *["neuf"] * ("same name" in then)])
    box.store.scrub(time.time() + 10**6, 100)
    assert box.verify() == []

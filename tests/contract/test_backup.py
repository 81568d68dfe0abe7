"""Backups (storage/backup), from each database into each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, delete

import mailserver.wiring  # all rooms' tables
from config.settings import Store as Settings
from message.content import MemoryContent
from storage import tables
from storage.backup import form
from storage.backup.create import BackupWriter
from storage.backup.form import backups
from storage.backup.prune import prune
from storage.backup.rehearsal import rehearse
from storage.backup.restore import BackupReader
from storage.backup.seal import Seal, new_key
from storage.backup.target import FolderTarget
from storage.blobs.maildir import Maildir
from storage.check.verify import Verifier
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import Damaged, NotPermitted, Unavailable
from storage.migrate import upgrade
from storage.model import FlagChange, NewMessage, System
from storage.retention import Retention
from storage.store import Store

assert mailserver.wiring
ROOT = Path(__file__).parents[2]


class Site:
    """A store, and a folder of backups beside it."""

    def __init__(self, store: Store, database: Database, tmp_path: Path) -> None:
        self.store, self.database, self.folder = store, database, tmp_path / "backups"
        self.bodies = Maildir(tmp_path / "mail")
        self.target = FolderTarget(self.folder)
        self.marie = store.open_account("marie.durand")

    def add(self, *texts: str, to: str = "INBOX", system: int = 0) -> None:
        new = [
            NewMessage(
                MemoryContent(f"Subject: {text}\r\n\r\n{text}\r\n".encode()), system, ("plus",), 1_780_000_000, 60
            )
            for text in texts
        ]
        self.store.append(self.marie, self.store.mailbox(self.marie, to).id, new)

    def create(self, seal: Seal | None = None) -> str:
        name, manifest = BackupWriter(self.database, self.bodies, self.target, seal or Seal()).create()
        assert manifest.missing == []
        return name

    def reader(self, name: str, seal: Seal | None = None) -> BackupReader:
        return BackupReader(self.target, seal or Seal(), name)

    def objects(self) -> set[str]:
        return set(self.target.names("objects"))


@pytest.fixture
def site(store: Store, database: Database, tmp_path: Path) -> Site:
    upgrade_stamp(database)
    return Site(store, database, tmp_path)


def upgrade_stamp(database: Database) -> None:
    """Say that the tables, made at once, are of this release's schema."""
    from alembic import command

    from storage.migrate import _config

    command.stamp(_config(database), "head")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[Store, Database, Maildir]]:
    """An empty store."""
    database = Database(f"sqlite:///{tmp_path}/elsewhere.db")
    upgrade(database)
    bell = Doorbell(tmp_path / "elsewhere-bells")
    bodies = Maildir(tmp_path / "elsewhere")
    store = Store(database, bodies, Settings(), bell)
    yield store, database, bodies
    store.close()
    bell.close()
    database.close()


def texts(store: Store, account: int, name: str) -> dict[int, str]:
    box = store.mailbox(account, name)
    found = {}
    for row in store.view(account, box.id).rows:
        content = store.body(account, box.id, row)
        found[row.uid] = bytes(content.buffer()).decode().split("\r\n\r\n")[1].strip()
        content.close()
    return found


def test_all_comes_back_and_no_number_is_given_twice(site: Site, elsewhere: tuple[Store, Database, Maildir]) -> None:
    site.store.create(site.marie, "Projets/2026")
    site.add("un", "deux", system=int(System.SEEN))
    site.add("trois", to="Projets/2026")
    site.store.sharing.change_acl(
        site.marie, site.store.mailbox(site.marie, "Projets/2026").id, "user:paul", lambda _: "lr"
    )
    name = site.create()
    # A client goes on after the backup: new mail, flags, and something expunged.
    inbox = site.store.mailbox(site.marie, "INBOX")
    site.add("quatre")
    site.store.store_flags(site.marie, inbox.id, [1], FlagChange.REPLACE, int(System.DELETED), ())
    client = site.store.mailbox(site.marie, "INBOX")
    store, database, bodies = elsewhere
    assert site.reader(name).restore_all(database, bodies) == []
    marie = store.open_account("marie.durand")
    assert texts(store, marie, "INBOX") == {1: "un", 2: "deux"}
    assert texts(store, marie, "Projets/2026") == {1: "trois"}
    after = store.mailbox(marie, "INBOX")
    assert after.uidvalidity == client.uidvalidity
    assert after.uidnext > client.uidnext
    assert after.highest_modseq > client.highest_modseq
    # RFC 7162: what the client had after the backup vanished, and flags are what they were.
    assert [low <= 3 <= high for low, high in store.vanished(marie, inbox.id, client.highest_modseq)] == [True]
    changed = store.changes(marie, inbox.id, client.highest_modseq).changed
    assert [(row.uid, row.system, row.keywords) for row in changed] == [
        (1, System.SEEN, ("plus",)),
        (2, System.SEEN, ("plus",)),
    ]
    (uid,) = store.append(marie, inbox.id, [NewMessage(MemoryContent(b"Subject: new\r\n\r\nnew\r\n"))])
    assert uid >= after.uidnext > client.uidnext
    made = store.create(marie, "Nouveau")
    assert made.uidvalidity > max(box.uidvalidity for box in site.store.mailboxes(site.marie))
    assert made.id > max(box.id for box in site.store.mailboxes(site.marie))
    assert len(store.sharing.acl(marie, store.mailbox(marie, "Projets/2026").id)) == 1
    assert list(Verifier(database, bodies, orphans_before=2**40).run()) == []


def test_a_backup_of_an_earlier_release_comes_back(
    site: Site, elsewhere: tuple[Store, Database, Maildir], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns and tables that there were not, and a table that is no more."""
    site.add("un")
    site.store.set_quota(site.marie, 5000, None)
    encode = form.encode
    later = {"pool", "told_level", "keep_days"}

    def as_before(table: Table, rows: Iterable[Mapping[str, Any]]) -> bytes:
        name = "spam_forgotten" if table is tables.pool else table.name
        old = Table(name, MetaData(), *(Column(one.name, one.type) for one in table.columns if one.name not in later))
        return encode(old, rows)

    site.store.shared_quotas.set("college", 100, 0, [])
    with monkeypatch.context() as patched:
        patched.setattr(form, "encode", as_before)
        patched.setattr("storage.backup.create.revision", lambda database: "0013")
        name = site.create()
    store, database, bodies = elsewhere
    assert site.reader(name).verify() == []
    assert site.reader(name).restore_all(database, bodies) == []
    marie = store.open_account("marie.durand")
    assert texts(store, marie, "INBOX") == {1: "un"}
    assert store.quota(marie).limit_bytes == 5000
    assert store.shared_quotas.all() == []
    assert list(Verifier(database, bodies, orphans_before=2**40).run()) == []


def test_a_backup_of_a_later_release_is_refused(
    site: Site, elsewhere: tuple[Store, Database, Maildir], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.backup.create.revision", lambda database: "9999")
    name = site.create()
    _, database, bodies = elsewhere
    with pytest.raises(NotPermitted, match="later release"):
        site.reader(name).restore_all(database, bodies)


def test_limits_rules_and_what_a_group_shares_come_back(site: Site, elsewhere: tuple[Store, Database, Maildir]) -> None:
    site.store.set_quota(site.marie, 5000, 7)
    site.store.shared_quotas.set("college", 100_000, 50, [site.marie])
    rules = Retention(site.database, Doorbell(site.folder / "bells"))
    rules.rule(site.marie, site.store.mailbox(site.marie, "Sent").id, 90)
    rules.hold(site.marie, True)
    store, database, bodies = elsewhere
    assert site.reader(site.create()).restore_all(database, bodies) == []
    marie = store.open_account("marie.durand")
    assert (store.quota(marie).limit_bytes, store.quota(marie).limit_messages) == (5000, 7)
    assert store.shared_quotas.of(marie) == site.store.shared_quotas.of(site.marie)
    back = Retention(database, Doorbell(site.folder / "bells"))
    assert back.rules(marie) == {"Sent": 90}
    assert back.held(marie)


def test_a_store_in_use_is_not_overwritten(site: Site, elsewhere: tuple[Store, Database, Maildir]) -> None:
    from directory.tables import group

    name = site.create()
    _, database, bodies = elsewhere
    with database.write() as connection:
        connection.execute(group.insert().values(name="profs", name_key="profs"))
    with pytest.raises(NotPermitted, match="in use"):
        site.reader(name).restore_all(database, bodies)


def test_only_what_changed_is_written(site: Site) -> None:
    site.add("un", "deux")
    site.create()
    before = site.objects()
    site.create()
    assert site.objects() == before
    site.add("trois")
    site.create()
    # The body, and the rows of accounts, mailboxes, contents and messages.
    assert len(site.objects() - before) == 5


def test_single_messages_folders_and_accounts_return_once(site: Site) -> None:
    site.add("un", "deux")
    site.add("trois", to="Archive")
    name = site.create()
    inbox, archive = (site.store.mailbox(site.marie, one).id for one in ("INBOX", "Archive"))
    site.store.store_flags(site.marie, inbox, [1, 2], FlagChange.ADD, int(System.DELETED), ())
    site.store.expunge(site.marie, inbox)
    site.store.delete(site.marie, "Archive")
    reader = site.reader(name)
    one = reader.bring(site.store, "marie.durand", site.marie, lambda one: (one.mailbox, one.uid) == ("INBOX", 2))
    assert (one, texts(site.store, site.marie, "INBOX")) == ((1, 0, []), {3: "deux"})
    assert reader.bring(site.store, "marie.durand", site.marie) == (2, 1, [])
    assert texts(site.store, site.marie, "Archive") == {1: "trois"}
    assert archive != site.store.mailbox(site.marie, "Archive").id
    assert reader.bring(site.store, "marie.durand", site.marie) == (0, 3, [])


def test_mail_that_moves_on_during_a_backup_is_in_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.store.create(site.marie, "Projets")
    site.store.create(site.marie, "Classes")
    site.add("un", to="Projets")
    site.add("deux", to="Classes")
    site.add("trois", "quatre")
    writer = BackupWriter(site.database, site.bodies, site.target, Seal())
    real = writer._shared

    def meanwhile(connection: object) -> Iterator[bytes]:
        yield from real(connection)  # type: ignore[arg-type]
        inbox = site.store.mailbox(site.marie, "INBOX").id
        site.store.rename(site.marie, "Projets", "Plans")
        site.store.delete(site.marie, "Classes")
        site.store.move(site.marie, inbox, [1], site.store.mailbox(site.marie, "Trash").id)
        site.store.sweep(time.time() + 3600)

    monkeypatch.setattr(writer, "_shared", meanwhile)
    name, manifest = writer.create()
    assert (manifest.missing, manifest.messages) == ([], 4)
    assert site.reader(name).verify() == []


def test_a_backup_is_proven_by_a_rehearsal(site: Site) -> None:
    site.add("un", "deux")
    reader = site.reader(site.create())
    assert rehearse(reader, site.folder) == ([], 2)
    assert reader.verify() == []
    assert not list(site.folder.glob(".rehearsal*"))


@pytest.mark.parametrize("harm", ["flip", "cut", "lose"])
def test_a_damaged_object_is_found_and_the_rest_returns(
    site: Site, harm: str, elsewhere: tuple[Store, Database, Maildir]
) -> None:
    site.add("un", "deux")
    name = site.create()
    seal = Seal()
    kept = next(iter(site.reader(name).messages("marie.durand")))
    path = site.folder / seal.name(kept.digest)
    octets = path.read_bytes()
    match harm:
        case "flip":
            path.write_bytes(octets[:10] + bytes([octets[10] ^ 1]) + octets[11:])
        case "cut":
            path.write_bytes(octets[: len(octets) // 2])
        case "lose":
            path.unlink()
    assert len(site.reader(name).verify()) == 1
    wrong, _ = rehearse(site.reader(name), site.folder)
    assert any("UID 1" in text for text in wrong)
    store, database, bodies = elsewhere
    assert len(site.reader(name).restore_all(database, bodies)) == 1
    assert texts(store, store.open_account("marie.durand"), "INBOX") == {2: "deux"}
    assert list(Verifier(database, bodies, orphans_before=2**40).run()) == []


def test_an_account_that_can_not_be_read_keeps_no_other_from_its_mail(
    site: Site, elsewhere: tuple[Store, Database, Maildir]
) -> None:
    site.add("un", "deux")
    other = site.store.open_account("anne.martin")
    site.store.append(other, site.store.mailbox(other, "INBOX").id, [NewMessage(MemoryContent(b"\r\nx\r\n"))])
    name = site.create()
    block = site.reader(name).manifest.accounts["anne.martin"][0]
    assert block not in site.reader(name).manifest.accounts["marie.durand"]
    (site.folder / block).write_bytes(b"P not what it was")
    wrong, count = rehearse(site.reader(name), site.folder)
    assert count == 2
    assert any("anne.martin" in text for text in wrong)
    store, database, bodies = elsewhere
    (told,) = site.reader(name).restore_all(database, bodies)
    assert told.startswith("anne.martin: ")
    assert texts(store, store.open_account("marie.durand"), "INBOX") == {1: "un", 2: "deux"}
    assert list(Verifier(database, bodies, orphans_before=2**40).run()) == []


def test_a_body_that_the_store_lost_is_told(site: Site, tmp_path: Path) -> None:
    site.add("un", "deux")
    min((tmp_path / "mail").rglob("cur/*")).unlink()
    _, manifest = BackupWriter(site.database, site.bodies, site.target, Seal()).create()
    assert (len(manifest.missing), manifest.messages) == (1, 1)


def test_a_sealed_backup_needs_its_key(site: Site) -> None:
    site.add("Bulletin secret")
    private, public = new_key()
    name = site.create(Seal(public=public))
    assert all(b"secret" not in path.read_bytes() for path in site.folder.rglob("*") if path.is_file())
    with pytest.raises(NotPermitted):
        site.reader(name, Seal(public=public))
    assert site.reader(name, Seal(private=private)).verify() == []
    assert rehearse(site.reader(name, Seal(private=private)), site.folder) == ([], 1)
    site.add("deux")
    site.create(Seal(public=public))
    assert prune(site.target, 1)[0] == [name]
    with pytest.raises(Damaged, match="another key"):
        site.reader(backups(site.target)[0], Seal(private=new_key()[0]))
    for wrong in ("x", "é", "A" * 43 + "BBBB"):
        with pytest.raises(NotPermitted):
            Seal(private=wrong)


def test_pruning_leaves_what_others_need(site: Site) -> None:
    site.add("un", "deux")
    first = site.create()
    with site.database.write() as connection:
        connection.execute(delete(tables.message).where(tables.message.c.uid == 1))
    last = site.create()
    assert prune(site.target, 2) == ([], 0)
    old, count = prune(site.target, 1)
    assert (old, backups(site.target)) == ([first], [last])
    assert count > 0
    assert site.reader(last).verify() == []


def test_only_one_works_in_a_folder_at_a_time(site: Site) -> None:
    with site.target.turn(), pytest.raises(Unavailable):
        FolderTarget(site.folder).turn().__enter__()


CREATE = """
import sys, time
from storage.backup.target import FolderTarget
from mailserver import wiring
from pathlib import Path
real = FolderTarget.put
left = int(sys.argv[4])
def put(self, name, octets):
    global left
    left -= 1
    if left < 0:
        print("here", flush=True)
        time.sleep(60)
    real(self, name, octets)
FolderTarget.put = put
from storage.backup import form
from storage.backup.create import BackupWriter
from storage.backup.seal import Seal
from storage.blobs.maildir import Maildir
from storage.database import Database
BackupWriter(Database(sys.argv[1]), Maildir(Path(sys.argv[2])), FolderTarget(Path(sys.argv[3])), Seal()).create()
"""


@pytest.mark.parametrize("after", [0, 2, 7])
def test_a_backup_that_is_killed_harms_no_other(site: Site, tmp_path: Path, after: int) -> None:
    site.add("un")
    first = site.create()
    site.add("deux", "trois", "quatre")
    url = site.database.engine.url.render_as_string(hide_password=False)
    arguments = [url, str(tmp_path / "mail"), str(site.folder), str(after)]
    with subprocess.Popen([sys.executable, "-c", CREATE, *arguments], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        os.kill(process.pid, signal.SIGKILL)
    assert backups(site.target) == [first]
    assert site.reader(first).verify() == []
    last = site.create()
    assert site.reader(last).verify() == []
    assert rehearse(site.reader(last), site.folder) == ([], 4)

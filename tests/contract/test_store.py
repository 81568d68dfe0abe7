"""What every store must do (storage/api.py), on each backend."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from message.content import FileContent, MemoryContent
from storage.database import Database
from storage.errors import (
    InvalidName,
    LimitReached,
    MailboxExists,
    NoSuchMailbox,
    NoSuchMessage,
    NotPermitted,
    OverQuota,
    TooBig,
    UseRefused,
)
from storage.index import messages
from storage.model import (
    Age,
    AllOf,
    AnyOf,
    Body,
    Columns,
    Dated,
    DateField,
    Filing,
    FlagChange,
    Has,
    HasKeyword,
    Header,
    NewMessage,
    Not,
    Size,
    SpecialUse,
    System,
    Text,
    UidRanges,
    When,
)
from storage.store import Store
from tests.fakes.statements import statements_of


def mail(subject: str = "Réunion", body: str = "Bonjour à tous", extra: str = "") -> MemoryContent:
    text = (
        "From: =?utf-8?q?H=C3=A9l=C3=A8ne?= <helene@example.net>\r\nTo: equipe@example.org\r\n"
        f"Subject: {subject}\r\nDate: Mon, 5 Oct 2026 10:00:00 +0200\r\nMessage-ID: <{subject}@example.net>\r\n"
        f"{extra}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n"
    )
    return MemoryContent(text.encode())


def fill(store: Store, account: int, *subjects: str, mailbox: str = "INBOX") -> Sequence[int]:
    box = store.mailbox(account, mailbox)
    return store.append(account, box.id, [NewMessage(mail(subject)) for subject in subjects])


@pytest.fixture
def account(store: Store) -> int:
    return store.open_account("marie.durand")


def test_an_account_starts_with_its_standard_folders(store: Store, account: int) -> None:
    boxes = store.mailboxes(account)
    assert [box.name for box in boxes] == ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Templates", "Trash"]
    assert all(box.subscribed for box in boxes)
    assert {box.name: box.special_use for box in boxes}["Junk"] is SpecialUse.JUNK
    assert store.open_account("marie.durand") == account
    assert len({box.uidvalidity for box in boxes}) == len(boxes)


def test_appended_octets_come_back_exactly(store: Store, account: int) -> None:
    content = mail("Accents: é", body="\0 \x80 .\r\n..\r\n")
    box = store.mailbox(account, "inbox")
    (uid,) = store.append(account, box.id, [NewMessage(content, int(System.SEEN), ("projet_x",), 1_700_000_000, 60)])
    row = store.view(account, box.id).row(uid)
    assert row is not None
    assert (row.system, row.keywords, row.internal_date, row.zone) == (1, ("projet_x",), 1_700_000_000, 60)
    assert row.size == content.size
    body = store.body(account, box.id, row)
    assert bytes(body.buffer()) == content.buffer()
    body.close()


def test_numbers_rise_and_counters_agree(store: Store, account: int) -> None:
    uids = fill(store, account, "a", "b", "c")
    assert list(uids) == [1, 2, 3]
    box = store.mailbox(account, "INBOX")
    assert (box.messages, box.unseen, box.uidnext) == (3, 3, 4)
    assert box.size == sum(row.size for row in store.view(account, box.id).rows)
    before = box.highest_modseq
    store.store_flags(account, box.id, [2], FlagChange.ADD, int(System.SEEN | System.DELETED), ["x"])
    box = store.mailbox(account, "INBOX")
    assert (box.unseen, box.deleted) == (2, 1)
    assert box.highest_modseq > before
    assert store.expunge(account, box.id) == [2]
    box = store.mailbox(account, "INBOX")
    assert (box.messages, box.unseen, box.deleted) == (2, 2, 0)
    assert list(fill(store, account, "d")) == [4]
    quota = store.quota(account)
    assert quota.used_messages == 3
    assert quota.used_bytes == store.mailbox(account, "INBOX").size


def test_changes_tell_what_is_new_changed_and_gone(store: Store, account: int) -> None:
    fill(store, account, "a", "b", "c")
    box = store.mailbox(account, "INBOX")
    since = box.highest_modseq
    assert store.changes(account, box.id, since).changed == ()
    store.store_flags(account, box.id, [1, 3], FlagChange.ADD, int(System.DELETED), ())
    store.expunge(account, box.id, [3])
    fill(store, account, "d")
    news = store.changes(account, box.id, since)
    assert [row.uid for row in news.changed] == [1, 4]
    assert news.expunged == (3,)
    assert news.uidnext == 5
    assert list(store.view(account, box.id).uids) == [1, 2, 4]


def test_what_vanished_is_known_as_ranges(store: Store, account: int) -> None:
    fill(store, account, *"abcdefgh")
    box = store.mailbox(account, "INBOX")
    store.store_flags(account, box.id, [2, 3, 5], FlagChange.ADD, int(System.DELETED), ())
    assert store.vanished(account, box.id, 1) == []
    store.expunge(account, box.id, [2, 3])
    since = store.mailbox(account, "INBOX").highest_modseq
    store.expunge(account, box.id, [5])
    assert store.vanished(account, box.id, 1) == [(2, 3), (5, 5)]
    assert store.vanished(account, box.id, since) == [(5, 5)]


def test_what_was_forgotten_is_told_by_what_is_not_there(store: Store, account: int, tmp_path: Path) -> None:
    """RFC 7162 section 3.2.6: after a long absence more may be told, never less."""
    fill(store, account, *"abcdefgh")
    box = store.mailbox(account, "INBOX")
    store.view(account, box.id)
    old = store.mailbox(account, "INBOX").highest_modseq
    for uid in (2, 4, 8):
        store.store_flags(account, box.id, [uid], FlagChange.ADD, int(System.DELETED), ())
        store.expunge(account, box.id)
    recent = store.mailbox(account, "INBOX").highest_modseq
    with store._database.write() as connection:
        upto = messages.old_vanished(connection, account, box.id, 1)
        assert upto is not None
        assert old < upto < recent
        messages.forget_vanished(connection, account, box.id, upto)
    assert store.mailbox(account, "INBOX").forgotten == upto
    assert store.vanished(account, box.id, upto) == [(8, 8)]
    assert store.vanished(account, box.id, old) == [(2, 2), (4, 4), (8, 8)]
    assert not store.changes(account, box.id, old).whole
    # A view from before is not brought forward with less than the whole.
    assert list(store.view(account, box.id).uids) == [1, 3, 5, 6, 7]


def test_few_removals_are_not_forgotten(store: Store, account: int) -> None:
    fill(store, account, *"ab")
    box = store.mailbox(account, "INBOX")
    store.store_flags(account, box.id, [1], FlagChange.ADD, int(System.DELETED), ())
    store.expunge(account, box.id)
    assert store.scrub(time.time(), 100) == 0
    assert store.mailbox(account, "INBOX").forgotten == 0


def test_store_keeps_what_is_the_same_and_honours_unchanged_since(store: Store, account: int) -> None:
    fill(store, account, "a", "b")
    box = store.mailbox(account, "INBOX")
    first = store.store_flags(account, box.id, [1], FlagChange.ADD, int(System.SEEN), ()).rows[0]
    again = store.store_flags(account, box.id, [1, 99], FlagChange.ADD, int(System.SEEN), ())
    assert again.rows == (first,)
    result = store.store_flags(
        account, box.id, [1, 2], FlagChange.REPLACE, int(System.FLAGGED), ("$Label1",), unchanged_since=first.modseq - 1
    )
    assert result.modified == (1,)
    assert [(row.uid, row.system, row.keywords) for row in result.rows] == [(2, int(System.FLAGGED), ("$Label1",))]
    kept = store.store_flags(account, box.id, [2], FlagChange.ADD, 0, ("$LABEL1", "autre")).rows[0]
    assert kept.keywords == ("$Label1", "autre")


def test_a_flag_of_one_message_costs_few_statements(store: Store, account: int, database: Database) -> None:
    uids = fill(store, account, "a", "b", "c")
    inbox = store.mailbox(account, "INBOX").id
    statements = statements_of(database)
    store.view(account, inbox)
    statements.clear()
    store.store_flags(account, inbox, [uids[1]], FlagChange.ADD, System.SEEN, ())
    tables = ("store_account", "mailbox", "flags_before", "message", "names_due", "mailbox", "store_account")
    if not database.is_sqlite:
        assert len(statements) >= len(tables)
        return
    assert [text.split()[0] for text in statements] == ["SELECT"] * 2 + ["INSERT", "UPDATE", "INSERT"] + ["UPDATE"] * 2
    assert all(f" {table}" in text for table, text in zip(tables, statements, strict=True))
    # What it committed itself the process knows.
    statements.clear()
    row = store.view(account, inbox).row(uids[1])
    assert (row is not None and row.system, statements) == (System.SEEN, [])


def test_flags_show_in_the_file_names(store: Store, account: int, tmp_path: Path) -> None:
    fill(store, account, "a")
    box = store.mailbox(account, "INBOX")
    store.store_flags(account, box.id, [1], FlagChange.ADD, int(System.SEEN | System.FLAGGED), ())
    assert store.rename_bodies() == 1
    assert store.rename_bodies() == 0
    (name,) = [path.name for path in (tmp_path / "mail").rglob("cur/*")]
    row = store.view(account, box.id).row(1)
    assert row is not None
    assert name == f"{row.blob},S={row.size}:2,FS"


def test_a_body_is_found_under_its_older_name(store: Store, account: int, tmp_path: Path) -> None:
    fill(store, account, "a")
    box = store.mailbox(account, "INBOX")
    store.store_flags(account, box.id, [1], FlagChange.ADD, int(System.SEEN), ())
    (path,) = (tmp_path / "mail").rglob("cur/*")
    assert path.name.endswith(":2,")
    row = store.view(account, box.id).row(1)
    assert row is not None
    assert b"Subject: a" in bytes(store.body(account, box.id, row).buffer())


def test_copy_and_move(store: Store, account: int) -> None:
    fill(store, account, "a", "b", "c")
    inbox, target = store.mailbox(account, "INBOX"), store.create(account, "Projets/2026")
    store.store_flags(account, inbox.id, [2], FlagChange.ADD, int(System.FLAGGED), ("urgent",))
    copied = store.copy(account, inbox.id, [2, 3, 77], target.id)
    assert (copied.source, copied.target, copied.uidvalidity) == ((2, 3), (1, 2), target.uidvalidity)
    row = store.view(account, target.id).row(1)
    assert row is not None
    assert (row.system, row.keywords) == (int(System.FLAGGED), ("urgent",))
    moved = store.move(account, inbox.id, [1, 2], target.id)
    assert (moved.source, moved.target) == ((1, 2), (3, 4))
    assert list(store.view(account, inbox.id).uids) == [3]
    view = store.view(account, target.id)
    texts = [bytes(store.body(account, target.id, row).buffer()) for row in view.rows]
    assert [b"Subject: a" in text for text in texts] == [False, False, True, False]
    assert store.quota(account).used_messages == 5


def test_moving_back_and_forth_keeps_the_body(store: Store, account: int) -> None:
    fill(store, account, "a")
    inbox, trash = store.mailbox(account, "INBOX"), store.mailbox(account, "Trash")
    there = store.move(account, inbox.id, [1], trash.id).target
    back = store.move(account, trash.id, there, inbox.id).target
    store.sweep(time.time() + 10_000)
    row = store.view(account, inbox.id).row(back[0])
    assert row is not None
    assert b"Subject: a" in bytes(store.body(account, inbox.id, row).buffer())


def test_expunged_bodies_stay_a_while_and_are_swept(store: Store, account: int, tmp_path: Path) -> None:
    fill(store, account, "a", "b")
    box = store.mailbox(account, "INBOX")
    row = store.view(account, box.id).row(1)
    assert row is not None
    store.store_flags(account, box.id, [1], FlagChange.ADD, int(System.DELETED), ())
    store.expunge(account, box.id)
    assert b"Subject: a" in bytes(store.body(account, box.id, row).buffer())
    assert store.sweep(time.time() + 10_000) == 0
    with pytest.raises(NoSuchMessage):
        store.body(account, box.id, row)
    assert store.sweep(time.time() + 31 * 86400) == 1
    assert len(list((tmp_path / "mail").rglob("cur/*"))) == 1


def test_files_that_no_row_names_are_swept_and_others_kept(store: Store, account: int, tmp_path: Path) -> None:
    """What a crash between the links of a body and the commit leaves."""
    fill(store, account, "a", "b", "c")
    box = store.mailbox(account, "INBOX")
    store.store_flags(account, box.id, [3], FlagChange.ADD, int(System.DELETED), ())
    store.expunge(account, box.id)
    (one, *_) = (tmp_path / "mail").rglob("cur/*")
    orphan = one.with_name("1700000000.M1P1Q1.host,S=5:2,")
    orphan.write_bytes(b"lost\n")
    assert store.scrub(time.time(), 100) == 0
    assert store.scrub(time.time() + 10_000, 100) == 1
    assert not orphan.exists()
    assert len(list((tmp_path / "mail").rglob("cur/*"))) == 2
    # Where others that read the tree don't see it.
    assert len(list((tmp_path / "mail").rglob("expunged/*"))) == 1
    assert [store.scrub(time.time() + 10_000, 3) for _ in range(4)] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "name",
    ["", "a//b", "/a", "a/", "..", "a/../b", "x\r\ny", "n\0", "a*", "%", "é" * 200, "/".join("abcdefghijklmnopq")],
)
def test_bad_names(store: Store, account: int, name: str) -> None:
    with pytest.raises(InvalidName):
        store.create(account, name)


@pytest.mark.parametrize("name", ["\0", "a/\0/b", "..", "../INBOX", "x" * 4000, "/".join(["x" * 200] * 20), "*"])
def test_a_name_that_cannot_be_is_nobodys(store: Store, account: int, name: str) -> None:
    for ask in (store.mailbox, store.create, store.delete):
        with pytest.raises(InvalidName):
            ask(account, name)
    with pytest.raises(InvalidName):
        store.rename(account, "Archive", name)
    with pytest.raises(InvalidName):
        store.rename(account, name, "Ailleurs")
    with pytest.raises(InvalidName):
        store.subscribe(account, name, True)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0",
        b"\r\n",
        b"Subject: a\0b\r\n\r\n\0",
        b"Subject: =?utf-8?q?a=00=ED=A0=80?=\r\nFrom: =?utf-8?b?AAA=?= <a\0@b>\r\nMessage-ID: <\0@x>\r\n\r\n",
        b"\xff" * 70_000,
        b"To: " + b"a@b," * 20_000 + b"\r\n\r\n",
    ],
    ids=["none", "NUL", "line", "NULs", "hidden NULs", "no text", "many addresses"],
)
def test_octets_of_any_kind_are_kept_as_they_are(store: Store, account: int, octets: bytes) -> None:
    box = store.mailbox(account, "INBOX").id
    (uid,) = store.append(account, box, [NewMessage(MemoryContent(octets))])
    (row,) = store.view(account, box).rows
    assert (row.uid, row.size) == (uid, len(octets))
    assert bytes(store.body(account, box, row).buffer()) == octets
    assert store.search(account, box, Text("nothing of this kind")) == []


def test_a_message_above_the_limit_is_refused_before_anything_is_written(
    store: Store, account: int, tmp_path: Path
) -> None:
    box = store.mailbox(account, "INBOX").id
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(201 * 1024 * 1024)
    with pytest.raises(TooBig, match="a message may have 209715200 octets, this one has 210763776"):
        store.append(account, box, [NewMessage(MemoryContent(b"small")), NewMessage(FileContent(large))])
    with pytest.raises(TooBig):
        store.deliver([Filing(account)], FileContent(large), None, 0.0)
    assert store.mailbox(account, "INBOX").messages == 0
    assert not [path for path in (tmp_path / "mail").rglob("*") if path.is_file() and path.stat().st_size]


def test_create_rename_delete(store: Store, account: int, tmp_path: Path) -> None:
    box = store.create(account, "Élèves/6e.B/Bulletins")
    assert store.mailbox(account, "Élèves/6e.B").messages == 0
    with pytest.raises(MailboxExists):
        store.create(account, "Élèves")
    fill(store, account, "a", mailbox="Élèves/6e.B/Bulletins")
    store.rename(account, "Élèves", "Classes/Anciennes")
    moved = store.mailbox(account, "Classes/Anciennes/6e.B/Bulletins")
    assert (moved.id, moved.uidvalidity) == (box.id, box.uidvalidity)
    row = store.view(account, moved.id).row(1)
    assert row is not None
    assert store.body(account, moved.id, row).size == row.size
    with pytest.raises(NoSuchMailbox):
        store.mailbox(account, "Élèves")
    with pytest.raises(NotPermitted):
        store.delete(account, "INBOX")
    store.delete(account, "Classes/Anciennes/6e.B/Bulletins")
    with pytest.raises(NoSuchMailbox):
        store.view(account, moved.id)
    assert store.quota(account).used_messages == 0
    assert not [path for path in (tmp_path / "mail").rglob("cur/*") if "kept" not in path.parts]
    again = store.create(account, "Classes/Anciennes/6e.B/Bulletins")
    assert again.uidvalidity > box.uidvalidity


def test_a_rename_cut_before_the_disk_is_finished_later(store: Store, account: int, database: Database) -> None:
    store.create(account, "Avant")
    fill(store, account, "a", mailbox="Avant")
    box = store.mailbox(account, "Avant")
    with database.write() as connection:
        from storage.index import mailboxes

        mailboxes.rename(connection, account, box.id, ".Avant", "Après")
    row = store.view(account, box.id).row(1)
    assert row is not None
    assert store.body(account, box.id, row).size == row.size


def test_rename_inbox_moves_its_messages(store: Store, account: int) -> None:
    fill(store, account, "a", "b")
    store.create(account, "INBOX/enfant")
    store.rename(account, "INBOX", "Ancien")
    assert store.mailbox(account, "INBOX").messages == 0
    assert store.mailbox(account, "Ancien").messages == 2
    assert store.mailbox(account, "INBOX/enfant").messages == 0


def test_subscriptions_outlive_their_mailbox(store: Store, account: int) -> None:
    store.create(account, "x")
    store.subscribe(account, "x", True)
    store.delete(account, "x")
    assert "x" in store.subscriptions(account)
    store.subscribe(account, "x", False)
    store.subscribe(account, "x", False)
    assert "x" not in store.subscriptions(account)


def test_recent_is_given_once(store: Store, account: int) -> None:
    fill(store, account, "a", "b")
    box = store.mailbox(account, "INBOX")
    assert store.claim_recent(account, box.id) == range(1, 3)
    assert not store.claim_recent(account, box.id)
    fill(store, account, "c")
    assert store.claim_recent(account, box.id) == range(3, 4)


def test_quota_is_enforced_and_nothing_is_kept(store: Store, account: int, tmp_path: Path) -> None:
    fill(store, account, "a")
    box = store.mailbox(account, "INBOX")
    store.set_quota(account, store.quota(account).used_bytes + 10, None)
    with pytest.raises(OverQuota):
        fill(store, account, "b")
    with pytest.raises(OverQuota):
        store.copy(account, box.id, [1], store.mailbox(account, "Sent").id)
    assert store.move(account, box.id, [1], store.mailbox(account, "Sent").id).target == (1,)
    other = store.open_account("paul.petit")
    with pytest.raises(OverQuota) as error:
        store.deliver([Filing(other), Filing(account)], mail("c"), None, time.time())
    assert error.value.account == account
    assert store.mailbox(other, "INBOX").messages == 0
    assert not list((tmp_path / "mail" / "staging").iterdir())


def test_one_body_for_many_recipients(store: Store, tmp_path: Path) -> None:
    accounts = [store.open_account(f"eleve{n}") for n in range(5)]
    filings = [Filing(number) for number in accounts[:4]] + [
        Filing(accounts[4], use=SpecialUse.JUNK, keywords=("$Junk",))
    ]
    kept = store.deliver(filings, mail("tous"), None, 1_700_000_000.5)
    assert [(account, uid) for account, _, uid in kept] == [(number, 1) for number in accounts]
    junk = store.mailbox(accounts[4], "Junk")
    assert junk.messages == 1
    files = list((tmp_path / "mail").rglob("cur/*"))
    assert len({path.stat().st_ino for path in files}) == 1
    assert len(files) == 5


def test_what_commits_along_fails_along(store: Store, account: int) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.deliver([Filing(account)], mail("x"), None, time.time(), fail)
    assert store.mailbox(account, "INBOX").messages == 0


def test_concurrent_deliveries_lose_and_double_nothing(store: Store, account: int) -> None:
    errors: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for n in range(20):
                store.deliver([Filing(account)], mail(f"{worker}-{n}"), None, time.time())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    box = store.mailbox(account, "INBOX")
    view = store.view(account, box.id)
    assert list(view.uids) == list(range(1, 161))
    assert len({row.modseq for row in view.rows}) == 160
    subjects = {
        bytes(store.body(account, box.id, row).buffer()).split(b"Subject: ")[1].split(b"\r\n")[0] for row in view.rows
    }
    assert len(subjects) == 160


def test_own_changes_of_scattered_messages_are_seen_as_another_process_reads_them(
    store: Store, account: int, database: Database, tmp_path: Path
) -> None:
    from config.settings import Store as StoreSettings
    from storage.blobs.maildir import Maildir
    from storage.doorbell import Doorbell

    bell = Doorbell(tmp_path / "bells")
    fill(store, account, *"abcdefgh")
    inbox = store.mailbox(account, "INBOX").id

    def agree() -> None:
        other = Store(database, Maildir(tmp_path / "mail"), StoreSettings(), bell)
        mine, read = store.view(account, inbox), other.view(account, inbox)
        assert (mine.mailbox, list(mine.rows), list(mine.uids)) == (read.mailbox, list(read.rows), list(read.uids))
        other.close()

    agree()
    store.store_flags(account, inbox, [1, 3, 4, 7], FlagChange.ADD, int(System.FLAGGED), ("x",))
    agree()
    result = store.store_flags(account, inbox, [1, 2, 3, 8], FlagChange.REPLACE, int(System.SEEN | System.DELETED), ())
    assert [row.uid for row in result.rows] == [1, 2, 3, 8]
    agree()
    store.store_flags(account, inbox, [1, 4, 5], FlagChange.REMOVE, int(System.SEEN), ())
    agree()
    assert store.expunge(account, inbox) == [1, 2, 3, 8]
    agree()
    assert [row.keywords for row in store.view(account, inbox).rows] == [("x",), (), (), ("x",)]
    bell.close()


def test_watchers_hear_of_changes_in_other_stores(
    store: Store, account: int, database: Database, tmp_path: Path
) -> None:
    from config.settings import Store as StoreSettings
    from storage.blobs.maildir import Maildir
    from storage.doorbell import Doorbell

    bell = Doorbell(tmp_path / "bells")
    other = Store(database, Maildir(tmp_path / "mail"), StoreSettings(), bell)
    heard = threading.Event()
    end = store.watch(account, lambda mailbox: heard.set())
    other.deliver([Filing(account)], mail("ding"), None, time.time())
    assert heard.wait(10)
    end()
    other.close()
    bell.close()


def test_events_tell_of_moves(store: Store, account: int) -> None:
    fill(store, account, "a")
    inbox, junk = store.mailbox(account, "INBOX"), store.mailbox(account, "Junk")
    store.move(account, inbox.id, [1], junk.id)
    (event,) = store.events_after(0, 10)
    assert (event.kind, event.source_use, event.target_use) == ("moved", None, SpecialUse.JUNK)
    assert b"Subject: a" in bytes(store.event_body(event).buffer())
    assert store.events_after(event.id, 10) == []
    store.move(account, junk.id, [1], store.mailbox(account, "Archive").id)
    (back,) = store.events_after(event.id, 10)
    assert (back.kind, back.source_use, back.target_use) == ("moved", SpecialUse.JUNK, SpecialUse.ARCHIVE)


def test_what_tells_nothing_of_a_message_is_no_event(store: Store, account: int) -> None:
    fill(store, account, "a")
    inbox, trash, archive = (store.mailbox(account, name).id for name in ("INBOX", "Trash", "Archive"))
    store.copy(account, inbox, [1], archive)
    store.move(account, inbox, [1], trash)
    store.copy(account, archive, [1], archive)
    assert store.events_after(0, 10) == []


def test_content_columns(store: Store, account: int) -> None:
    fill(store, account, "un", "deux", "trois")
    box = store.mailbox(account, "INBOX")
    rows = list(store.contents(account, box.id, [3, 1, 9], Columns.ENVELOPE | Columns.FIELDS))
    assert [row.uid for row in rows] == [3, 1]
    assert b'"trois"' in rows[0].envelope
    assert b"Subject: un\r\n" in rows[1].fields
    assert rows[0].bodystructure == b""


def test_too_many_keywords(store: Store, account: int) -> None:
    fill(store, account, "a")
    box = store.mailbox(account, "INBOX")
    with pytest.raises(LimitReached):
        store.store_flags(account, box.id, [1], FlagChange.ADD, 0, [f"k{n}" for n in range(101)])
    with pytest.raises(LimitReached):
        store.store_flags(account, box.id, [1], FlagChange.ADD, 0, ["k" * 65])


def test_search(store: Store, account: int) -> None:
    import datetime

    box = store.mailbox(account, "INBOX")
    old = 1_600_000_000
    store.append(account, box.id, [NewMessage(mail("Réunion du conseil", "l'été à Sète"), int(System.SEEN), (), old)])
    store.append(account, box.id, [NewMessage(mail("Bulletins", "notes"), 0, ("Urgent",))])
    store.append(account, box.id, [NewMessage(mail("Re: réunion", "x" * 2000, "X-Info: =?utf-8?q?caf=C3=A9?=\r\n"))])

    def find(key: object) -> list[int]:
        return store.search(account, box.id, key)  # type: ignore[arg-type]

    assert find(AllOf()) == [1, 2, 3]
    assert find(Has(int(System.SEEN))) == [1]
    assert find(Has(int(System.SEEN), on=False)) == [2, 3]
    assert find(HasKeyword("urgent")) == [2]
    assert find(Header("Subject", "RÉUNION")) == [1, 3]
    assert find(Header("from", "hélène")) == [1, 2, 3]
    assert find(Header("X-Info", "")) == [3]
    assert find(Header("x-info", "CAFÉ")) == [3]
    assert find(Body("ÉTÉ à")) == [1]
    assert find(Text("bulletins")) == [2]
    assert find(Size(1500, larger=True)) == [3]
    assert find(UidRanges(((2, None),))) == [2, 3]
    assert find(AnyOf([Header("subject", "bulletins"), Body("sète")])) == [1, 2]
    assert find(Not(AnyOf([Header("subject", "bulletins"), Body("sète")]))) == [3]
    assert find(Dated(DateField.INTERNAL, When.BEFORE, datetime.date(2021, 1, 1))) == [1]
    assert find(Dated(DateField.SENT, When.ON, datetime.date(2026, 10, 5))) == [1, 2, 3]
    assert find(Age(old + 1, younger=True)) == [2, 3]
    deep: object = AllOf()
    for _ in range(5000):
        deep = Not(deep)  # type: ignore[arg-type]
    with pytest.raises(LimitReached):
        find(deep)


def test_a_replacement_is_all_or_nothing_and_only_what_it_adds_counts(store: Store, account: int) -> None:
    fill(store, account, "a", "b")
    inbox, drafts = store.mailbox(account, "INBOX"), store.mailbox(account, "Drafts")
    used = store.quota(account)
    old = store.view(account, inbox.id).rows[0]
    store.set_quota(account, used.used_bytes, used.used_messages)
    smaller = NewMessage(MemoryContent(b"Subject: c\r\n\r\n"))
    assert store.replace(account, inbox.id, old.uid, drafts.id, smaller) == 1
    assert list(store.view(account, inbox.id).uids) == [2]
    assert list(store.view(account, drafts.id).uids) == [1]
    after = store.quota(account)
    assert after.used_messages == used.used_messages
    assert after.used_bytes < used.used_bytes
    with pytest.raises(NoSuchMessage):
        store.replace(account, inbox.id, old.uid, drafts.id, smaller)
    with pytest.raises(OverQuota):
        store.replace(account, inbox.id, 2, drafts.id, NewMessage(MemoryContent(b"Subject: d\r\n\r\n" + bytes(5000))))
    assert list(store.view(account, inbox.id).uids) == [2]
    assert list(store.view(account, drafts.id).uids) == [1]


def test_what_only_the_server_says_of_a_message(store: Store, account: int) -> None:
    """RFC 9979."""
    letter = b"Content-Type: image/png\r\nContent-Disposition: attachment\r\n\r\nx"
    store.deliver([Filing(account, keywords=("$istrusted",))], MemoryContent(letter), None, time.time())
    store.deliver([Filing(account)], MemoryContent(b"Subject: x\r\n\r\ny"), None, time.time())
    box = store.mailbox(account, "INBOX")
    assert [row.keywords for row in store.view(account, box.id).rows] == [("$hasattachment", "$istrusted"), ()]
    for change in FlagChange:
        rows = store.store_flags(account, box.id, [1, 2], change, 0, ("$ISTRUSTED", "$hasattachment")).rows
        assert ["$istrusted" in row.keywords for row in rows] == [True, False]
        assert not any("$ISTRUSTED" in row.keywords for row in rows)


def test_ids_are_the_same_for_copies_of_other_accounts_too(store: Store, account: int) -> None:
    """RFC 8474 section 5.1: COPYUID pairs have one EMAILID; what differs in its date only has another."""
    other = store.open_account("other")
    inbox, theirs = store.mailbox(account, "INBOX"), store.mailbox(other, "INBOX")
    octets = b"Message-ID: <a@x>\r\n\r\nx"
    for date in (1_780_000_000, 1_780_000_001):
        store.append(account, inbox.id, [NewMessage(MemoryContent(octets), internal_date=date)])
    store.copy(account, inbox.id, [1], theirs.id, to_account=other)
    wanted = Columns.EMAIL | Columns.THREAD
    here = list(store.contents(account, inbox.id, [1, 2], wanted))
    (there,) = store.contents(other, theirs.id, [1], wanted)
    assert (there.email, there.thread) == (here[0].email, here[0].thread)
    assert here[0].email != here[1].email
    assert here[0].thread == here[1].thread


def test_a_special_use_is_of_one_mailbox(store: Store, account: int) -> None:
    store.delete(account, "Archive")
    made = store.create(account, "Dossiers/Classement", SpecialUse.ARCHIVE)
    assert made.special_use is SpecialUse.ARCHIVE
    assert store.mailbox(account, "Dossiers").special_use is None
    for name, use in (("x", SpecialUse.ARCHIVE), ("x", SpecialUse.ALL), ("x", SpecialUse.FLAGGED)):
        with pytest.raises(UseRefused):
            store.create(account, name, use)
    with pytest.raises(NoSuchMailbox):
        store.mailbox(account, "x")
    drafts, sent = (store.mailbox(account, name) for name in ("Drafts", "Sent"))
    with pytest.raises(UseRefused):
        store.set_use(account, sent.id, SpecialUse.DRAFTS)
    with pytest.raises(UseRefused):
        store.set_use(account, store.mailbox(account, "INBOX").id, SpecialUse.DRAFTS)
    store.set_use(account, drafts.id, SpecialUse.DRAFTS)
    store.set_use(account, drafts.id, None)
    store.set_use(account, sent.id, SpecialUse.DRAFTS)
    uses = {box.name: box.special_use for box in store.mailboxes(account)}
    assert (uses["Drafts"], uses["Sent"]) == (None, SpecialUse.DRAFTS)
    with pytest.raises(NoSuchMailbox):
        store.set_use(account, 999, SpecialUse.SENT)


def test_many_accounts_are_opened_at_once_and_each_as_one_is(store: Store) -> None:
    alone = store.open_account("alone")
    keys = [f"u{number}" for number in range(1203)]
    numbers = store.open_accounts([*keys, "alone", *keys[:3]])
    assert numbers["alone"] == alone
    assert len(set(numbers.values())) == 1204
    assert store.open_accounts(keys) == {key: numbers[key] for key in keys}
    assert store.open_account("u77") == numbers["u77"]

    def shown(account: int) -> list[tuple[object, ...]]:
        return [(box.id, box.name, box.special_use, box.subscribed, box.uidnext) for box in store.mailboxes(account)]

    assert shown(numbers["u77"]) == shown(alone)
    assert len({box.uidvalidity for box in store.mailboxes(alone)}) == len(store.mailboxes(alone))
    made = store.create(numbers["u77"], "Classe")
    assert made.id > max(box.id for box in store.mailboxes(alone))
    assert made.uidvalidity > max(box.uidvalidity for box in store.mailboxes(numbers["u77"]) if box.name != "Classe")

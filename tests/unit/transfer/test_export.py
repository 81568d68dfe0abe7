"""What a person takes along, as other programs read it."""

from __future__ import annotations

import json
import mailbox
import re
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from directory.model import Account
from message.content import MemoryContent
from spamfilter.people import wish
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.model import NewMessage, System
from storage.store import Store
from tests.fakes.mutt import shown
from transfer import personal
from transfer.export import Exported, Exporter, Format, check
from transfer.mbox import MboxSource
from transfer.source import SourceFolder

LETTERS = [
    b"Subject: un\r\n\r\nFrom ici\r\n>From l\xe0\r\n",
    b"Subject: deux\r\n\r\ndeux\r\n",
    b"Subject: trois\r\n\r\n" + b"trois " * 100_000 + b"\r\n",
]
MARKS = [
    (System.SEEN | System.ANSWERED, ("$Label1", "vu")),
    (System.FLAGGED | System.DRAFT, ()),
    (System.NONE, ()),
]
DATE = 1_700_000_001


@pytest.fixture
def account(store: Store, people: dict[str, Account], database: Database) -> int:
    account = store.open_account(people["marie"].key)
    store.create(account, "Élèves/6e B")
    for name in ("INBOX", "Élèves/6e B"):
        box = store.mailbox(account, name).id
        for octets, (system, keywords) in zip(LETTERS, MARKS, strict=True):
            store.append(account, box, [NewMessage(MemoryContent(octets), int(system), keywords, DATE, 60)])
    wish(database, people["marie"].key, "Ami@exemple.org", True)
    return account


@pytest.fixture
def export(
    store: Store, database: Database, people: dict[str, Account], tmp_path: Path, account: int
) -> Callable[[Format], tuple[Path, Exported]]:
    def write(form: Format) -> tuple[Path, Exported]:
        path = tmp_path / "marie.zip"
        with path.open("w+b") as file:
            done = Exporter(database, store, Maildir(tmp_path / "mail")).write(people["marie"], file, form, time.time())
            assert check(file) == []
        # As people do it: the dates of the files are part of what is taken along.
        subprocess.run(["python3", "-m", "zipfile", "-e", str(path), str(tmp_path / "out")], check=True)
        return tmp_path / "out", done

    return write


def test_a_maildir(export: Callable[[Format], tuple[Path, Exported]], tmp_path: Path) -> None:
    out, done = export(Format.MAILDIR)
    assert (done.messages, done.missing) == (6, [])
    for box in (
        mailbox.Maildir(out / "courrier", create=False),
        mailbox.Maildir(out / "courrier" / ".Élèves.6e B", create=False),
    ):
        found = {box[key]["subject"]: (box[key].get_flags(), box.get_bytes(key)) for key in box.iterkeys()}
        assert {name: octets for name, (_, octets) in found.items()} == dict(
            zip(("un", "deux", "trois"), LETTERS, strict=True)
        )
        assert {name: flags for name, (flags, _) in found.items()} == {"un": "RSab", "deux": "DF", "trois": ""}
    names = [path.name for path in (out / "courrier" / "cur").iterdir()]
    assert (out / "courrier" / "cur" / sorted(names)[0]).read_bytes() in LETTERS
    assert (out / "courrier" / "dovecot-keywords").read_text() == "0 $Label1\n1 vu\n"
    with zipfile.ZipFile(tmp_path / "marie.zip") as archive:
        info = archive.getinfo(f"courrier/cur/{sorted(names)[0]}")
        assert int.from_bytes(info.extra[5:9], "little") == DATE


def test_mboxes(export: Callable[[Format], tuple[Path, Exported]]) -> None:
    out, _ = export(Format.MBOX)
    for path in (out / "courrier" / "INBOX.mbox", out / "courrier" / "Élèves" / "6e B.mbox"):
        box = mailbox.mbox(path, create=False)
        assert [one["subject"] for one in box] == ["un", "deux", "trois"]
        assert [set(one.get_flags()) for one in box] == [set("ORA"), set("OFT"), set("O")]
        box.close()
        source = MboxSource(path, 10_000_000)
        listing = source.listing(SourceFolder("", ("INBOX",)))
        assert [(one.system, one.keywords, one.date) for one in listing.messages] == [
            (int(system), keywords, DATE) for system, keywords in MARKS
        ]
        assert [octets for _, octets in source.octets(SourceFolder("", ("INBOX",)), listing.messages)] == LETTERS


def test_mutt_shows_the_marks(
    export: Callable[[Format], tuple[Path, Exported]], need: Callable[[str, str], str], tmp_path: Path
) -> None:
    mutt = need("neomutt", "neomutt")
    out, _ = export(Format.MAILDIR)
    tree = out / "courrier"
    assert re.search(rb"Msgs:3 .*Flag:1", shown(mutt, tree, tree))


def test_personal_data_without_secrets(
    export: Callable[[Format], tuple[Path, Exported]], people: dict[str, Account]
) -> None:
    out, _ = export(Format.MBOX)
    data = {path.stem: json.loads(path.read_text("utf-8")) for path in (out / "donnees").iterdir()}
    (account,) = data["directory_account"]
    assert account["login"] == "marie"
    assert not account.keys() & {"password_hash", "former_hash"}
    assert [one["address"] for one in data["directory_address"]] == ["marie@ac.test"]
    assert [one["sender"] for one in data["spam_wishes"]] == ["ami@exemple.org"]
    assert "argon2" not in "".join(path.read_text("utf-8") for path in (out / "donnees").iterdir())
    text = (out / "LISEZMOI.txt").read_text("utf-8")
    assert "Marie" in text
    assert re.search(r"articles 15 et 20 du RGPD", text)


def test_what_goes_while_the_export_runs_is_in_it(
    store: Store, database: Database, people: dict[str, Account], tmp_path: Path, account: int
) -> None:
    box = store.mailbox(account, "INBOX").id

    def meddle(count: int) -> None:
        if count == 1:
            store.move(account, box, [2], store.mailbox(account, "Archive").id)
            store.delete(account, "Élèves/6e B")

    with (tmp_path / "marie.zip").open("w+b") as file:
        exporter = Exporter(database, store, Maildir(tmp_path / "mail"), meddle)
        done = exporter.write(people["marie"], file, Format.MAILDIR, time.time())
        assert check(file) == []
    assert (done.messages, done.missing) == (6, [])


def test_a_zip_that_was_changed_is_found(
    store: Store, database: Database, people: dict[str, Account], tmp_path: Path, account: int
) -> None:
    path = tmp_path / "marie.zip"
    with path.open("w+b") as file:
        Exporter(database, store, Maildir(tmp_path / "mail")).write(people["marie"], file, Format.MBOX, time.time())
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(other, "w") as changed:
        for info in archive.infolist():
            octets = archive.read(info)
            changed.writestr(info, octets.replace(b"deux", b"DEUX") if "INBOX" in info.filename else octets)
    with other.open("rb") as file:
        assert check(file) == ["courrier/INBOX.mbox is not what was written"]


def test_every_table_is_somebodys_or_nobodys() -> None:
    own = {table.name for table, _, _ in personal.tables()}
    assert not own & personal.OF_NOBODY
    assert set(metadata.tables) - own - personal.OF_NOBODY == {"import_message"}
    assert set(metadata.tables) >= personal.OF_MAIL

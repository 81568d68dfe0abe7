"""The index follows the mail: new accounts, moves, removals, damage, and stores of the release before."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import Store as Settings
from message.content import MemoryContent
from storage import migrate
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import Doorbell
from storage.model import Body, FlagChange, NewMessage, System, Text
from storage.store import Store
from storage.texts.indexer import Coverage, Indexer
from storage.texts.trigrams import TrigramFiles


class Mail:
    """A store with an index."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.texts = TrigramFiles(folder / "text")
        self.doorbell = Doorbell(folder / "bells")
        self.store = Store(database, Maildir(folder / "mail"), Settings(keep_removed=0), self.doorbell, self.texts)
        self.indexer = Indexer(database, self.texts, self.store.body)
        self.account = self.store.open_account("marie")
        self.inbox = self.store.mailbox(self.account, "INBOX").id

    def put(self, *bodies: str, account: int | None = None) -> list[int]:
        account = account or self.account
        box = self.store.mailbox(account, "INBOX").id
        mails = [NewMessage(MemoryContent(f"Subject: sujet\r\n\r\n{body}\r\n".encode())) for body in bodies]
        return self.store.append(account, box, mails)

    def find(self, needle: str) -> list[int]:
        return self.store.search(self.account, self.inbox, Body(needle))

    def close(self) -> None:
        for one in (self.store, self.texts, self.doorbell):
            one.close()


@pytest.fixture
def mail(tmp_path: Path, database: Database) -> Iterator[Mail]:
    one = Mail(tmp_path, database)
    yield one
    one.close()


def bodies_away(mail: Mail) -> None:
    """From now on only the index can answer."""
    for path in mail.folder.glob("mail/**/cur/*"):
        path.unlink()


def test_it_answers_without_bodies(mail: Mail) -> None:
    mail.put("Bonjour à tous", "rien")
    assert mail.indexer.catch_up() == 2
    assert mail.indexer.catch_up() == 0
    bodies_away(mail)
    assert mail.find("BONJOUR À") == [1]
    assert mail.store.search(mail.account, mail.inbox, Text("sujet")) == [1, 2]


def test_attached_documents_are_found_with_and_without_it(mail: Mail) -> None:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        archive.writestr("content.xml", "<body><p>Répartition des heures</p></body>")
    mail.store.append(
        mail.account,
        mail.inbox,
        [
            NewMessage(
                MemoryContent(
                    b"Subject: a\r\nContent-Type: application/vnd.oasis.opendocument.text\r\n"
                    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(octets.getvalue())
                )
            )
        ],
    )
    assert mail.find("répartition DES") == [1]
    assert mail.indexer.catch_up() == 1
    bodies_away(mail)
    assert mail.find("répartition DES") == [1]
    assert mail.find("repartition des") == []


def test_how_far_and_how_large_it_is(mail: Mail) -> None:
    mail.put("un", "deux", "trois")
    assert mail.indexer.coverage() == Coverage(3, 3, 0)
    mail.indexer.catch_up()
    found = mail.indexer.coverage()
    assert (found.contents, found.waiting) == (3, 0)
    assert found.octets > 1000


def test_every_account_has_its_turn(mail: Mail) -> None:
    other = mail.store.open_account("paul")
    mail.put(*(["un"] * 250))
    mail.put("deux", account=other)
    blocks: list[int] = []

    def told(added: int, seconds: float) -> bool:
        blocks.append(added)
        return False

    mail.indexer.catch_up(told)
    assert blocks == [100, 1, 100, 50]


def test_it_stops_between_blocks_and_goes_on(mail: Mail) -> None:
    mail.put(*(["un"] * 150))
    assert mail.indexer.catch_up(lambda added, seconds: True) == 100
    assert mail.indexer.catch_up() == 50
    assert mail.texts.known(mail.account) == set(range(1, 151))


def test_numbers_that_a_restore_left_out_take_no_time(mail: Mail) -> None:
    mail.put(*(f"avant {n}" for n in range(150)))
    with mail.database.write() as connection:
        connection.execute(text("UPDATE store_account SET next_content = next_content + 1000000"))
    (last,) = mail.put("après")
    blocks: list[int] = []

    def told(added: int, seconds: float) -> bool:
        blocks.append(added)
        return len(blocks) > 10

    assert mail.indexer.catch_up(told) == 151
    assert blocks == [100, 51]
    bodies_away(mail)
    assert (mail.find("avant 149"), mail.find("après")) == ([150], [last])


def test_a_copy_is_found_by_what_is_known_of_the_original(mail: Mail) -> None:
    uids = mail.put("Bonjour")
    mail.indexer.catch_up()
    archive = mail.store.mailbox(mail.account, "Archive").id
    mail.store.copy(mail.account, mail.inbox, uids, archive)
    assert mail.indexer.catch_up() == 0
    bodies_away(mail)
    assert mail.store.search(mail.account, archive, Body("jour")) == [1]


def test_what_is_gone_is_forgotten(mail: Mail) -> None:
    mail.put("un", "deux")
    mail.indexer.catch_up()
    assert mail.indexer.prune(10) == 0
    mail.store.store_flags(mail.account, mail.inbox, [1], FlagChange.ADD, int(System.DELETED), ())
    mail.store.expunge(mail.account, mail.inbox)
    mail.store.sweep(2**40)
    assert mail.indexer.prune(10) == 0  # round and round: past the last account first
    assert mail.indexer.prune(10) == 1
    assert mail.texts.known(mail.account) == {2}


def test_a_missing_body_holds_nothing_up(mail: Mail) -> None:
    mail.put("un")
    bodies_away(mail)
    mail.put("deux")
    assert mail.indexer.catch_up() == 1
    assert mail.find("deux") == [2]


def test_damage_is_mended(mail: Mail) -> None:
    mail.put("un")
    mail.indexer.catch_up()
    mail.texts.close()
    path = next(mail.folder.glob("text/*/*.db"))
    path.write_bytes(b"\xff" * 40_000)
    assert mail.find("un") == [1]
    mail.put("deux")
    assert mail.indexer.catch_up() == 2
    bodies_away(mail)
    assert mail.find("un") == [1]


def test_a_file_that_was_taken_away_is_made_again(mail: Mail) -> None:
    mail.put("un")
    mail.indexer.catch_up()
    next(mail.folder.glob("text/*/*.db")).unlink()
    mail.put("deux")
    assert mail.indexer.catch_up() == 2
    assert mail.texts.known(mail.account) == {1, 2}


def test_from_the_beginning(mail: Mail) -> None:
    other = mail.store.open_account("paul")
    mail.put("un", "deux")
    mail.put("trois", account=other)
    mail.indexer.catch_up()
    assert mail.indexer.begin_again([mail.account]) == 2
    assert mail.texts.known(mail.account) == set()
    assert mail.texts.known(other) == {1}
    assert mail.indexer.catch_up() == 2
    assert mail.indexer.begin_again() == 3
    assert mail.indexer.catch_up() == 3


def test_accounts_behind_are_found_by_an_index_of_their_own(mail: Mail) -> None:
    query = "SELECT id FROM store_account WHERE next_content > texts_through + 1"
    explain = text(("EXPLAIN QUERY PLAN " if mail.database.is_sqlite else "EXPLAIN ") + query)
    with mail.database.read() as connection:
        if not mail.database.is_sqlite:
            # A table of a page is read as a whole.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = " ".join(str(row) for row in connection.execute(explain))
    assert "ix_store_account_behind" in plan


def test_a_store_of_the_release_before_is_indexed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/old.db")
    migrate.upgrade(database, "0001")
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO store_account (key, modseq, next_mailbox, next_content, last_uidvalidity, used_bytes,"
                " used_messages) VALUES ('marie', 1, 1, 5, 0, 0, 0)"
            )
        )
    migrate.upgrade(database)
    with database.read() as connection:
        row = connection.execute(text("SELECT texts_through, next_content FROM store_account")).one()
    assert tuple(row) == (0, 5)
    database.close()


def test_accounts_with_a_few_new_messages_wait_for_more(mail: Mail) -> None:
    other = mail.store.open_account("luc")
    mail.put("un", "deux", "trois")
    mail.put("quatre", account=other)
    assert mail.indexer.catch_up(least=3) == 3
    assert mail.indexer.catch_up(least=2) == 0
    assert mail.indexer.catch_up() == 1

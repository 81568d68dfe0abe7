"""Mail about mailboxes that are nearly full."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterable
from pathlib import Path

import pytest

from config.settings import Settings, Site
from config.settings import Store as Limits
from delivery.quota_notices import QuotaNotices
from directory.model import Account, Role
from message.content import MemoryContent
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import Doorbell
from storage.model import FlagChange, NewMessage, System
from storage.store import Store


class People:
    """A directory that knows one person."""

    def by_keys(self, keys: Iterable[str]) -> dict[str, Account]:
        marie = Account("marie", "marie", "Marie", Role.TEACHER, None, ("marie@ac.test",))
        return {key: marie for key in keys if key == "marie"}


class Office:
    def __init__(self, tmp_path: Path, database: Database, language: str = "fr") -> None:
        settings = Settings(
            site=Site(hostname="mx.ac.test", language=language), store=Limits(quota_bytes=100_000, quota_messages=0)
        )
        self.store = Store(database, Maildir(tmp_path / "mail"), settings.store, Doorbell(tmp_path / "bells"))
        self.marie = self.store.open_account("marie")
        self.inbox = self.store.mailbox(self.marie, "INBOX").id
        self.notices = QuotaNotices(database, self.store, People(), settings)  # type: ignore[arg-type]

    def fill(self, octets: int) -> int:
        return self.store.append(
            self.marie, self.inbox, [NewMessage(MemoryContent(b"A: b\r\n\r\n".ljust(octets, b"x")))]
        )[0]

    def remove(self, uid: int) -> None:
        self.store.store_flags(self.marie, self.inbox, [uid], FlagChange.ADD, int(System.DELETED), ())
        self.store.expunge(self.marie, self.inbox, [uid])

    def told(self) -> list[email.message.EmailMessage]:
        """Notices in the mailbox."""
        found = []
        for row in self.store.view(self.marie, self.inbox).rows:
            content = self.store.body(self.marie, self.inbox, row)
            mail = email.message_from_bytes(bytes(content.buffer()), policy=email.policy.default)
            content.close()
            if mail["From"]:
                found.append(mail)
        return found


@pytest.fixture
def office(each_database: Database, tmp_path: Path) -> Office:
    return Office(tmp_path, each_database)


def test_each_level_is_told_once(office: Office) -> None:
    office.fill(79_000)
    assert office.notices.catch_up(0) == 0
    office.fill(2_000)
    assert [office.notices.catch_up(0) for _ in "ab"] == [1, 0]
    (mail,) = office.told()
    assert mail["Subject"] == "Votre boîte aux lettres est pleine à 81 %"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "0,1 Mo sur 0,1 Mo" in mail.get_content()
    office.fill(15_000)
    assert [office.notices.catch_up(0) for _ in "ab"] == [1, 0]
    assert len(office.told()) == 2


def test_who_made_room_is_told_again(office: Office) -> None:
    office.fill(76_000)
    small = office.fill(1_500)
    more = office.fill(3_000)
    assert office.notices.catch_up(0) == 1
    # A little room changes nothing: one message more or less is no news.
    office.remove(small)
    office.fill(1_500)
    assert office.notices.catch_up(0) == 0
    office.remove(more)
    office.remove(1)
    assert office.notices.catch_up(0) == 0
    office.fill(78_000)
    assert office.notices.catch_up(0) == 1


def test_a_full_mailbox_and_one_without_an_owner_are_passed_over(office: Office) -> None:
    office.fill(99_900)
    other = office.store.open_account("nobody")
    box = office.store.mailbox(other, "INBOX").id
    office.store.append(other, box, [NewMessage(MemoryContent(b"A: b\r\n\r\n".ljust(90_000, b"x")))])
    assert [office.notices.catch_up(0) for _ in "ab"] == [0, 0]


def test_limits_of_ones_own_and_of_messages(office: Office) -> None:
    office.store.set_quota(office.marie, 0, 10)
    for _ in range(8):
        office.fill(20_000)
    assert office.notices.catch_up(0) == 1
    assert "Messages : 8 sur 10." in office.told()[0].get_content()


def test_in_english(each_database: Database, tmp_path: Path) -> None:
    office = Office(tmp_path, each_database, "en")
    office.fill(91_000)
    assert office.notices.catch_up(0) == 1
    assert office.told()[0]["Subject"] == "Your mailbox is 91% full"

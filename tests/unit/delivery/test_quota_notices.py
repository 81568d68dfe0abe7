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
    """A directory that knows two people, and who is a head of school."""

    def __init__(self) -> None:
        self.heads: set[str] = set()

    def by_keys(self, keys: Iterable[str]) -> dict[str, Account]:
        return {
            key: Account(
                key, key, key.title(), Role.HEAD if key in self.heads else Role.TEACHER, None, (f"{key}@ac.test",)
            )
            for key in keys
            if key in ("marie", "paul")
        }


class Office:
    def __init__(self, tmp_path: Path, database: Database, language: str = "fr") -> None:
        settings = Settings(
            site=Site(hostname="mx.ac.test", language=language), store=Limits(quota_bytes=100_000, quota_messages=0)
        )
        self.store = Store(database, Maildir(tmp_path / "mail"), settings.store, Doorbell(tmp_path / "bells"))
        self.marie = self.store.open_account("marie")
        self.inbox = self.store.mailbox(self.marie, "INBOX").id
        self.people = People()
        self.notices = QuotaNotices(database, self.store, self.people, settings)  # type: ignore[arg-type]

    def fill(self, octets: int, account: int | None = None) -> int:
        account = account or self.marie
        inbox = self.store.mailbox(account, "INBOX").id
        return self.store.append(account, inbox, [NewMessage(MemoryContent(b"A: b\r\n\r\n".ljust(octets, b"x")))])[0]

    def remove(self, uid: int) -> None:
        self.store.store_flags(self.marie, self.inbox, [uid], FlagChange.ADD, int(System.DELETED), ())
        self.store.expunge(self.marie, self.inbox, [uid])

    def told(self, account: int | None = None) -> list[email.message.EmailMessage]:
        """Notices in the mailbox."""
        account = account or self.marie
        inbox = self.store.mailbox(account, "INBOX").id
        found = []
        for row in self.store.view(account, inbox).rows:
            content = self.store.body(account, inbox, row)
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


def test_what_a_group_shares_is_told_to_its_members(office: Office) -> None:
    paul, zoe = office.store.open_account("paul"), office.store.open_account("zoe")
    office.store.shared_quotas.set("college", 100_000, 0, [office.marie, paul, zoe])
    for account in (office.marie, paul, zoe):
        office.fill(26_000, account)
    assert office.notices.catch_up(0) == 0
    office.fill(4_000, zoe)
    assert [office.notices.catch_up(0) for _ in "ab"] == [1, 0]
    for account in (office.marie, paul):
        (mail,) = office.told(account)
        assert mail["Subject"] == "L'espace de messagerie du groupe college est plein à 82 %"
        assert mail["To"] == "undisclosed-recipients:;"
        assert "Place occupée : 0,1 Mo sur 0,1 Mo." in mail.get_content()
    assert office.told(zoe) == []


def test_of_a_group_with_a_head_of_school_only_the_head_is_told(office: Office) -> None:
    office.people.heads = {"paul"}
    paul = office.store.open_account("paul")
    office.store.shared_quotas.set("college", 0, 50, [office.marie, paul])
    for _ in range(40):
        office.fill(100)
    assert [office.notices.catch_up(0) for _ in "ab"] == [1, 0]
    assert office.told() == []
    (mail,) = office.told(paul)
    assert mail["To"] == "paul@ac.test"
    assert "Messages : 40 sur 50." in mail.get_content()
    for _ in range(4):
        office.fill(100)
    assert [office.notices.catch_up(0) for _ in "ab"] == [1, 0]
    assert len(office.told(paul)) == 2


def test_who_has_no_room_of_a_group_keeps_the_others_from_nothing(office: Office) -> None:
    paul = office.store.open_account("paul")
    office.store.set_quota(paul, 1, None)
    office.store.shared_quotas.set("college", 100_000, 0, [office.marie, paul])
    office.fill(81_000)
    office.store.set_quota(office.marie, 0, None)
    assert [office.notices.catch_up(0) for _ in "ab"] == [1, 0]
    assert [mail["Subject"][:9] for mail in office.told()] == ["L'espace "]


def test_who_had_no_room_for_the_news_is_told_when_there_is_some(office: Office) -> None:
    uid = office.fill(99_900)
    assert [office.notices.catch_up(0) for _ in "ab"] == [0, 0]
    office.fill(10)
    office.remove(uid)
    office.fill(85_000)
    assert [office.notices.catch_up(0) for _ in "ab"] == [1, 0]
    assert [mail["Subject"] for mail in office.told()] == ["Votre boîte aux lettres est pleine à 85 %"]

"""The daily mail about held mail: when, to whom, how often, and what strangers can't do in it."""

from __future__ import annotations

import email
import email.policy
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings, Site, Spam
from delivery.digest import MOST, Digests, last_hour
from delivery.link_desk import LinkDesk, State
from delivery.links import Deed, Links
from delivery.quarantine import Quarantine
from directory.model import Account, Role
from message.content import MemoryContent
from spamfilter import record
from spamfilter.people import wishes
from spamfilter.rules import RULES
from spamfilter.scores import shipped
from spamfilter.verdict import Action, Hit, Verdict
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import Doorbell
from storage.held import HeldMail
from storage.model import Filing
from storage.names import HELD
from storage.store import Store

MARIE = Account("marie", "marie", "Marie", Role.TEACHER, None, ("marie@ac.test",))
DAY = 86400.0


class People:
    def __init__(self) -> None:
        self.marie = MARIE

    def by_keys(self, keys: Iterable[str]) -> dict[str, Account]:
        return {key: self.marie for key in keys if key == "marie"}

    def by_key(self, key: str) -> Account | None:
        return self.marie if key == "marie" else None


class Office:
    def __init__(self, tmp_path: Path, database: Database, language: str = "fr", links: bool = True) -> None:
        self.settings = Settings(site=Site(hostname="mx.ac.test", language=language))
        self.database = database
        self.store = Store(database, Maildir(tmp_path / "mail"), self.settings.store, Doorbell(tmp_path / "bells"))
        self.held = HeldMail(database, self.store)
        scores = shipped(RULES)
        self.quarantine = Quarantine(database, self.held, "mx.ac.test", lambda: scores)
        self.people = People()
        self.links = Links(b"k" * 32, "https://mx.ac.test")
        self.desk = LinkDesk(self.links, self.quarantine, self.people, self.store)  # type: ignore[arg-type]
        self.marie = self.store.open_account("marie")
        self.inbox = self.store.mailbox(self.marie, "INBOX").id
        self.with_links = links

    def digests(self) -> Digests:
        links = self.links if self.with_links else None
        return Digests(self.held, self.quarantine, self.store, self.people, links, self.settings)  # type: ignore[arg-type]

    def hold(self, subject: str = "Facture", author: str = "Eve <eve@far.example>", envelope: str = "m1") -> None:
        self.store.held_mail(self.marie)
        octets = (
            f"Received: from x ([192.0.2.1])\r\n\tby mx.ac.test with ESMTP id {envelope}; "
            "Mon, 5 Oct 2026 10:00:00 +0200\r\n"
            f"From: {author}\r\nSubject: {subject}\r\n\r\nx\r\n"
        ).encode()
        self.store.deliver([Filing(self.marie, HELD)], MemoryContent(octets), None, time.time())

    def told(self) -> list[Any]:
        found = []
        for row in self.store.view(self.marie, self.inbox).rows:
            content = self.store.body(self.marie, self.inbox, row)
            mail = email.message_from_bytes(bytes(content.buffer()), policy=email.policy.default)
            content.close()
            if "MAILER-DAEMON" in mail["From"]:
                found.append(mail)
        return found

    def urls(self) -> list[str]:
        return re.findall(r"https?://\S+", self.told()[-1].get_body(("plain",)).get_content())


@pytest.fixture
def office(each_database: Database, tmp_path: Path) -> Office:
    return Office(tmp_path, each_database)


@pytest.fixture
def small(database: Database, tmp_path: Path) -> Office:
    return Office(tmp_path, database)


def test_the_last_hour_is_today_or_yesterday() -> None:
    noon = time.mktime((2026, 11, 23, 12, 0, 0, 0, 0, -1))
    assert last_hour(noon, 7) == time.mktime((2026, 11, 23, 7, 0, 0, 0, 0, -1))
    assert last_hour(noon, 12) == noon
    assert last_hour(noon - 1, 12) == time.mktime((2026, 11, 22, 12, 0, 0, 0, 0, -1))


def test_once_a_day_and_only_when_something_is_new(office: Office) -> None:
    now = time.time()
    hour = last_hour(now, office.settings.spam.digest_hour)
    assert office.digests().catch_up(now) == 0
    office.hold()
    # It came after today's hour: tomorrow's tells of it, or the first look after a longer sleep.
    assert office.digests().catch_up(now) == 0
    assert office.digests().catch_up(hour + DAY + 3 * 3600) == 1
    # As after a restart.
    assert [office.digests().catch_up(hour + days * DAY + 7200) for days in (1, 2, 3)] == [0, 0, 0]
    office.hold("Autre")
    assert office.digests().catch_up(hour + 2 * DAY + 7200) == 1
    subjects = [mail["Subject"] for mail in office.told()]
    assert subjects == ["Un message suspect retenu"] * 2
    assert "Facture" not in office.told()[1].get_body(("plain",)).get_content()


def test_a_new_count_of_uids_is_told_anew(office: Office) -> None:
    from sqlalchemy import update

    from storage import tables

    office.hold()
    assert office.digests().catch_up(time.time(), at_once=True) == 1
    with office.database.write() as connection:
        b = tables.mailbox.c
        connection.execute(update(tables.mailbox).where(b.name == HELD).values(uidvalidity=b.uidvalidity + 9))
    assert office.digests().catch_up(time.time(), at_once=True) == 1


def test_who_has_no_room_is_told_later_and_who_is_disabled_not_at_all(small: Office) -> None:
    small.hold()
    small.store.set_quota(small.marie, 10, None)
    assert small.digests().catch_up(time.time(), at_once=True) == 0
    small.store.set_quota(small.marie, None, None)
    small.people.marie = replace(MARIE, enabled=False)
    assert small.digests().catch_up(time.time(), at_once=True) == 0
    small.people.marie = MARIE
    assert small.digests().catch_up(time.time(), at_once=True) == 1


def test_what_it_says(small: Office) -> None:
    hits = (Hit("X", 9.0, "Pèse lourd", "Heavy", ""), Hit("G", 4.0, "Imite", "Imitates", "www.ac-lille.top"))
    verdict = Verdict(13.0, Action.JUNK, hits, None, 6.0, 25.0, guarded=("COLLEAGUE_NAME",))
    verdict = replace(verdict, hits=(hits[0], replace(hits[1], symbol="COLLEAGUE_NAME")))
    with small.database.write() as connection:
        connection.execute(*record.row("m1", verdict, time.time()))
    small.hold("Réunion =?utf-8?Q?=0D=0ABcc:_x?= <b>http://evil.example</b>", '"Le <i>Recteur</i>" <eve@far.example>')
    assert small.digests().catch_up(time.time(), at_once=True) == 1
    (mail,) = small.told()
    assert (mail["To"], mail["Auto-Submitted"]) == ("marie@ac.test", "auto-generated")
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    name = shipped(RULES).symbols["COLLEAGUE_NAME"].french
    assert f"Pourquoi : {name} (www[.]ac-lille[.]top)" in text
    assert "De : Le <i>Recteur</i> <eve@far[.]example>" in text
    assert "http[:]//evil[.]example" in text
    assert "supprimé 30 jours après" in text
    assert "<i>" not in html
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert len(small.urls()) == 2
    assert re.findall(r'href="([^"]*)"', html) == small.urls()
    assert mail["Bcc"] is None


@pytest.mark.parametrize(("language", "said"), [("fr", "adressez-vous"), ("en", "ask your support")])
def test_without_a_web_server_there_are_no_links(database: Database, tmp_path: Path, language: str, said: str) -> None:
    office = Office(tmp_path, database, language, links=False)
    office.hold("=?utf-8?Q?=E2=80=AE?=", "")
    assert office.digests().catch_up(time.time(), at_once=True) == 1
    text = office.told()[0].get_body(("plain",)).get_content()
    assert office.urls() == []
    assert said in text


def test_very_many_are_counted(small: Office) -> None:
    for _ in range(MOST + 3):
        small.hold()
    assert small.digests().catch_up(time.time(), at_once=True) == 1
    assert small.told()[0]["Subject"] == f"{MOST + 3} messages suspects retenus"
    assert "Et 3 autres" in small.told()[0].get_body(("plain",)).get_content()
    assert small.digests().catch_up(time.time(), at_once=True) == 0


# ------------------------------------------------------------ its links


def test_a_link_looks_then_does_once(small: Office) -> None:
    small.hold()
    small.digests().catch_up(time.time(), at_once=True)
    release, allow = (url.rpartition("/")[2] for url in small.urls())
    now = time.time()
    assert [small.desk.look(release, now).state for _ in "ab"] == [State.WAITING] * 2
    assert [small.desk.act(release, now).state for _ in "ab"] == [State.DONE] * 2
    assert len(small.store.view(small.marie, small.inbox).uids) == 2
    assert wishes(small.database, "marie") == []
    # The author can be allowed still.
    assert small.desk.act(allow, now).state is State.DONE
    assert wishes(small.database, "marie") == [("eve@far.example", True)]
    assert small.links.read(allow).deed is Deed.ALLOW


def test_a_link_ends(small: Office) -> None:
    small.hold()
    small.hold()
    small.digests().catch_up(time.time(), at_once=True)
    first, _, second, allow = (url.rpartition("/")[2] for url in small.urls())
    late = time.time() + 31 * DAY
    assert {small.desk.act(token, late).state for token in (first, allow)} == {State.EXPIRED}
    assert wishes(small.database, "marie") == []
    small.held.delete(small.marie, 1)
    assert small.desk.act(first, time.time()).state is State.GONE
    assert small.desk.act(first[:-3], time.time()).state is State.FORGED
    small.store.set_quota(small.marie, 10, None)
    assert small.desk.act(second, time.time()).state is State.FULL
    small.store.set_quota(small.marie, None, None)
    small.people.marie = replace(MARIE, enabled=False)
    assert small.desk.act(allow, time.time()).state is State.FORGED
    assert len(wishes(small.database, "marie")) == 0
    small.people.marie = MARIE
    assert small.desk.act(second, time.time()).state is State.DONE


def test_the_hour_is_a_setting(small: Office) -> None:
    small.hold()
    soon = time.time() + 1
    small.settings = replace(small.settings, spam=Spam(digest_hour=time.localtime(soon + 3600).tm_hour))
    assert small.digests().catch_up(soon) == 0
    assert small.digests().catch_up(soon + 3600) == 1

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings, Site, Spam
from mailserver.recalling import NotFound, Request, copies, recall, search
from mailserver.wiring import Rooms
from message.content import MemoryContent
from spamfilter import record
from spamfilter.filter import SpamFilter
from spamfilter.model import Knowledge, blank
from spamfilter.stored import stored_message
from storage.model import Filing

NOW = int(time.time())
PHISH = (
    "Votre messagerie arrive à saturation et les nouveaux messages ne pourront bientôt plus être remis. Afin de "
    "conserver l'accès à votre espace, merci de confirmer votre identifiant avant demain sur la page indiquée. Sans "
    "action de votre part, le compte {} sera suspendu et tous les dossiers seront effacés par le service."
)
LETTER = (
    "La sortie au musée aura lieu jeudi prochain, départ devant le portail après la récréation du matin. Pensez au "
    "pique-nique, à une gourde et à un vêtement de pluie, le retour est prévu avant la fin des cours de l'après-midi."
)


class NoModel:
    def knowledge(self) -> Knowledge:
        return blank()


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    rooms = Rooms(dataclasses.replace(Settings(), site=dataclasses.replace(Site(), data=tmp_path)))
    rooms.migrate()
    yield rooms
    rooms.close()


def deliver(rooms: Rooms, number: str, text: str, people: list[str], message_id: str | None = None) -> None:
    """A message comes in as mail from outside does, with its record."""
    message_id = f"<{number}@x>" if message_id is None else message_id
    field = f"Message-ID: {message_id}\r\n" if message_id else ""
    octets = f"{field}Subject: objet\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()
    verdict = SpamFilter(Spam(), NoModel()).judge(stored_message(octets, "").evidence)
    filings = [Filing(rooms.store.open_account(key)) for key in people]
    rooms.store.deliver(
        filings,
        MemoryContent(octets),
        None,
        NOW,
        rows=(record.row(number, verdict, NOW + 0.25, message_id, people),),
    )


def who_has(rooms: Rooms, request: Request) -> list[str]:
    return sorted(one.key for one in copies(rooms, search(rooms, request, lambda count: None)))


def test_the_same_message_by_message_id_or_by_our_id(rooms: Rooms) -> None:
    deliver(rooms, "m1", PHISH.format("a"), ["marie", "paul"])
    deliver(rooms, "m2", PHISH.format("a"), ["zoe"], "<m1@x>")
    deliver(rooms, "m3", LETTER, ["marie"])
    assert who_has(rooms, Request("<m1@x>")) == ["marie", "paul", "zoe"]
    assert who_has(rooms, Request("m2")) == ["zoe"]
    request = Request("<m1@x>")
    number = rooms.recalls.begin(request.asked, "hotline", "phishing")
    assert len(list(recall(rooms, number, search(rooms, request, lambda count: None)))) == 3
    assert who_has(rooms, request) == []
    assert who_has(rooms, Request("m3")) == ["marie"]


def test_all_of_one_making(rooms: Rooms) -> None:
    for number, name in enumerate(("durand", "martin", "benali")):
        deliver(rooms, f"m{number}", PHISH.format(name), [name])
    deliver(rooms, "m9", LETTER, ["marie"])
    assert who_has(rooms, Request("m1")) == ["martin"]
    seen: list[int] = []
    found = search(rooms, Request("m1", similar=True), seen.append)
    assert sorted(one.key for one in copies(rooms, found)) == ["benali", "durand", "martin"]
    assert seen == [1, 2, 3, 4]


def test_mail_without_a_message_id_is_known_by_when_it_came(rooms: Rooms) -> None:
    deliver(rooms, "m1", PHISH.format("a"), ["marie"], "")
    assert who_has(rooms, Request("m1")) == ["marie"]


def test_a_borrowed_message_id_takes_nothing_along(rooms: Rooms) -> None:
    deliver(rooms, "m1", LETTER, ["marie"])
    deliver(rooms, "m2", PHISH.format("a"), ["paul"], "<m1@x>")
    with pytest.raises(NotFound, match="different texts: name one by its id: m1, m2"):
        who_has(rooms, Request("<m1@x>"))
    assert who_has(rooms, Request("m2")) == ["paul"]


def test_what_there_is_no_record_of(rooms: Rooms) -> None:
    octets = b"Message-ID: <sent@x>\r\nSubject: interne\r\n\r\nbonjour\r\n"
    account = rooms.store.open_account("marie")
    rooms.store.deliver([Filing(account)], MemoryContent(octets), None, NOW)
    with pytest.raises(NotFound, match="--everywhere"):
        who_has(rooms, Request("<sent@x>"))
    assert who_has(rooms, Request("<sent@x>", everywhere=True)) == ["marie"]
    for wrong in (Request("sent", everywhere=True), Request("<sent@x>", similar=True, everywhere=True)):
        with pytest.raises(NotFound, match="angle brackets"):
            who_has(rooms, wrong)


def test_short_mail_has_nothing_similar(rooms: Rooms) -> None:
    deliver(rooms, "m1", "Oui.", ["marie"])
    with pytest.raises(NotFound, match="says too little"):
        who_has(rooms, Request("m1", similar=True))

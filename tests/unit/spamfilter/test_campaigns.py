from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from config.settings import Spam
from spamfilter import campaigns, record, tables
from spamfilter.campaigns import Making, SiteCampaigns, Voices, forget, forget_before, split_files
from spamfilter.filter import SpamFilter
from spamfilter.model import Knowledge, blank
from spamfilter.sightings import sightings
from spamfilter.train import Trainer
from spamfilter.verdict import Verdict
from spamfilter.views import Views
from storage.database import Database
from storage.errors import Unavailable

PHISH = (
    "Votre messagerie arrive à saturation et les nouveaux messages ne pourront bientôt plus être remis. Afin de "
    "conserver l'accès à votre espace, merci de confirmer votre identifiant avant demain sur la page indiquée. Sans "
    "action de votre part, le compte {} sera suspendu et tous les dossiers seront effacés par le service."
)
LETTER = (
    "La sortie au musée aura lieu jeudi prochain, départ devant le portail après la récréation du matin. Pensez au "
    "pique-nique, à une gourde et à un vêtement de pluie, le retour est prévu avant la fin des cours de l'après-midi."
)
PDF = ("facture.pdf", "application/pdf", b"%PDF-1.7" + bytes(range(256)) * 4)


class NoModel:
    def knowledge(self) -> Knowledge:
        return blank()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(each_database: Database) -> Database:
    return each_database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trainer(database: Database, clock: Clock) -> Trainer:
    return Trainer(database, Spam(), clock=clock)


@pytest.fixture
def mail(evidence: Callable[..., Any]) -> Callable[..., bytes]:
    return lambda text, **more: bytes(evidence(text=text, encoding="base64", **more).buffer)


@pytest.fixture
def judged(database: Database, evidence: Callable[..., Any]) -> Callable[..., dict[str, float]]:
    def judge(text: str, **more: Any) -> dict[str, float]:
        spam_filter = SpamFilter(Spam(), NoModel(), reported=SiteCampaigns(database))
        return {
            hit.symbol: hit.weight for hit in spam_filter.judge(evidence(text=text, encoding="base64", **more)).hits
        }

    return judge


def numbers(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(select(tables.campaigns.c.id).order_by(tables.campaigns.c.id)))


def voices(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(select(tables.campaigns.c.voices).order_by(tables.campaigns.c.id)))


def test_one_report_marks_and_several_bury(trainer: Trainer, mail: Any, judged: Any) -> None:
    assert not judged(PHISH.format("durand")).keys() & {"CAMPAIGN_REPORTED", "CAMPAIGN_CONFIRMED"}
    trainer.learn(mail(PHISH.format("martin")), spam=True, account="marie")
    assert judged(PHISH.format("durand"))["CAMPAIGN_REPORTED"] == 2.0
    assert "CAMPAIGN_REPORTED" not in judged(LETTER)
    for account in ("paul", "zoe"):
        trainer.learn(mail(PHISH.format(account)), spam=True, account=account)
    hits = judged(PHISH.format("durand"))
    assert hits["CAMPAIGN_CONFIRMED"] == 9.0
    assert "CAMPAIGN_REPORTED" not in hits
    assert not judged(LETTER).keys() & {"CAMPAIGN_REPORTED", "CAMPAIGN_CONFIRMED"}


def test_a_person_has_one_voice(database: Database, trainer: Trainer, mail: Any) -> None:
    for name in ("a", "bb", "ccc", "dddd"):
        trainer.learn(mail(PHISH.format(name)), spam=True, account="marie")
    assert voices(database) == [1]


def test_the_operators_voice_is_enough(trainer: Trainer, mail: Any, judged: Any) -> None:
    trainer.learn(mail(PHISH.format("x")), spam=True)
    assert judged(PHISH.format("y"))["CAMPAIGN_CONFIRMED"] == 9.0


def test_whoever_takes_it_out_of_junk_takes_a_voice_away(database: Database, trainer: Trainer, mail: Any) -> None:
    for account in ("marie", "paul"):
        trainer.learn(mail(PHISH.format("x")), spam=True, account=account)
    trainer.learn(mail(PHISH.format("x")), spam=False, account="zoe")
    assert voices(database) == [1]
    trainer.learn(mail(PHISH.format("x")), spam=False, account="marie")
    assert voices(database) == [0], "and who changes their mind takes two"


def test_forgetting_takes_the_voice_back(database: Database, trainer: Trainer, mail: Any) -> None:
    for account in ("marie", "paul"):
        trainer.learn(mail(PHISH.format("x")), spam=True, account=account)
    assert trainer.forget(mail(PHISH.format("x")), account="paul")
    assert voices(database) == [1]


def test_ham_marks_nothing(database: Database, trainer: Trainer, mail: Any) -> None:
    trainer.learn(mail(LETTER), spam=False, account="marie")
    trainer.learn(mail("Oui."), spam=True, account="marie")
    assert numbers(database) == []


def test_files_are_known_again(trainer: Trainer, mail: Any, judged: Any) -> None:
    trainer.learn(mail("Voir la pièce jointe.", attachments=(PDF,)), spam=True, account="marie")
    assert judged(LETTER, attachments=(PDF,))["FILE_REPORTED"] == 1.0
    assert not judged(LETTER).keys() & {"FILE_REPORTED", "FILE_CONFIRMED"}
    trainer.learn(mail("Voir la pièce jointe.", attachments=(PDF,)), spam=True)
    hits = judged(LETTER, attachments=(PDF,))
    assert hits["FILE_CONFIRMED"] == 4.0
    assert "FILE_REPORTED" not in hits
    assert not judged(LETTER).keys() & {"FILE_REPORTED", "FILE_CONFIRMED"}


OURS = {"fields": {"From": "Le rectorat <info@ac-exemple.fr>"}, "auth": {"dmarc": "pass", "spf": "pass"}}
NEWSLETTER = {
    "fields": {"List-Id": "<lettre.exemple.org>", "List-Unsubscribe": "<https://exemple.org/u>"},
    "auth": {"dkim": (("pass", "exemple.org"),), "dmarc": "pass"},
}


@pytest.mark.parametrize("more", [OURS, {"wanted": True}])
def test_who_is_trusted_is_not_buried(more: dict[str, Any], trainer: Trainer, mail: Any, judged: Any) -> None:
    trainer.learn(mail(PHISH.format("x")), spam=True)
    hits = judged(PHISH.format("y"), **more)
    assert "REPORTED_BUT_TRUSTED" in hits
    assert hits["CAMPAIGN_CONFIRMED"] == 0.0
    assert "REPORTED_BUT_TRUSTED" not in judged(PHISH.format("y"))


def test_a_newsletter_is_not_buried_for_all(trainer: Trainer, mail: Any, judged: Any) -> None:
    trainer.learn(mail(PHISH.format("x")), spam=True)
    hits = judged(PHISH.format("y"), **NEWSLETTER)
    assert (hits["NEWSLETTER_REPORTED"], hits["CAMPAIGN_CONFIRMED"]) == (1.0, 0.0)
    assert "NEWSLETTER_REPORTED" not in judged(LETTER, **NEWSLETTER)


def test_the_newest_are_known(
    database: Database, trainer: Trainer, clock: Clock, mail: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "MOST", 3)
    words = [f"{chr(97 + n) * 4}" for n in range(5)]
    for word in words:
        clock.now += 1
        text = " ".join(f"{word}{chr(97 + k // 10)}{chr(97 + k % 10)}" for k in range(40))
        assert trainer.learn(mail(text), spam=True, account="marie")
    with database.read() as connection:
        reported = list(connection.scalars(select(tables.campaigns.c.reported_at).order_by(tables.campaigns.c.id)))
        of = set(connection.scalars(select(tables.campaign_voices.c.campaign)))
    assert len(reported) == 3
    assert reported == sorted(reported)[-3:]
    assert of == set(numbers(database))


def test_campaigns_that_nobody_reports_are_forgotten(
    database: Database, trainer: Trainer, clock: Clock, mail: Any, judged: Any
) -> None:
    trainer.learn(mail(PHISH.format("x")), spam=True)
    assert forget_before(database, clock.now) == 0
    assert forget_before(database, clock.now + 1) == 1
    assert "CAMPAIGN_CONFIRMED" not in judged(PHISH.format("x"))


def test_judges_hear_of_reports_in_time(database: Database, trainer: Trainer, mail: Any, views: Any) -> None:
    clock = Clock()
    known = SiteCampaigns(database, clock=clock)
    making = Making.of(views(text=PHISH.format("y"), encoding="base64"))
    trainer.learn(mail(PHISH.format("x")), spam=True, account="marie")
    assert known.voices(making) == Voices()
    clock.now += 2.1
    assert known.voices(making) == Voices(text=1)


def test_while_the_database_is_away_the_last_that_is_known_counts(
    database: Database, trainer: Trainer, mail: Any, views: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.learn(mail(PHISH.format("x")), spam=True, account="marie")
    clock = Clock()
    known = SiteCampaigns(database, clock=clock)

    def away() -> None:
        raise Unavailable("away")

    monkeypatch.setattr(database, "read", away)
    clock.now += 10
    assert known.voices(Making.of(views(text=PHISH.format("y"), encoding="base64"))) == Voices(text=1)


def test_a_verdict_tells_its_making(evidence: Any) -> None:
    more = evidence(text=PHISH.format("x"), encoding="base64", attachments=(PDF,))
    verdict: Verdict = SpamFilter(Spam(), NoModel()).judge(more)
    making = Making.of(Views(more, 1 << 18))
    assert (bytes.fromhex(verdict.sketch), split_files(bytes.fromhex(verdict.files))) == (making.sketch, making.files)


def test_sightings_count_messages_and_boxes(database: Database, trainer: Trainer, mail: Any, evidence: Any) -> None:
    spam_filter = SpamFilter(Spam(), NoModel())
    with database.write() as connection:
        for number, (text, accounts) in enumerate(
            [(PHISH.format("a"), ["paul", "marie"]), (PHISH.format("b"), ["paul"]), (LETTER, ["zoe"]), ("Oui.", ["x"])]
        ):
            verdict = spam_filter.judge(evidence(text=text, encoding="base64"))
            connection.execute(*record.row(f"m{number}", verdict, 500.0 + number, f"<{number}@exemple.org>", accounts))
    trainer.learn(mail(PHISH.format("c")), spam=True, account="marie")
    [one] = sightings(database, 10, 0.0)
    assert (one.subject, one.author, one.voices) == ("Reunion de demain", "marie@exemple.org", 1)
    assert (one.first, one.last, one.messages, one.boxes) == (500.0, 501.0, 2, {"paul", "marie"})
    [later] = sightings(database, 10, 500.5)
    assert (later.first, later.messages, later.boxes) == (501.0, 1, {"paul"})
    assert sightings(database, 0, 0.0) == []


def test_a_campaign_that_is_none_is_forgotten(database: Database, trainer: Trainer, mail: Any) -> None:
    trainer.learn(mail(PHISH.format("c")), spam=True, account="marie")
    [number] = numbers(database)
    assert not forget(database, number + 1)
    assert forget(database, number)
    assert numbers(database) == []

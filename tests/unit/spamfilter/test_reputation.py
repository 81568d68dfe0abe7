from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import select

from config.settings import Spam
from spamfilter import outcomes, record, reputation, tables, taught
from spamfilter.filter import SpamFilter
from spamfilter.model import Knowledge, blank
from spamfilter.reputation import HALF_LIFE, SITE, Counts, SiteReputations, forget, opinions, origin
from spamfilter.rules import RULES
from spamfilter.scores import shipped
from spamfilter.train import Trainer
from spamfilter.verdict import Action, Verdict
from storage.database import Database
from storage.errors import Unavailable

NOW = 1_790_000_000.0
SIGNED: dict[str, Any] = {"auth": {"dkim": (("pass", "exemple.org"),), "dmarc": "pass"}}
SENDERS = ("address:marie@exemple.org", "domain:exemple.org", "network:203.0.113.0/24")


class NoModel:
    def knowledge(self) -> Knowledge:
        return blank()


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(each_database: Database) -> Database:
    return each_database


def add(database: Database, more: Mapping[tuple[str, str], tuple[float, float]], now: float = NOW) -> None:
    with database.write() as connection:
        taught.take_turn(connection)
        reputation.count(connection, more, now)


def kept(database: Database) -> dict[tuple[str, str], tuple[float, float]]:
    with database.read() as connection:
        rows = connection.execute(select(tables.reputations)).all()
    return {(row.account, row.sender): (round(row.good, 3), round(row.bad, 3)) for row in rows}


def from_network(evidence: Any, address: str, **more: Any) -> Any:
    import dataclasses

    made = evidence(**more)
    envelope = dataclasses.replace(made.envelope, client=dataclasses.replace(made.envelope.client, address=address))
    return dataclasses.replace(made, envelope=envelope)


def test_reputation_hangs_on_what_is_vouched_for(views: Callable[..., Any]) -> None:
    assert origin(views(**SIGNED)) == SENDERS[:2]
    assert origin(views()) == ()
    assert origin(views(auth={"spf": "pass", "dmarc": "fail"})) == ()
    freemail = {"fields": {"From": "x@gmail.com"}, "auth": {"dkim": (("pass", "gmail.com"),), "dmarc": "pass"}}
    assert origin(views(**freemail)) == ("address:x@gmail.com",)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("8.8.4.9", "network:8.8.4.0/24"),
        ("2a01:e0a:1:2::9", "network:2a01:e0a:1::/48"),
        ("192.168.3.4", None),
        ("127.0.0.1", None),
        ("", None),
        ("fe80::1%eth0", None),
    ],
)
def test_networks(evidence: Any, address: str, network: str | None) -> None:
    from spamfilter.views import Views

    assert origin(Views(from_network(evidence, address), 1000)) == ((network,) if network else ())


def test_counts_halve_and_never_fall_below_zero() -> None:
    counts = Counts(4.0, 2.0, NOW).aged(NOW + HALF_LIFE)
    assert (counts.good, counts.bad) == (2.0, 1.0)
    assert Counts(1.0, 0.0, NOW).plus(-5.0, 1.0, NOW) == Counts(0.0, 1.0, NOW)
    assert Counts(3.0, 1.0, NOW).aged(NOW - 50).good == 3.0, "clocks go back"


@pytest.mark.parametrize(("good", "bad", "side"), [(0.0, 9.0, 0), (9.0, 0.0, 1)])
@pytest.mark.parametrize("kind", ["domain", "address", "network"])
def test_each_kind_of_sender_has_its_symbols(kind: str, good: float, bad: float, side: int) -> None:
    symbol = reputation.SYMBOLS[kind][side]
    assert dict(opinions({(SITE, f"{kind}:x"): Counts(good, bad, NOW)})) == {symbol: pytest.approx(9 / 14)}
    assert dict(opinions({(SITE, f"{kind}:x"): Counts(9.0, 9.0, NOW)})) == {}
    assert dict(opinions({(SITE, f"{kind}:x"): Counts(0.5, 0.0, NOW)})) == {}
    own = reputation.SYMBOLS["person"][side]
    assert dict(opinions({("paul", f"{kind}:x"): Counts(good, bad, NOW)})) == {own: pytest.approx(9 / 14)}
    assert dict(opinions({("paul", f"{kind}:x"): Counts(9.0, 9.0, NOW)})) == {}


@pytest.mark.parametrize(("counts", "sign"), [((0.0, 1e6), 1), ((1e6, 0.0), -1)])
def test_it_never_decides_alone(database: Database, evidence: Any, counts: tuple[float, float], sign: int) -> None:
    scores = shipped(RULES)
    add(database, {(account, sender): counts for account in (SITE, "paul") for sender in SENDERS})
    known = SiteReputations(database, clock=Clock())
    case = from_network(evidence, "203.0.113.9", **SIGNED)
    plain = SpamFilter(Spam(), NoModel()).judge(case)
    verdict = SpamFilter(Spam(), NoModel(), reputations=known).judge(case)
    moved = verdict.score - plain.score
    assert sign * moved == pytest.approx(scores.caps["reputation"])
    assert scores.caps["reputation"] < Spam().junk_from / 2
    assert {hit.symbol for hit in verdict.hits} - {hit.symbol for hit in plain.hits} >= {
        f"DOMAIN_REPUTATION_{'BAD' if sign > 0 else 'GOOD'}"
    }


def test_a_persons_own_experience_is_theirs(database: Database) -> None:
    add(database, {("paul", SENDERS[0]): (0.0, 9.0)})
    known = SiteReputations(database, clock=Clock())
    assert dict(opinions(known.of(SENDERS, "paul"))).keys() == {"OWN_EXPERIENCE_BAD"}
    assert dict(opinions(known.of(SENDERS, "marie"))) == {}
    assert dict(opinions(known.of(SENDERS, ""))) == {}


def test_what_was_read_is_at_hand_for_a_minute(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    known = SiteReputations(database, clock=clock)
    assert dict(known.of(SENDERS, "paul")) == {}
    add(database, {(SITE, SENDERS[1]): (0.0, 9.0)})
    assert dict(known.of(SENDERS, "paul")) == {}
    clock.now += 61
    assert known.of(SENDERS, "paul").keys() == {(SITE, SENDERS[1])}

    def away() -> None:
        raise Unavailable("away")

    monkeypatch.setattr(database, "read", away)
    clock.now += 61
    assert known.of(SENDERS, "paul").keys() == {(SITE, SENDERS[1])}, "the last that is known"
    assert dict(known.of(("domain:autre.org",), "")) == {}


def test_the_cache_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reputation, "_CACHED", 10)
    known = SiteReputations(database, clock=Clock())
    for number in range(50):
        known.of((f"domain:{number}.org",), "")
    assert len(known._cached) == 10


def recorded(database: Database, number: str, at: float, score: float, action: Action, scanned: bool = True) -> None:
    verdict = Verdict(score, action, (), None, 6.0, 25.0, scanned, origin=SENDERS)
    with database.write() as connection:
        connection.execute(*record.row(number, verdict, at, f"<{number}@x>", ["paul"]))


def test_verdicts_become_reputation_once(database: Database) -> None:
    assert outcomes.catch_up(database, NOW) == 0
    for number, score in enumerate((-2.0, 0.5, 3.0)):
        recorded(database, f"a{number}", NOW + number, score, Action.ACCEPT)
    recorded(database, "j", NOW + 4, 9.0, Action.JUNK)
    recorded(database, "u", NOW + 5, 0.0, Action.ACCEPT, scanned=False)
    recorded(database, "late", NOW + 90, 9.0, Action.JUNK)
    assert outcomes.catch_up(database, NOW + 60) == 5
    assert outcomes.catch_up(database, NOW + 60) == 0
    assert kept(database) == {(SITE, sender): (0.5, 0.25) for sender in SENDERS}
    assert outcomes.catch_up(database, NOW + 200) == 1


def test_lessons_count_for_site_and_person_and_can_be_taken_back(database: Database, evidence: Any) -> None:
    octets = bytes(evidence(fields={"Received": "from a ([192.0.2.7]) by mx.ici.fr with ESMTP id m1; x"}).buffer)
    recorded(database, "m1", NOW, 2.0, Action.ACCEPT)
    trainer = Trainer(database, Spam(), hostname="mx.ici.fr", clock=Clock())
    assert trainer.learn(octets, spam=True, account="paul")
    site = {(SITE, sender): (0.0, 1.0) for sender in SENDERS}
    assert kept(database) == site | {("paul", sender): (0.0, 1.0) for sender in SENDERS[:2]}
    assert trainer.learn(octets, spam=False, account="paul")
    assert set(kept(database).values()) == {(2.0, 0.0)}
    assert trainer.forget(octets, account="paul")
    assert set(kept(database).values()) == {(0.0, 0.0)}


def test_mail_that_did_not_come_here_tells_nothing_of_senders(database: Database, evidence: Any) -> None:
    Trainer(database, Spam(), hostname="mx.ici.fr").learn(bytes(evidence().buffer), spam=True, account="paul")
    assert kept(database) == {}


def test_the_table_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reputation, "MOST", 3)
    for number in range(5):
        add(database, {(SITE, f"domain:{number}.org"): (1.0, 0.0)}, NOW + number)
    assert forget(database, NOW) == 2
    assert sorted(kept(database)) == [(SITE, f"domain:{number}.org") for number in (2, 3, 4)]
    assert forget(database, NOW + 365 * reputation.DAY) == 3

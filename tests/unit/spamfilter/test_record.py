from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.settings import Spam
from spamfilter import record
from spamfilter.filter import SpamFilter
from spamfilter.model import Knowledge, blank
from spamfilter.rules import RULES
from spamfilter.scores import shipped
from spamfilter.stored import stored_id
from spamfilter.telling import fewest_to_pass, told
from spamfilter.verdict import Action, Verdict
from storage.database import Database

PHISHING: dict[str, Any] = {
    "fields": {"From": "Service informatique <dsi@ac-exempie.fr>", "Subject": "URGENT : votre boîte est pleine"},
    "html": '<p>Votre boîte mail est presque pleine. <a href="https://webmail-ac.weebly.com/login">'
    "https://webmail.ac-exemple.fr</a></p>",
}


class NoModel:
    def knowledge(self) -> Knowledge:
        return blank()


@pytest.fixture
def verdict(evidence: Callable[..., Any]) -> Verdict:
    return SpamFilter(Spam(), NoModel()).judge(evidence(**PHISHING))


def test_a_record_tells_the_same_verdict(database: Database, verdict: Verdict) -> None:
    with database.write() as connection:
        connection.execute(*record.row("m1", verdict, 1001.0))
    scores = shipped(RULES)
    assert record.find(database, "m1", scores) == verdict
    assert record.find(database, "m2", scores) is None
    assert [number for number, _ in record.since(database, 1001.0, scores)] == ["m1"]
    assert list(record.since(database, 1002.0, scores)) == []
    assert record.forget_before(database, 1002.0) == 1
    assert record.find(database, "m1", scores) is None


def test_many_records_come_in_order(database: Database, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "BATCH", 3)
    with database.write() as connection:
        for number in range(10):
            connection.execute(*record.row(f"m{number}", verdict, 1000.0 + number // 4))
    assert [n for n, _ in record.since(database, 0.0, shipped(RULES))] == [f"m{n}" for n in range(10)]


def test_judged_again_by_the_same_weights_nothing_changes(verdict: Verdict) -> None:
    assert record.judged_again(verdict, shipped(RULES), Spam()) == verdict


def test_judged_again_by_other_weights_and_thresholds(verdict: Verdict, tmp_path: Path) -> None:
    file = tmp_path / "scores.toml"
    file.write_text("[caps]\naddresses = 0\nguard = 0\nurls = 0\nwording = 0\n[weights]\nFAKE_SERVICE_NOTICE = 0\n")
    weaker = record.judged_again(verdict, shipped(RULES, file), Spam())
    assert weaker.score < verdict.score
    assert record.judged_again(verdict, shipped(RULES), Spam(junk_from=99.0, reject_from=0)).action is Action.ACCEPT


def test_told_in_french_with_what_would_have_turned_it(verdict: Verdict) -> None:
    lines = list(told(verdict, "fr"))
    assert "indésirable à partir de 6,00" in lines[0]
    assert any("LOOKALIKE_DOMAIN : L'adresse imite" in line for line in lines)
    without = fewest_to_pass(verdict)
    assert verdict.score - sum(hit.weight for hit in without) < verdict.junk_from
    assert verdict.score - sum(hit.weight for hit in without[:-1]) >= verdict.junk_from
    assert all(hit.symbol in lines[-1] for hit in without)
    points = [abs(hit.weight) for hit in verdict.hits]
    assert points == sorted(points, reverse=True)


def test_told_in_english_when_it_passed(verdict: Verdict) -> None:
    passed = replace(verdict, action=Action.ACCEPT, score=2.5, hits=(), reject_from=15.0)
    assert list(told(passed, "en")) == [
        "2.50 points: delivered to the inbox (junk from 6.00, refused from 15.00)",
        "  3.50 points were missing to file it as junk.",
    ]


def test_the_id_is_that_of_our_own_received_field() -> None:
    ours = b"Received: from a (a [192.0.2.1])\r\n\tby mx.ici.fr with ESMTP\r\n\tid 0a1b.c2; Mon\r\n\r\nx"
    assert stored_id(ours, "mx.ici.fr") == "0a1b.c2"
    assert stored_id(ours, "mx.autre.fr") is None
    assert stored_id(b"\r\nx", "mx.ici.fr") is None

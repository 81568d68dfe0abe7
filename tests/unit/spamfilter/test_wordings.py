from __future__ import annotations

import pytest

from spamfilter.rules.body import NEAR, WORDINGS, Wording, Wordings, read_wordings
from spamfilter.words import folded, unaccented

NEAR_WORDING = Wording(["heritage"], ["million"])


def found(wording: Wording, text: str) -> str | None:
    return Wordings({"SOME": wording}).found_in(folded(text)).get("SOME")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Un héritage de cinq millions", "heritage … million"),
        ("Cinq millions d’héritage", "heritage … million"),
        ("L'HÉRITAGE (un million)", "heritage … million"),
        ("Un héritage", None),
        ("Cohéritage d'un million", None),
        ("Un héritage" + " bla" * (NEAR // 3) + " million", None),
    ],
)
def test_two_kinds_near_each_other(text: str, seen: str | None) -> None:
    assert found(NEAR_WORDING, text) == seen


def test_one_kind_is_enough_without_a_second() -> None:
    assert found(Wording(["cher client"]), "Cher  client,") == "cher client"
    assert found(Wording([" iban"]), "mon IBAN") == "iban"


def test_a_phrase_begins_at_a_word() -> None:
    assert found(Wording(["horny"]), "a thorny question") is None


def test_wordings_are_written_folded() -> None:
    phrases = [phrase for wording in WORDINGS.values() for phrase in (*wording.first, *wording.second)]
    assert [phrase for phrase in phrases if phrase != unaccented(phrase) or not phrase.strip()] == []


def test_read_wordings() -> None:
    wordings = read_wordings('[A]\nfirst = ["x y"]\n[B]\nfirst = ["x"]\nsecond = ["z"]\n')
    assert (wordings["A"].first, wordings["A"].second, wordings["B"].second) == (("x y",), (), ("z",))

from __future__ import annotations

from pathlib import Path

import pytest

from spamfilter.live import EVERY, LiveScores
from spamfilter.rules import RULES
from spamfilter.scores import ScoreError


def test_a_changed_file_counts_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    now = [0.0]
    file = tmp_path / "scores.toml"
    file.write_text("[weights]\nMISSING_DATE = 2.5\n")
    live = LiveScores(RULES, file, clock=lambda: now[0])

    def weight() -> float:
        now[0] += EVERY
        return live.current().symbols["MISSING_DATE"].weight

    assert weight() == 2.5
    file.write_text("[weights]\nMISSING_DATE = 13.25\n")
    assert weight() == 13.25
    file.write_text("[weights]\nMISSING_DAET = 1.0\n# wrong\n")
    assert weight() == 13.25
    file.write_text("[weights]\nMISSING_DATE = 4.125\n")
    assert weight() == 4.125


def test_a_wrong_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "scores.toml"
    file.write_text("[weights]\nMISSING_DAET = 1.0\n")
    with pytest.raises(ScoreError, match="MISSING_DATE"):
        LiveScores(RULES, file)


def test_operators_add_composites_and_texts(tmp_path: Path) -> None:
    file = tmp_path / "scores.toml"
    file.write_text(
        '[composites.OUR_TRADER]\nwhen = "FROM_FREEMAIL and GIFT_CARD"\nweight = 3\nfr = "Vend"\nen = "Sells"\n'
        '[texts.MISSING_DATE]\nfr = "Sans date"\nen = "No date"\n[weights]\nOUR_TRADER = 3.5\n'
    )
    scores = LiveScores(RULES, file).current()
    assert scores.symbols["OUR_TRADER"].weight == 3.5
    assert scores.composites[-1].symbol == "OUR_TRADER"
    assert scores.symbols["MISSING_DATE"].french == "Sans date"

from __future__ import annotations

import pytest

from spamfilter.people import FRESH, SITE, NoSender, Standing, forget_written, note_written, standing, wish, wishes
from storage.database import Database


def written(database: Database, account: str, *addresses: str, at: float = 1000.0) -> None:
    with database.write() as connection:
        note_written(connection, account, addresses, at)


def test_those_to_whom_all_recipients_wrote_are_known(database: Database) -> None:
    written(database, "marie", "Luc@Exemple.org", "luc@exemple.org")
    assert standing(database, "LUC@exemple.org", ["marie"]) == Standing(known=True)
    assert standing(database, "luc@exemple.org", ["marie", "paul"]) == Standing()
    written(database, "paul", "luc@exemple.org")
    assert standing(database, "luc@exemple.org", ["marie", "paul"]).known
    assert standing(database, "luc@exemple.org", []) == Standing()


def test_correspondents_are_forgotten_in_time(database: Database) -> None:
    written(database, "marie", "luc@exemple.org")
    written(database, "marie", "luc@exemple.org", at=1000.0 + 2 * FRESH)
    assert forget_written(database, 1000.0 + FRESH) == 0
    assert forget_written(database, 1001.0 + 2 * FRESH) == 1
    assert not standing(database, "luc@exemple.org", ["marie"]).known


def test_a_persons_wish_goes_before_the_sites_and_an_address_before_its_domain(database: Database) -> None:
    wish(database, SITE, "@Pub.example", False)
    assert standing(database, "a@pub.example", ["marie"]) == Standing(unwanted=True)
    wish(database, "marie", "a@pub.example", True)
    assert standing(database, "a@pub.example", ["marie"]) == Standing(wanted=True)
    assert standing(database, "b@pub.example", ["marie"]) == Standing(unwanted=True)
    assert standing(database, "a@pub.example", ["marie", "paul"]) == Standing()
    wish(database, "marie", "a@pub.example", None)
    assert wishes(database, "marie") == []
    assert wishes(database, SITE) == [("@pub.example", False)]


@pytest.mark.parametrize("text", ["", "exemple.org", "a b@exemple.org", "@exemple", "a" * 400 + "@exemple.org"])
def test_what_is_no_sender_is_refused(text: str, database: Database) -> None:
    with pytest.raises(NoSender):
        wish(database, SITE, text, True)

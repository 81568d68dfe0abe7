"""A site whose filter learnt under the first schema."""

from __future__ import annotations

from pathlib import Path

from config.settings import Spam
from spamfilter import taught
from spamfilter.train import Trainer
from storage.database import Database
from storage.migrate import upgrade

MAIL = b"Subject: conseil de classe\r\n\r\nLe conseil commence lundi.\r\n"


def test_the_filter_begins_again_and_learns_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/index.db")
    upgrade(database, "0004")
    with database.write() as connection:
        for statement in (
            "INSERT INTO spam_models (name, ham, spam, revision) VALUES ('site', 7, 3, 10)",
            "INSERT INTO spam_tokens (token, ham, spam, revision) VALUES (-5, 7, 0, 9), (12, 0, 3, 10)",
            "INSERT INTO spam_learnt (account, digest, spam, tokenizer, learnt_at) VALUES ('', x'00', 1, 1, 5.0)",
        ):
            connection.exec_driver_sql(statement)
    upgrade(database)
    trainer = Trainer(database, Spam())
    assert trainer.learn(MAIL, spam=False)
    with database.read() as connection:
        totals = taught.totals(connection)
    assert (totals.ham, totals.spam, totals.revision) == (1, 0, 1)
    assert trainer.forget(MAIL)
    database.close()

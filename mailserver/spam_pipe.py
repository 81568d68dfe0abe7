"""The spam filter behind a line protocol, on a state of its own, for measuring it.

Requests on standard input, one a line, each answered by one line before the next is read::

    score PATH         ->  SCORE VERDICT      VERDICT is ham or spam
    train_ham PATH     ->  ok
    train_spam PATH    ->  ok
    sync               ->  ok

Nothing is asked of the network. What can't be read or understood is answered with ``error REASON``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from config.settings import Spam
from spamfilter.filter import SpamFilter
from spamfilter.model import SiteModel
from spamfilter.prior import Prior
from spamfilter.stored import stored_message
from spamfilter.train import Trainer
from spamfilter.verdict import Action
from storage.database import Database
from storage.errors import StoreError
from storage.migrate import upgrade


class SpamPipe:
    """A filter and its trainer on the state in one folder."""

    def __init__(self, state: Path, settings: Spam, prior: Prior) -> None:
        """Raises ``OSError`` when the folder can't be made, ``StoreError`` when the state can't be opened."""
        state.mkdir(parents=True, exist_ok=True)
        database = Database(f"sqlite:///{state / 'spam.db'}")
        upgrade(database)
        self._trainer = Trainer(database, settings, prior=prior)
        # Each lesson counts for the next message: the model is looked at again every time.
        self._filter = SpamFilter(settings, SiteModel(database, state, prior, interval=0.0))

    def answers(self, lines: Iterable[str]) -> Iterator[str]:
        """The answer to each request, without its line end."""
        for line in lines:
            request, _, path = line.rstrip("\r\n").partition(" ")
            try:
                yield self._answer(request, Path(path))
            except (OSError, StoreError) as error:
                yield f"error {' '.join(str(error).split())}"

    def _answer(self, request: str, path: Path) -> str:
        match request:
            case "score":
                verdict = self._filter.judge(stored_message(path.read_bytes(), "").evidence)
                return f"{verdict.score!r} {'ham' if verdict.action is Action.ACCEPT else 'spam'}"
            case "train_ham" | "train_spam":
                self._trainer.learn(path.read_bytes(), spam=request == "train_spam")
                return "ok"
            case "sync":
                return "ok"
        return "error expected score PATH, train_ham PATH, train_spam PATH or sync"

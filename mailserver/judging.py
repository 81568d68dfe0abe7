"""The spam filter of a judging process. Apart from the wiring, so that such a process loads little else."""

from __future__ import annotations

from config.settings import Settings
from mailserver import logs
from spamfilter.bayes.model import BayesModel
from spamfilter.filter import SpamFilter
from storage.database import Database


def spam_filter(settings: Settings) -> SpamFilter:
    """The filter with the site's model, read now and not at the first message: a large one takes seconds.

    Raises ``storage.errors.StoreError``, and ``spamfilter.scores.ScoreError`` when a data file is wrong.
    """
    logs.set_up(settings.log, "judge")
    model = BayesModel(Database(settings.database_url))
    model.load()
    return SpamFilter(settings.spam, model)

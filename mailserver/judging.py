"""The spam filter of a judging process. Apart from the wiring, so that such a process loads little else."""

from __future__ import annotations

from config.settings import Settings
from mailserver import logs
from spamfilter.campaigns import SiteCampaigns
from spamfilter.filter import SpamFilter
from spamfilter.model import SiteModel
from spamfilter.prior import shipped_prior
from spamfilter.reputation import SiteReputations
from storage.database import Database


def spam_filter(settings: Settings) -> SpamFilter:
    """The filter with the site's model, brought up to date now and not at the first message: a large one takes seconds.

    Raises ``storage.errors.StoreError``, ``OSError`` when the model's file can't be made, and
    ``spamfilter.scores.ScoreError`` when a data file is wrong.
    """
    logs.set_up(settings.log, "judge")
    return filter_of(Database(settings.database_url), settings)


def filter_of(database: Database, settings: Settings) -> SpamFilter:
    """The filter over what this database was taught; raises like ``spam_filter``."""
    model = SiteModel(database, settings.site.data, shipped_prior())
    return SpamFilter(settings.spam, model, reported=SiteCampaigns(database), reputations=SiteReputations(database))

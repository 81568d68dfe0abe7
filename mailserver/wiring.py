"""Settings become objects: the only place where a concrete backend is chosen.

Each part is made when it is first asked for, so that a role opens only what it needs.
"""

from __future__ import annotations

import os
import pwd
from functools import cached_property, partial
from pathlib import Path

from sqlalchemy import text

from config.settings import Settings
from delivery.antivirus import Clamd
from delivery.digest import Digests
from delivery.dsn import ReportWriter
from delivery.filing import Filer
from delivery.inbound import InboundPipeline
from delivery.judging import Judge
from delivery.learning import Learning
from delivery.link_desk import LinkDesk
from delivery.links import Links, link_key
from delivery.quarantine import Quarantine
from delivery.queue.runner import QueueRunner
from delivery.queue.store import QueueStore
from delivery.quota_notices import QuotaNotices
from delivery.reports.desk import ReportDesk
from delivery.reports.hotline import Hotline
from delivery.submission import SubmissionPipeline
from directory.accounts import Accounts
from directory.attempts import Attempts
from directory.authenticator import Authenticator
from directory.name_index import NameIndex, people
from directory.passwords import Passwords
from directory.sql import SqlDirectory
from mailauth.dkim_sign import Signer
from mailauth.evaluate import Evaluator
from mailauth.exchangers import Exchangers
from mailauth.resolver import DnsResolver
from mailserver import judging
from smtp.relay.deliver import SmtpRelay
from spamfilter.evidence import Namesake
from spamfilter.people import standing
from spamfilter.personal import offsets
from spamfilter.prior import shipped_prior
from spamfilter.rules import RULES
from spamfilter.scores import Scores, shipped
from spamfilter.train import Trainer
from spamfilter.words import name_keys
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import QUEUE, Doorbell
from storage.errors import Unavailable
from storage.held import HeldMail
from storage.migrate import upgrade
from storage.recall import Recalls
from storage.restore import TimeMachine
from storage.retention import Retention
from storage.store import Store
from storage.texts.indexer import Indexer
from storage.texts.trigrams import TrigramFiles
from transfer.arrival import Importer


class Rooms:
    """The parts of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def data(self) -> Path:
        return self.settings.site.data

    @cached_property
    def database(self) -> Database:
        return Database(self.settings.database_url)

    def migrate(self) -> None:
        """Make the data folder and bring the database to this release's schema. Raises Unavailable, DiskFull."""
        try:
            self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(
                f"the data folder {self.data} can't be made ({error.strerror}): make it for the server's user"
            ) from error
        if not os.access(self.data, os.W_OK | os.X_OK, effective_ids=True):
            me = pwd.getpwuid(os.geteuid()).pw_name
            raise Unavailable(
                f"the data folder {self.data} can't be written by {me}, as whom this runs: "
                f"give the folder to {me}, or name the server's user in site.user"
            )
        upgrade(self.database)

    @cached_property
    def doorbell(self) -> Doorbell:
        return Doorbell(self.data / "bells")

    @cached_property
    def bodies(self) -> Maildir:
        return Maildir(self.data / "mail", self.settings.site.hostname)

    @cached_property
    def store(self) -> Store:
        return Store(self.database, self.bodies, self.settings.store, self.doorbell, self.texts)

    @cached_property
    def held(self) -> HeldMail:
        return HeldMail(self.database, self.store)

    @cached_property
    def texts(self) -> TrigramFiles:
        return TrigramFiles(self.data / "text")

    @cached_property
    def indexer(self) -> Indexer:
        return Indexer(self.database, self.texts, self.store.body, read_pdf=self.settings.store.index_pdf)

    # ---------------------------------------------------------------- directory

    @cached_property
    def passwords(self) -> Passwords:
        return Passwords(self.settings.auth)

    @cached_property
    def directory(self) -> SqlDirectory:
        return SqlDirectory(self.database, self.settings.site, self.passwords)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.database, self.passwords, password_length=self.settings.auth.password_length)

    @cached_property
    def attempts(self) -> Attempts:
        return Attempts(self.database, self.settings.auth)

    @cached_property
    def door(self) -> Authenticator:
        return Authenticator(self.directory, self.attempts, self.settings.auth)

    # ---------------------------------------------------------------- judging

    @cached_property
    def resolver(self) -> DnsResolver:
        return DnsResolver(self.settings.mailauth)

    @cached_property
    def trainer(self) -> Trainer:
        return Trainer(self.database, self.settings.spam, prior=shipped_prior(), hostname=self.settings.site.hostname)

    @cached_property
    def judge(self) -> Judge | None:
        if not self.settings.spam.enabled:
            return None
        # A wrong file of weights is told at the start, not by processes that don't come up.
        shipped(RULES, self.settings.spam.scores)
        return Judge(partial(judging.spam_filter, self.settings), self.settings.spam)

    # ---------------------------------------------------------------- delivery

    @cached_property
    def links(self) -> Links | None:
        base = self.settings.web.base(self.settings.site.hostname)
        return Links(self.link_key, base) if base else None

    @cached_property
    def link_key(self) -> bytes:
        return link_key(self.data / "links.key")

    @cached_property
    def link_desk(self) -> LinkDesk:
        return LinkDesk(Links(self.link_key, ""), self.quarantine, self.directory, self.store)

    def check_health(self) -> None:
        """Raises Unavailable when the database does not answer."""
        with self.database.read() as connection:
            connection.execute(text("SELECT 1"))

    @cached_property
    def digests(self) -> Digests:
        return Digests(self.held, self.quarantine, self.store, self.directory, self.links, self.settings)

    @cached_property
    def scores(self) -> Scores:
        return shipped(RULES, self.settings.spam.scores)

    @cached_property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.database, self.held, self.settings.site.hostname, lambda: self.scores)

    @cached_property
    def queue(self) -> QueueStore:
        return QueueStore(self.database, self.data / "queue")

    def ring_queue(self) -> None:
        """Wake the queue's runner."""
        self.doorbell.ring([(QUEUE, 0)])

    @cached_property
    def inbound(self) -> InboundPipeline:
        evaluator = Evaluator(self.resolver, self.settings.mailauth) if self.settings.mailauth.enabled else None
        return InboundPipeline(
            self.store,
            self.directory,
            evaluator,
            self.judge,
            self.queue,
            self.settings,
            self.ring_queue,
            self.namesakes,
            partial(offsets, self.database),
            Clamd(self.settings.spam) if self.settings.spam.clamd else None,
            partial(standing, self.database),
        )

    @cached_property
    def name_index(self) -> NameIndex:
        return NameIndex(lambda: people(self.database), name_keys)

    def namesakes(self, name: str) -> tuple[Namesake, ...]:
        """The people of the site who bear a display name."""
        return tuple(Namesake(one.name, one.addresses) for one in self.name_index.named(name))

    @cached_property
    def submission(self) -> SubmissionPipeline:
        return SubmissionPipeline(
            self.store, self.directory, Signer(self.settings.mailauth), self.queue, self.settings, self.ring_queue
        )

    @cached_property
    def reports(self) -> ReportWriter:
        return ReportWriter(self.settings.site, self.settings.queue)

    @cached_property
    def relay(self) -> SmtpRelay:
        return SmtpRelay(self.settings.queue, self.settings.site, Exchangers(self.resolver, self.settings.mailauth))

    @cached_property
    def runner(self) -> QueueRunner:
        filer = Filer(self.store, self.queue, self.reports, self.settings.site, self.ring_queue)
        return QueueRunner(self.queue, self.relay, filer, self.directory, self.reports, self.settings.queue)

    @cached_property
    def learning(self) -> Learning:
        return Learning(self.database, self.store, self.trainer, self.settings.spam)

    @cached_property
    def report_desk(self) -> ReportDesk:
        return ReportDesk(self.database, self.store, self.directory, self.trainer, self.settings)

    @cached_property
    def hotline(self) -> Hotline:
        filer = Filer(self.store, self.queue, self.reports, self.settings.site, self.ring_queue)
        return Hotline(self.database, filer, self.directory, self.settings)

    @cached_property
    def retention(self) -> Retention:
        return Retention(self.database, self.doorbell)

    @cached_property
    def recalls(self) -> Recalls:
        machine = TimeMachine(self.database, self.bodies, self.store, self.doorbell)
        return Recalls(self.database, self.store, self.doorbell, machine)

    @cached_property
    def importer(self) -> Importer:
        return Importer(
            self.database,
            self.store,
            self.directory,
            self.settings.store,
            with_anyone=self.settings.imap.share_with_anyone,
        )

    @cached_property
    def quota_notices(self) -> QuotaNotices:
        return QuotaNotices(self.database, self.store, self.directory, self.settings)

    def close(self) -> None:
        """Finish what is under way and close what was opened."""
        for name in ("relay", "judge", "store", "texts", "doorbell", "database"):
            # The judge is None where mail is not judged.
            if (room := self.__dict__.get(name)) is not None:
                room.close()

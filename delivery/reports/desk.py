"""Deals with mail to the report addresses: unpacks it, marks and moves originals, teaches the filter, says thanks."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection

from config.settings import Settings
from delivery.learning import Trainer
from delivery.reports.log import Kind, Report, ReportMail, dealt_with, expected, note_report, report_of, reports_since
from delivery.reports.unpack import Subject, subjects
from directory.api import Directory, DirectoryUnavailable
from message.compose import plain
from message.content import Buffer, MemoryContent
from storage.api import AlongWith, MailStore
from storage.database import Database
from storage.errors import Damaged, NoSuchMailbox, NoSuchMessage, OverQuota, StoreError
from storage.model import Filing, FlagChange, Header, Mailbox, MessageRow, SpecialUse

log = structlog.get_logger()

#: Keywords of what was reported (registered by the IANA, RFC 9051 section 2.3.2).
_GIVEN = {Kind.PHISHING: ("$Junk", "$Phishing"), Kind.HAM: ("$NotJunk",)}

#: Seconds in which somebody is thanked once, and longest search for one message.
_DAY, _SEARCH = 86400.0, 20.0

#: Where nobody's received mail is.
_OWN = (SpecialUse.SENT, SpecialUse.DRAFTS)


class ReportDesk:
    """What waits is in the database, so nothing is lost or done twice however often this is begun."""

    def __init__(
        self, database: Database, store: MailStore, directory: Directory, trainer: Trainer, settings: Settings
    ) -> None:
        self._database = database
        self._store = store
        self._directory = directory
        self._trainer = trainer
        self._settings = settings

    def catch_up(self, now: float) -> int:
        """Deal with all that waits; returns how many messages were reported. Raises Unavailable."""
        with self._database.read() as connection:
            waiting = expected(connection)
        return sum(self._deal_safely(one, now) for one in waiting)

    def _deal_safely(self, mail: ReportMail, now: float) -> int:
        try:
            return self._deal(mail, now)
        except (StoreError, DirectoryUnavailable):
            raise
        except Exception:
            # One that can't be dealt with must not keep all later ones waiting.
            log.exception("report.failed", id=mail.envelope)
            with self._database.write() as connection:
                dealt_with(connection, mail)
            return 0

    def _deal(self, mail: ReportMail, now: float) -> int:
        reports: list[Report] = []
        with self._letter(mail) as octets:
            for one in subjects(octets) if octets is not None else ():
                reports += self._report(mail, one, now)
        with self._database.read() as connection:
            thanked = any(one.account == mail.account for one in reports_since(connection, now - _DAY))

        def along(connection: Connection) -> None:
            dealt_with(connection, mail)
            for one in reports:
                note_report(connection, one)

        if reports and not thanked and self._thank(mail, len(reports), now, along):
            return len(reports)
        with self._database.write() as connection:
            along(connection)
        return len(reports)

    @contextmanager
    def _letter(self, mail: ReportMail) -> Iterator[Buffer | None]:
        """The octets of a report, None when it is not in the mailbox of its address."""
        targets = self._directory.resolve(mail.address)
        for account in targets.accounts if targets is not None else ():
            number = self._store.open_account(account.key)
            for box, row in self._find(number, "Received", mail.envelope):
                with self._octets(box, row) as octets:
                    yield octets
                    return
        log.warning("report.not_found", id=mail.envelope)
        yield None

    # ---------------------------------------------------------------- one message

    def _report(self, mail: ReportMail, subject: Subject, now: float) -> list[Report]:
        """Report a message: the original where the reporter has it, else what was attached."""
        number = self._store.open_account(mail.account)
        found = list(self._find(number, "Message-ID", subject.message_id)) if subject.message_id else []
        for box, row in found[:1]:
            with self._octets(box, row) as octets:
                if octets is None:
                    continue
                report = report_of(octets, mail.account, mail.kind, "mail", now)
                self._teach(octets, mail)
            self._put(box, row, mail.kind)
            return [report]
        if subject.octets is None:
            return []
        self._teach(subject.octets, mail)
        return [report_of(subject.octets, mail.account, mail.kind, "mail", now)]

    def _find(self, account: int, field: str, text: str) -> Iterator[tuple[Mailbox, MessageRow]]:
        deadline = time.monotonic() + _SEARCH
        for box in self._store.mailboxes(account):
            if box.special_use in _OWN:
                continue
            uids = self._store.search(account, box.id, Header(field, text), deadline)
            view = self._store.view(account, box.id)
            yield from ((box, row) for uid in uids if (row := view.row(uid)) is not None)

    @contextmanager
    def _octets(self, box: Mailbox, row: MessageRow) -> Iterator[Buffer | None]:
        try:
            content = self._store.body(box.account, box.id, row)
        except (NoSuchMessage, NoSuchMailbox, Damaged):
            yield None
            return
        try:
            yield content.buffer()
        finally:
            content.close()

    def _teach(self, octets: Buffer, mail: ReportMail) -> None:
        self._trainer.learn(octets, spam=mail.kind is Kind.PHISHING, account=mail.account)

    def _put(self, box: Mailbox, row: MessageRow, kind: Kind) -> None:
        """Mark the original and bring it where it belongs; it may have gone on meanwhile."""
        spam = kind is Kind.PHISHING
        here = box.account, box.id, [row.uid]
        try:
            if not spam:
                self._store.store_flags(*here, FlagChange.REMOVE, 0, _GIVEN[Kind.PHISHING])
            self._store.store_flags(*here, FlagChange.ADD, 0, _GIVEN[kind])
            target = next(
                one
                for one in self._store.mailboxes(box.account)
                if (one.special_use is SpecialUse.JUNK if spam else one.name == "INBOX")
            )
            if target.id != box.id and (spam or box.special_use is SpecialUse.JUNK):
                self._store.move(*here, target.id)
        except (NoSuchMailbox, StopIteration) as error:
            log.info("report.not_moved", account=box.account, reason=type(error).__name__)

    # ---------------------------------------------------------------- thanks

    def _thank(self, mail: ReportMail, count: int, now: float, along: AlongWith) -> bool:
        account = self._directory.by_key(mail.account)
        if account is None:
            return False
        number = self._store.open_account(mail.account)
        try:
            self._store.deliver(
                [Filing(number)],
                MemoryContent(self._thanks(account.addresses[0], count, mail.kind, now)),
                None,
                now,
                along,
            )
        except OverQuota:
            return False
        return True

    def _thanks(self, address: str, count: int, kind: Kind, now: float) -> bytes:
        site = self._settings.site
        french = site.language == "fr"
        return plain(
            sender=f"MAILER-DAEMON@{site.hostname}",
            sender_name="Service de messagerie" if french else "Mail service",
            recipient=address,
            subject="Merci de votre signalement" if french else "Thank you for your report",
            text=_french(count, kind) if french else _english(count, kind),
            date=now,
            message_id=f"{secrets.token_hex(16)}@{site.hostname}",
            auto_submitted="auto-replied",
        )


def _french(count: int, kind: Kind) -> str:
    what = "Votre message a bien été reçu." if count == 1 else f"Vos {count} messages ont bien été reçus."
    if kind is Kind.HAM:
        return f"Bonjour,\n\n{what} Le filtre en tient compte.\n\nMerci.\n"
    return (
        f"Bonjour,\n\n{what} Le filtre en tient compte, et l'équipe qui veille sur la messagerie est prévenue.\n\n"
        "Si vous avez saisi un mot de passe après avoir suivi un lien, changez-le dès maintenant et prévenez\n"
        "votre assistance.\n\nMerci.\n"
    )


def _english(count: int, kind: Kind) -> str:
    what = "Your message has arrived." if count == 1 else f"Your {count} messages have arrived."
    if kind is Kind.HAM:
        return f"Hello,\n\n{what} The filter learns from it.\n\nThank you.\n"
    return (
        f"Hello,\n\n{what} The filter learns from it, and the team that watches over the mail is told.\n\n"
        "If you typed a password after following a link, change it now and tell your support.\n\nThank you.\n"
    )

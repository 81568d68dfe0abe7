"""Tells the hotline by mail what people reported: once an hour at most, a count and a line of JSON for each report."""

from __future__ import annotations

import json
import secrets

import structlog
from sqlalchemy import Connection, func, select, update

from config.settings import Settings
from delivery.filing import Filer, Letter, route
from delivery.outcome import Fate
from delivery.reports.tables import report
from directory.api import Recipients
from message.compose import plain
from message.content import MemoryContent
from message.envelope import ClientInfo, Envelope, Notify, Recipient
from storage.database import Database

log = structlog.get_logger()

#: Seconds between two mails, and reports that one names.
INTERVAL, MOST = 3600.0, 500

_r = report.c


class Hotline:
    """Silent without ``spam.hotline``."""

    def __init__(self, database: Database, filer: Filer, recipients: Recipients, settings: Settings) -> None:
        self._database = database
        self._filer = filer
        self._recipients = recipients
        self._settings = settings

    def catch_up(self, now: float) -> int:
        """Tell what was not told yet; returns how many reports. Raises Unavailable, DirectoryUnavailable."""
        address = self._settings.spam.hotline
        if not address:
            return 0
        columns = _r.id, _r.account, _r.digest, _r.kind, _r.via, _r.at, _r.author, _r.subject
        with self._database.read() as connection:
            last = connection.scalar(select(func.max(_r.told_at)))
            if last is not None and last > now - INTERVAL:
                return 0
            rows = connection.execute(select(*columns).where(_r.told_at.is_(None)).order_by(_r.id).limit(MOST)).all()
        if not rows:
            return 0
        lines = [
            {
                "at": round(row.at),
                "account": row.account,
                "kind": row.kind,
                "via": row.via,
                "sha256": bytes(row.digest).hex(),
                "from": row.author,
                "subject": row.subject,
            }
            for row in rows
        ]
        numbers = [row.id for row in rows]

        def told(connection: Connection) -> None:
            connection.execute(update(report).where(_r.id.in_(numbers)).values(told_at=now))

        recipient = Recipient(address, notify=frozenset({Notify.NEVER}))
        content = MemoryContent(self._mail(address, lines, now))
        envelope = Envelope(secrets.token_hex(8), "", (recipient,), ClientInfo(""), now)
        where = route(self._recipients, recipient, self._settings.site.language, relay=True)
        letter = Letter(envelope, (where,), content, content, reports=False)
        (outcome,) = self._filer.keep(letter, lambda _: told)
        if outcome.fate is not Fate.KEPT:
            log.warning("hotline.not_told", address=address, reason=outcome.reason.value)
            return 0
        return len(rows)

    def _mail(self, address: str, lines: list[dict[str, object]], now: float) -> bytes:
        site = self._settings.site
        phishing = sum(line["kind"] == "phishing" for line in lines)
        people = len({line["account"] for line in lines})
        if site.language == "fr":
            name, subject = "Service de messagerie", f"Signalements : {len(lines)} messages, {people} personnes"
            text = f"Dangereux ou indésirables : {phishing}. Pris à tort pour tels : {len(lines) - phishing}.\n\n"
        else:
            name, subject = "Mail service", f"Reports: {len(lines)} messages, {people} people"
            text = f"Dangerous or unwanted: {phishing}. Wrongly taken for such: {len(lines) - phishing}.\n\n"
        return plain(
            sender=f"MAILER-DAEMON@{site.hostname}",
            sender_name=name,
            recipient=address,
            subject=subject,
            text=text + "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n",
            date=now,
            message_id=f"{secrets.token_hex(16)}@{site.hostname}",
        )

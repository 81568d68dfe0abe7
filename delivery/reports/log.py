"""The log of reports: the one place where a report is written, whatever way it came."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

import structlog
from sqlalchemy import Connection, delete, insert, select

from delivery.reports.tables import report, report_mail
from message.content import Buffer
from message.headers import parse_headers
from message.words import decode_words

log = structlog.get_logger()

_r, _p = report.c, report_mail.c


class Kind(Enum):
    """PHISHING: not wanted, and dangerous. HAM: wanted, taken for spam."""

    PHISHING = "phishing"
    HAM = "ham"


@dataclass(frozen=True, slots=True)
class Report:
    """What ``account`` (a key) said of a message at ``at``, and how; ``digest`` is the SHA-256 of its octets."""

    account: str
    digest: bytes
    kind: Kind
    via: str
    at: float
    author: str
    subject: str


def report_of(octets: Buffer, account: str, kind: Kind, via: str, at: float) -> Report:
    """The report of a message."""
    headers = parse_headers(octets)
    author, subject = (decode_words(headers.first(name) or b"")[:300] for name in (b"From", b"Subject"))
    return Report(account, hashlib.sha256(octets).digest(), kind, via, at, author, subject)


def note_report(connection: Connection, one: Report) -> bool:
    """Write a report down; False when the same person has said the same before. A change of mind replaces it."""
    where = _r.account == one.account, _r.digest == one.digest
    known = connection.scalar(select(_r.kind).where(*where))
    if known == one.kind.value:
        return False
    connection.execute(delete(report).where(*where))
    row = {"account": one.account, "digest": one.digest, "kind": one.kind.value, "via": one.via, "at": one.at}
    connection.execute(insert(report).values(**row, author=one.author, subject=one.subject))
    log.info("report.noted", account=one.account, digest=one.digest.hex(), kind=one.kind.value, via=one.via)
    return True


def reports_since(connection: Connection, moment: float) -> list[Report]:
    """All reports from ``moment`` on, the oldest first."""
    query = select(_r.account, _r.digest, _r.kind, _r.via, _r.at, _r.author, _r.subject).where(_r.at >= moment)
    rows = connection.execute(query.order_by(_r.at, _r.id)).all()
    return [Report(row.account, bytes(row.digest), Kind(row.kind), *row[3:]) for row in rows]


@dataclass(frozen=True, slots=True)
class ReportMail:
    """A mail to a report ``address`` that waits to be unpacked."""

    envelope: str
    account: str
    address: str
    kind: Kind


def expect(connection: Connection, one: ReportMail, at: float) -> None:
    """Remember in the transaction that files a mail that it is a report."""
    row = {"envelope": one.envelope, "account": one.account, "address": one.address, "kind": one.kind.value}
    connection.execute(insert(report_mail).values(**row, at=at))


def expected(connection: Connection) -> list[ReportMail]:
    """What waits, the oldest first."""
    query = select(_p.envelope, _p.account, _p.address, _p.kind).order_by(_p.at).limit(100)
    return [ReportMail(row.envelope, row.account, row.address, Kind(row.kind)) for row in connection.execute(query)]


def dealt_with(connection: Connection, one: ReportMail) -> None:
    """It waits no more."""
    connection.execute(delete(report_mail).where(_p.envelope == one.envelope))

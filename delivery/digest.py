"""The daily mail about what was held back: one for each person and day, and only when something is new.

What came before the last digest hour and was not told of is due: so nothing is told twice after a restart, and an hour
that the server slept through is caught up. What was told is remembered in the transaction that delivers the mail.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from html import escape

import structlog

from config.settings import Settings
from delivery.defused import defused
from delivery.links import Deed, Link, Links
from delivery.quarantine import Quarantine, Waiting, strongest_reason
from directory.api import Directory
from message.compose import alternative
from message.content import MemoryContent
from storage.api import MailStore
from storage.errors import OverQuota
from storage.held import HeldMail, tell
from storage.model import Filing

log = structlog.get_logger()

#: Messages that one digest names; of the others it says how many there are.
MOST = 100

#: How long links hold when held mail is kept without end, in seconds.
_LONG = 90 * 86400.0

_DAYS = {"fr": ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim.")}

_TEXTS = {
    "fr": {
        "from": "Service de messagerie",
        "subject": "{count} messages suspects retenus",
        "subject_one": "Un message suspect retenu",
        "intro": "Ces messages vous étaient destinés. Ils ont paru dangereux ou indésirables : ils attendent à part.",
        "none": "Si vous n'en attendez aucun, vous n'avez rien à faire.",
        "kept": "Chacun est supprimé {days} jours après son arrivée.",
        "author": "De",
        "title": "Objet",
        "date": "Reçu",
        "reason": "Pourquoi",
        "unknown": "jugé indésirable",
        "no_author": "(expéditeur inconnu)",
        "no_subject": "(sans objet)",
        "release": "Recevoir ce message",
        "allow": "Toujours accepter cet expéditeur",
        "more": "Et {count} autres. Votre assistance peut vous les montrer.",
        "ask": "Pour recevoir un de ces messages, adressez-vous à votre assistance.",
        "safe": "Ce message ne vous demande jamais de mot de passe.",
    },
    "en": {
        "from": "Mail service",
        "subject": "{count} suspicious messages held back",
        "subject_one": "One suspicious message held back",
        "intro": "These messages were meant for you. They looked dangerous or unwanted: they wait for you elsewhere.",
        "none": "If you expect none of them, there is nothing to do.",
        "kept": "Each is deleted {days} days after it came.",
        "author": "From",
        "title": "Subject",
        "date": "Came",
        "reason": "Why",
        "unknown": "looked unwanted",
        "no_author": "(unknown author)",
        "no_subject": "(no subject)",
        "release": "Receive this message",
        "allow": "Always accept this sender",
        "more": "And {count} more. Your support can show them to you.",
        "ask": "To receive one of these messages, ask your support.",
        "safe": "This message never asks for a password.",
    },
}


class Digests:
    """Sends the digests when asked. ``links`` is None where no web server answers them."""

    def __init__(
        self,
        held: HeldMail,
        quarantine: Quarantine,
        store: MailStore,
        directory: Directory,
        links: Links | None,
        settings: Settings,
    ) -> None:
        self._held = held
        self._quarantine = quarantine
        self._store = store
        self._directory = directory
        self._links = links
        self._settings = settings

    def catch_up(self, now: float, *, at_once: bool = False) -> int:
        """Tell everybody who is to be told by ``now`` (seconds since the epoch); returns how many were.

        ``at_once`` does not wait for the digest hour. Raises Unavailable, DirectoryUnavailable.
        """
        due = now + 1 if at_once else last_hour(now, self._settings.spam.digest_hour)
        untold = self._held.untold(due)
        people = self._directory.by_keys([key for key, _ in untold.values()])
        count = 0
        for number, (key, after) in untold.items():
            if key in people and people[key].enabled:
                count += self._tell(number, key, people[key].addresses[0], after, due, now)
        return count

    def _tell(self, number: int, key: str, address: str, after: int, due: float, now: float) -> bool:
        new = [one for one in self._quarantine.waiting(number, after) if one.held.held_at < due]
        if not new:
            return False
        last = new[-1].held
        remember = partial(tell, account=number, uidvalidity=last.uidvalidity, uid=last.uid)
        try:
            # Told and remembered in one transaction: never twice, never not at all.
            self._store.deliver(
                [Filing(number)], MemoryContent(self._mail(new, key, address, now)), None, now, remember
            )
        except OverQuota:
            log.info("digest.no_room_to_tell", account=key)
            return False
        log.info("digest.sent", account=key, messages=len(new))
        return True

    # ---------------------------------------------------------------- the mail

    def _mail(self, new: Sequence[Waiting], account: str, address: str, now: float) -> bytes:
        site = self._settings.site
        words = _TEXTS[site.language]
        items = [self._item(one, account, words) for one in new[:MOST]]
        tail = [words["kept"].format(days=round(self._keep / 86400))] if self._settings.store.keep_held else []
        if len(new) > MOST:
            tail.insert(0, words["more"].format(count=len(new) - MOST))
        if self._links is None:
            tail.insert(0, words["ask"])
        tail.append(words["safe"])
        subject = words["subject_one"] if len(new) == 1 else words["subject"].format(count=len(new))
        return alternative(
            sender=f"MAILER-DAEMON@{site.hostname}",
            sender_name=words["from"],
            recipient=address,
            subject=subject,
            text=_plain(items, tail, words),
            html=_html(items, tail, words, subject, site.language),
            date=now,
            message_id=f"{secrets.token_hex(16)}@{site.hostname}",
        )

    @property
    def _keep(self) -> float:
        return self._settings.store.keep_held or _LONG

    def _item(self, one: Waiting, account: str, words: dict[str, str]) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """What is told of a message as (label, value), all values defused, and its links by their words."""
        language = self._settings.site.language
        reason = strongest_reason(one.verdict)
        why = words["unknown"]
        if reason is not None:
            why = (reason.french if language == "fr" else reason.english) or why
            why += f" ({defused(reason.detail, 60)})" if reason.detail else ""
        facts = [
            (words["author"], defused(one.held.author) or words["no_author"]),
            (words["title"], defused(one.held.subject) or words["no_subject"]),
            (words["date"], _when(one.held.held_at, language)),
            (words["reason"], why),
        ]
        return facts, self._urls(one, account, words)

    def _urls(self, one: Waiting, account: str, words: dict[str, str]) -> dict[str, str]:
        if self._links is None:
            return {}
        held = one.held
        which = account, held.uidvalidity, held.uid
        expires = int(held.held_at + self._keep)
        urls = {words["release"]: self._links.url(Link(Deed.RELEASE, *which, "", expires))}
        if one.address:
            urls[words["allow"]] = self._links.url(Link(Deed.ALLOW, *which, one.address, expires))
        return urls


def last_hour(now: float, hour: int) -> float:
    """The last moment, not after ``now``, at which it was ``hour`` o'clock here; seconds since the epoch."""
    local = datetime.fromtimestamp(now)  # noqa: DTZ006 - the wall clock of the place is meant
    at = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    return (at if at.timestamp() <= now else at - timedelta(days=1)).timestamp()


def _when(moment: float, language: str) -> str:
    """A day and time for people, by the place's clock."""
    local = datetime.fromtimestamp(moment)  # noqa: DTZ006 - the same
    if language == "fr":
        return f"{_DAYS['fr'][local.weekday()]} {local:%d/%m/%Y} à {local:%H h %M}"
    return f"{local:%a %Y-%m-%d %H:%M}"


Item = tuple[list[tuple[str, str]], dict[str, str]]


def _plain(items: Sequence[Item], tail: Sequence[str], words: dict[str, str]) -> str:
    colon = " :" if words is _TEXTS["fr"] else ":"
    lines = [words["intro"], words["none"], ""]
    for facts, urls in items:
        lines += [f"{label}{colon} {value}" for label, value in facts]
        lines += [f"{label}{colon}\n  {url}" for label, url in urls.items()]
        lines.append("")
    return "\n".join([*lines, *tail]) + "\n"


def _html(items: Sequence[Item], tail: Sequence[str], words: dict[str, str], title: str, language: str) -> str:
    """The same as a document; every value is escaped, and styles are inline, for mail programs drop others."""
    rows = []
    for facts, urls in items:
        told = "".join(
            f'<tr><td style="color:#555;padding:1px 12px 1px 0;vertical-align:top">{escape(label)}</td>'
            f'<td style="padding:1px 0;word-break:break-word">{escape(value)}</td></tr>'
            for label, value in facts
        )
        doors = " &nbsp; ".join(
            f'<a href="{escape(url)}" style="color:#000091">{escape(label)}</a>' for label, url in urls.items()
        )
        rows.append(f'<table style="border-top:1px solid #ccc;margin:12px 0 0">{told}</table><p>{doors}</p>')
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">'
        f"<title>{escape(title)}</title></head>\n"
        '<body style="font-family:sans-serif;font-size:15px;color:#161616">\n'
        f"<p>{escape(words['intro'])} {escape(words['none'])}</p>\n"
        + "\n".join(rows)
        + "".join(f'\n<p style="color:#555">{escape(line)}</p>' for line in tail)
        + "\n</body></html>\n"
    )

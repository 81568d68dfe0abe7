"""Tells people by mail that their mailbox, or what they share, is nearly full: once at each level, and again later."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from operator import attrgetter

from config.settings import Settings
from directory.api import Directory
from directory.model import Account, Role
from message.compose import plain
from message.content import MemoryContent
from storage.api import MailStore
from storage.database import Database
from storage.errors import OverQuota
from storage.index import quotas
from storage.index.quotas import Fullness
from storage.model import Filing


class QuotaNotices:
    """Looks at all accounts and shared quotas when asked."""

    def __init__(self, database: Database, store: MailStore, directory: Directory, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._directory = directory
        self._settings = settings

    def catch_up(self, now: float) -> int:
        """Tell those who are to be told; returns of how many quotas. Raises Unavailable."""
        limits = self._settings.store
        with self._database.read() as connection:
            changed = quotas.changed(connection, limits.quota_bytes, limits.quota_messages)
        return sum(self._tell(one, now) for one in changed)

    def _tell(self, one: Fullness, now: float) -> bool:
        remember = partial(quotas.tell, one=one)
        people = self._answerable(one) if one.level > one.told else []
        content = MemoryContent(self._notice(one, people, now))
        numbers = {one.owners[account.key] for account in people}
        # Those without room are told as soon as there is some for it.
        filings = [Filing(number) for number in sorted(numbers) if self._store.has_room(number, content.size)]
        if numbers and not filings:
            return False
        if filings:
            try:
                # Told and remembered in one transaction: never twice, never not at all.
                self._store.deliver(filings, content, None, now, remember)
            except OverQuota:
                return False
            return True
        with self._database.write() as connection:
            remember(connection)
        return False

    def _answerable(self, one: Fullness) -> list[Account]:
        """The owner; of what a group shares its heads of school, and all its members where it has none."""
        owners = sorted(self._directory.by_keys(one.owners).values(), key=attrgetter("key"))
        return [account for account in owners if account.role is Role.HEAD] or owners

    def _notice(self, one: Fullness, people: Sequence[Account], now: float) -> bytes:
        site = self._settings.site
        french = site.language == "fr"
        subject, text = _french(one) if french else _english(one)
        return plain(
            sender=f"MAILER-DAEMON@{site.hostname}",
            sender_name="Service de messagerie" if french else "Mail delivery system",
            recipient=people[0].addresses[0] if len(people) == 1 else "",
            subject=subject,
            text=text,
            date=now,
            message_id=f"{secrets.token_hex(16)}@{site.hostname}",
        )


def _french(one: Fullness) -> tuple[str, str]:
    """Subject and text."""
    if one.group is None:
        subject = f"Votre boîte aux lettres est pleine à {one.percent} %"
        when_full = (
            "Quand elle sera pleine, les messages qui vous sont envoyés seront refusés et leurs auteurs en seront"
        )
        when_full += " avertis."
    else:
        subject = f"L'espace de messagerie du groupe {one.group} est plein à {one.percent} %"
        when_full = "Quand il sera plein, les messages envoyés à ses membres seront refusés et leurs auteurs en seront"
        when_full += " avertis."
    lines = [f"{subject}.", ""]
    if one.limit_bytes:
        lines.append(f"Place occupée : {_mebibytes(one.used_bytes, ',')} Mo sur {_mebibytes(one.limit_bytes, ',')} Mo.")
    if one.limit_messages:
        lines.append(f"Messages : {one.used_messages} sur {one.limit_messages}.")
    lines += [
        "",
        when_full,
        "",
        "Pour libérer de la place : videz la corbeille et le dossier des indésirables, puis supprimez les messages",
        "à grosses pièces jointes que vous n'avez plus besoin de garder. Pensez au dossier des messages envoyés.",
        "",
        "Ce message ne vous demande ni mot de passe ni de cliquer sur un lien.",
    ]
    return subject, "\n".join(lines) + "\n"


def _english(one: Fullness) -> tuple[str, str]:
    if one.group is None:
        subject = f"Your mailbox is {one.percent}% full"
        when_full = "When it is full, mail that is sent to you will be refused, and its authors will be told."
    else:
        subject = f"The mail space of the group {one.group} is {one.percent}% full"
        when_full = "When it is full, mail that is sent to its members will be refused, and its authors will be told."
    lines = [f"{subject}.", ""]
    if one.limit_bytes:
        lines.append(f"Used: {_mebibytes(one.used_bytes, '.')} MB of {_mebibytes(one.limit_bytes, '.')} MB.")
    if one.limit_messages:
        lines.append(f"Messages: {one.used_messages} of {one.limit_messages}.")
    lines += [
        "",
        when_full,
        "",
        "To make room, empty Trash and Junk, then delete messages with large attachments that you no longer need.",
        "Don't forget the mail that you sent.",
        "",
        "This message asks for no password and no click on a link.",
    ]
    return subject, "\n".join(lines) + "\n"


def _mebibytes(octets: int, point: str) -> str:
    return f"{octets / 2**20:.1f}".replace(".", point)

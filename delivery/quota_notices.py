"""Tells people by mail that their mailbox is nearly full: once at each level, and again after they made room."""

from __future__ import annotations

import secrets
from functools import partial

import structlog

from config.settings import Settings
from directory.api import Directory
from message.compose import plain
from message.content import MemoryContent
from storage.api import MailStore
from storage.database import Database
from storage.errors import OverQuota
from storage.index import quotas
from storage.index.quotas import Fullness
from storage.model import Filing

log = structlog.get_logger()


class QuotaNotices:
    """Looks at all accounts when asked."""

    def __init__(self, database: Database, store: MailStore, directory: Directory, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._directory = directory
        self._settings = settings

    def catch_up(self, now: float) -> int:
        """Tell those who are to be told; returns how many were. Raises Unavailable."""
        limits = self._settings.store
        with self._database.read() as connection:
            changed = quotas.changed(connection, limits.quota_bytes, limits.quota_messages)
        people = self._directory.by_keys([one.key for one in changed])
        count = 0
        for one in changed:
            remember = partial(quotas.tell, account=one.account, level=one.level)
            if one.level > one.told and one.key in people:
                content = MemoryContent(self._notice(one, people[one.key].addresses[0], now))
                try:
                    # Told and remembered in one transaction: never twice, never not at all.
                    self._store.deliver([Filing(one.account)], content, None, now, remember)
                    count += 1
                    continue
                except OverQuota:
                    log.info("quota.no_room_to_tell", account=one.key)
            with self._database.write() as connection:
                remember(connection)
        return count

    def _notice(self, one: Fullness, address: str, now: float) -> bytes:
        site = self._settings.site
        french = site.language == "fr"
        return plain(
            sender=f"MAILER-DAEMON@{site.hostname}",
            sender_name="Service de messagerie" if french else "Mail delivery system",
            recipient=address,
            subject=(
                f"Votre boîte aux lettres est pleine à {one.percent} %"
                if french
                else f"Your mailbox is {one.percent}% full"
            ),
            text=_french(one) if french else _english(one),
            date=now,
            message_id=f"{secrets.token_hex(16)}@{site.hostname}",
        )


def _french(one: Fullness) -> str:
    lines = [f"Votre boîte aux lettres est pleine à {one.percent} %.", ""]
    if one.limit_bytes:
        lines.append(f"Place occupée : {_mebibytes(one.used_bytes, ',')} Mo sur {_mebibytes(one.limit_bytes, ',')} Mo.")
    if one.limit_messages:
        lines.append(f"Messages : {one.used_messages} sur {one.limit_messages}.")
    lines += [
        "",
        "Quand elle sera pleine, les messages qui vous sont envoyés seront refusés et leurs auteurs en seront avertis.",
        "",
        "Pour libérer de la place : videz la corbeille et le dossier des indésirables, puis supprimez les messages",
        "à grosses pièces jointes que vous n'avez plus besoin de garder. Pensez au dossier des messages envoyés.",
        "",
        "Ce message ne vous demande ni mot de passe ni de cliquer sur un lien.",
    ]
    return "\n".join(lines) + "\n"


def _english(one: Fullness) -> str:
    lines = [f"Your mailbox is {one.percent}% full.", ""]
    if one.limit_bytes:
        lines.append(f"Used: {_mebibytes(one.used_bytes, '.')} MB of {_mebibytes(one.limit_bytes, '.')} MB.")
    if one.limit_messages:
        lines.append(f"Messages: {one.used_messages} of {one.limit_messages}.")
    lines += [
        "",
        "When it is full, mail that is sent to you will be refused, and its authors will be told.",
        "",
        "To make room, empty Trash and Junk, then delete messages with large attachments that you no longer need.",
        "Don't forget the mail that you sent.",
        "",
        "This message asks for no password and no click on a link.",
    ]
    return "\n".join(lines) + "\n"


def _mebibytes(octets: int, point: str) -> str:
    return f"{octets / 2**20:.1f}".replace(".", point)

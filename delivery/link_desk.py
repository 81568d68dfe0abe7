"""What is done for people who follow a link of their digest: look first, act when they say so, once however often."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import structlog

from delivery.links import BadLink, Deed, Link, Links
from delivery.quarantine import Quarantine, Waiting
from directory.api import Directory
from storage.api import MailStore
from storage.errors import Damaged, NoSuchMessage, OverQuota
from storage.held import Outcome

log = structlog.get_logger()


class State(Enum):
    """How things stand with a link.

    WAITING: its message is held. DONE: it is in the inbox. GONE: it was deleted. EXPIRED: the link is too old.
    FORGED: it is none of ours, or of nobody who is here. FULL: the mailbox has no room for it.
    """

    WAITING = "waiting"
    DONE = "done"
    GONE = "gone"
    EXPIRED = "expired"
    FORGED = "forged"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Standing:
    """The state, with the link (None for FORGED) and the message (only of one WAITING)."""

    state: State
    link: Link | None = None
    message: Waiting | None = None


class LinkDesk:
    """Blocks; safe from any thread. Every method raises Unavailable and DirectoryUnavailable."""

    def __init__(self, links: Links, quarantine: Quarantine, directory: Directory, store: MailStore) -> None:
        self._links = links
        self._quarantine = quarantine
        self._directory = directory
        self._store = store

    def look(self, token: str, now: float) -> Standing:
        """How things stand; changes nothing, for programs follow links too."""
        try:
            link = self._links.read(token)
        except BadLink as error:
            log.info("link.forged", reason=str(error))
            return Standing(State.FORGED)
        if now > link.expires:
            return Standing(State.EXPIRED, link)
        account = self._directory.by_key(link.account)
        if account is None or not account.enabled:
            log.info("link.no_account", account=link.account)
            return Standing(State.FORGED)
        number = self._store.open_account(link.account)
        outcome = self._quarantine.outcome(number, link.uidvalidity, link.uid)
        if outcome is not None:
            return Standing(State.DONE if outcome is Outcome.RELEASED else State.GONE, link)
        try:
            return Standing(State.WAITING, link, self._quarantine.one(number, link.uid))
        except (NoSuchMessage, Damaged):
            return Standing(State.GONE, link)

    def act(self, token: str, now: float) -> Standing:
        """Do what the link is for; an author is allowed even when the message has left the quarantine meanwhile."""
        found = self.look(token, now)
        if found.link is None or found.state is State.EXPIRED:
            return found
        if found.link.deed is Deed.ALLOW:
            self._quarantine.allow(found.link.account, found.link.author)
        if found.state is not State.WAITING:
            return found
        number = self._store.open_account(found.link.account)
        try:
            self._quarantine.release(found.link.account, number, found.link.uid)
        except NoSuchMessage:
            # Somebody was faster: most likely the same person, with a second click.
            return self.look(token, now)
        except OverQuota:
            return Standing(State.FULL, found.link)
        return Standing(State.DONE, found.link)

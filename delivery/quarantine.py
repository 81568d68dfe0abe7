"""The quarantine as people deal with it: what waits, why it was held, let it in, always allow its sender."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from message.address import parse_addresses
from message.content import Buffer
from message.headers import parse_headers
from spamfilter import record
from spamfilter.people import NoSender, sender_form, wish
from spamfilter.scores import Scores
from spamfilter.stored import stored_id
from spamfilter.verdict import Hit, Verdict
from storage.database import Database
from storage.errors import NoSuchMessage
from storage.held import Held, HeldMail, Outcome

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A held message with the address that its author shows (``""`` without one) and the verdict on it, if known."""

    held: Held
    address: str
    verdict: Verdict | None


class Quarantine:
    """``account`` is a key, ``number`` the store's number of the same account. Every method may raise Unavailable."""

    def __init__(self, database: Database, held: HeldMail, hostname: str, scores: Callable[[], Scores]) -> None:
        """``scores`` has the words of the rules."""
        self._database = database
        self._held = held
        self._hostname = hostname
        self._scores = scores

    def waiting(self, number: int, after: int = 0) -> Iterator[Waiting]:
        """What waits for an account with a UID above ``after``, the oldest first."""
        for one in self._held.messages(number, after):
            try:
                yield self._read(number, one)
            except NoSuchMessage:
                # Released meanwhile.
                continue

    def one(self, number: int, uid: int) -> Waiting:
        """One message. Raises NoSuchMessage, Damaged."""
        for found in self._held.messages(number, uid - 1)[:1]:
            if found.uid == uid:
                return self._read(number, found)
        raise NoSuchMessage(f"no message {uid} is held back: it was released, deleted or too old, or never there")

    def release(self, account: str, number: int, uid: int) -> None:
        """Let a message into the inbox, and learn that it was wanted. Raises NoSuchMessage, OverQuota."""
        self._held.release(number, uid)
        log.info("quarantine.released", account=account, uid=uid)

    def allow(self, account: str, author: str) -> str:
        """Always want an author's mail from now on; returns the address as it is kept. Raises NoSender."""
        form = sender_form(author)
        wish(self._database, account, form, True)
        log.info("quarantine.allowed", account=account, sender=form)
        return form

    def outcome(self, number: int, uidvalidity: int, uid: int) -> Outcome | None:
        """What became of a message; None while it waits."""
        return self._held.outcome(number, uidvalidity, uid)

    def delete(self, account: str, number: int, uid: int) -> None:
        """Take a message away. Raises NoSuchMessage."""
        self._held.delete(number, uid)
        log.info("quarantine.deleted", account=account, uid=uid)

    def _read(self, number: int, held: Held) -> Waiting:
        with self._octets(number, held.uid) as octets:
            authors = parse_addresses(parse_headers(octets).first(b"From") or b"", 5)
            address = next((one.spec for one in authors if _usable(one.spec)), "")
            envelope = stored_id(octets, self._hostname)
        verdict = record.find(self._database, envelope, self._scores()) if envelope else None
        return Waiting(held, address, verdict)

    @contextmanager
    def _octets(self, number: int, uid: int) -> Iterator[Buffer]:
        content = self._held.content(number, uid)
        try:
            yield content.buffer()
        finally:
            content.close()


def strongest_reason(verdict: Verdict | None) -> Hit | None:
    """What a person should read first of all: that somebody is impersonated, else what weighed most."""
    if verdict is None:
        return None
    guards = [hit for hit in verdict.hits if hit.symbol in verdict.guarded]
    weighty = sorted((hit for hit in verdict.hits if hit.weight > 0), key=lambda hit: -hit.weight)
    return next(iter([*guards, *weighty]), None)


def _usable(address: str) -> bool:
    try:
        return bool(sender_form(address))
    except NoSender:
        return False

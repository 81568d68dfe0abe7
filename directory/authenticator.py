"""The one door through which people sign in, whatever the protocol.

The order is: lockout, cache of good passwords, verification, record. Who has no account, is locked or is switched off
costs the same work as a wrong password, so that neither answer nor time tells them apart.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from config.settings import Auth
from directory import names
from directory.api import Directory
from directory.attempts import Attempts, Standing, subject_of_nobody
from directory.errors import DirectoryUnavailable
from directory.lockout import network_of
from directory.model import Account, Credentials, Outcome, Proof, SignIn

log = structlog.get_logger()

#: Passwords remembered as keyed hashes by one process.
_REMEMBERED = 10_000


class Authenticator:
    """Implements ``api.SignInDoor``. Safe from any thread."""

    def __init__(
        self, directory: Directory, attempts: Attempts, settings: Auth, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._directory = directory
        self._attempts = attempts
        self._password_length = settings.password_length
        self._remembered = _GoodPasswords(settings.cache_time)
        self._clock = clock

    def check(self, credentials: Credentials, *, service: str, address: str) -> SignIn:
        """See ``api.SignInDoor``."""
        password = names.password_form(credentials.password, self._password_length)
        if password is None:
            # Nobody's password, visible to all: no work is spent and nothing counted.
            log.info("auth.refused", reason="impossible password", service=service, address=address)
            return SignIn(Outcome.MISMATCH)
        try:
            account = self._directory.find(credentials.login)
            subject = subject_of_nobody(credentials.login) if account is None else account.key
            origin = _Origin(subject, network_of(address), service)
            outcome, reason = self._judge(account, origin, password, credentials.authorize_as)
        except DirectoryUnavailable as error:
            log.warning("auth.unavailable", error=str(error), service=service, address=address)
            return SignIn(Outcome.UNAVAILABLE)
        event = "auth.signed_in" if outcome is Outcome.OK else "auth.refused"
        log.info(event, subject=subject, reason=reason, service=service, address=address)
        return SignIn(outcome, account if outcome is Outcome.OK else None)

    def still_valid(self, account: Account) -> bool:
        """See ``api.SignInDoor``. True while the directory can't be asked: a session outlives that."""
        try:
            current = self._directory.by_key(account.key)
            if current is None or not current.enabled or current.epoch != account.epoch:
                return False
            return not self._attempts.locked_by_support(account.key)
        except DirectoryUnavailable as error:
            log.warning("auth.unavailable", error=str(error))
            return True

    def _judge(self, account: Account | None, origin: _Origin, password: str, authorize_as: str) -> tuple[Outcome, str]:
        """The outcome, and a word on it for the log."""
        standing = self._attempts.standing(origin.subject, origin.network, self._clock())
        if standing.braked:
            # For a network that has gone through hundreds of passwords, not even the work of checking is done.
            return Outcome.MISMATCH, "too many failures of this network"
        if account is None or not account.enabled or standing.lock is not None:
            self._directory.verify(None, password)
            self._failed(origin)
            if account is None:
                return Outcome.UNKNOWN, "no such login"
            return (Outcome.LOCKED, "locked") if standing.lock is not None else (Outcome.DISABLED, "switched off")
        return self._prove(account, origin, standing, password, authorize_as)

    def _prove(
        self, account: Account, origin: _Origin, standing: Standing, password: str, authorize_as: str
    ) -> tuple[Outcome, str]:
        remembered = self._remembered.has(account, password)
        if not remembered:
            # Only a network that the owner came from can have a device with the former password.
            proof = self._directory.verify(account, password, former=standing.known)
            if proof is Proof.FORMER:
                return Outcome.MISMATCH, "former password"
            if proof is Proof.WRONG:
                self._failed(origin)
                return Outcome.MISMATCH, "wrong password"
        if not self._may_act_as(account, authorize_as):
            # The password was right: nothing is counted (RFC 4616 section 2, authorization refused).
            return Outcome.FORBIDDEN, "may not act for another"
        if remembered and standing.settled:
            return Outcome.OK, "remembered"
        if self._attempts.succeeded(origin.subject, origin.network, self._clock()) is not None:
            return Outcome.LOCKED, "locked meanwhile"
        if not remembered:
            self._remembered.add(account, password)
        return Outcome.OK, "verified"

    def _failed(self, origin: _Origin) -> None:
        self._attempts.failed(origin.subject, origin.network, origin.service, self._clock())

    def _may_act_as(self, account: Account, authorize_as: str) -> bool:
        if not authorize_as:
            return True
        other = self._directory.find(authorize_as)
        return other is not None and other.key == account.key


@dataclass(frozen=True, slots=True)
class _Origin:
    """Under what an attempt is filed."""

    subject: str
    network: str
    service: str


class _GoodPasswords:
    """Passwords that were right a short time ago, as hashes under a key that this process alone has.

    The account's epoch is part of what is hashed: after a new password or a switch-off an entry fits nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._key = secrets.token_bytes(32)
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, account: Account, password: str) -> bool:
        """True when that password was verified for that account lately."""
        return self._until.get(self._digest(account, password), 0.0) > time.monotonic()

    def add(self, account: Account, password: str) -> None:
        """Remembers a verified password; the oldest gives way."""
        if self._seconds <= 0:
            return
        digest = self._digest(account, password)
        with self._lock:
            self._until.pop(digest, None)
            self._until[digest] = time.monotonic() + self._seconds
            if len(self._until) > _REMEMBERED:
                self._until.popitem(last=False)

    def _digest(self, account: Account, password: str) -> bytes:
        text = f"{account.key}\0{account.epoch}\0{password}"
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=32).digest()

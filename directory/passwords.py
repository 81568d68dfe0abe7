"""Password hashes: argon2id for all that is new, older kinds accepted until their owner signs in next.

The only module that imports passlib. It must be the distribution ``libpass``: passlib 1.7.4 unpacks into the same
folder and refuses every bcrypt hash of a current bcrypt.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from passlib.context import CryptContext
from passlib.hash import argon2
from passlib.registry import register_crypt_handler
from passlib.utils.handlers import PrefixWrapper

from config.settings import Auth
from directory.errors import UnusableHash

#: bcrypt hashes the first 72 octets; the library of today raises where those before it cut.
BCRYPT_OCTETS = 72

#: Seconds that a sign-in waits for its turn to hash before it is told to come later.
TURN = 10.0

# Work above these would keep a thread for seconds: pairs of a pattern with the cost in it, and the highest cost.
_COSTS = (
    (re.compile(r"(?:\{CRYPT\})?\$2[abxy]\$(\d+)\$"), 15),
    (re.compile(r"(?:\{CRYPT\})?\$6\$rounds=(\d+)\$"), 1_000_000),
    (re.compile(r"(?:\$pbkdf2-sha256\$|\{PBKDF2-SHA256\})(\d+)\$"), 5_000_000),
    (re.compile(r"(?:\{ARGON2\})?\$argon2\w+\$v=\d+\$m=(\d+),"), 1 << 20),
    (re.compile(r"(?:\{ARGON2\})?\$argon2\w+\$v=\d+\$m=\d+,t=(\d+),"), 100),
)

_LEGACY = (
    "bcrypt",
    "ldap_bcrypt",
    "pbkdf2_sha256",
    "ldap_pbkdf2_sha256",
    "ldap_salted_sha512",
    "ldap_salted_sha1",
    "sha512_crypt",
    "ldap_sha512_crypt",
)

# slapd's form of argon2, which the library lacks.
_LDAP_ARGON2 = PrefixWrapper("ldap_argon2", argon2, prefix="{ARGON2}", ident="{ARGON2}$argon2")
register_crypt_handler(_LDAP_ARGON2, force=True)


class TooBusy(Exception):
    """No turn to hash came up in time; the same call may succeed later."""


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether the password was right and, then, the hash that should replace the stored one (None: keep it)."""

    right: bool
    renewed: str | None = None


class Passwords:
    """Hashes and checks passwords, ``auth.hash_threads`` at a time. Safe from any thread; all calls block.

    Passwords are given in the form of ``names.password_form``. Every check costs at least one argon2id of today's
    cost, whether there is such an account or not and whatever kind its hash is of.
    """

    def __init__(self, settings: Auth) -> None:
        self._context = CryptContext(
            schemes=["argon2", "ldap_argon2", *_LEGACY],
            default="argon2",
            deprecated="auto",
            argon2__type="ID",
            argon2__memory_cost=settings.argon2_memory // 1024,
            argon2__rounds=settings.argon2_rounds,
            argon2__parallelism=1,
        )
        self._turns = threading.BoundedSemaphore(settings.hash_threads)
        # Pure Python that holds the interpreter for half a second: never two at a time.
        self._sha512_crypt = threading.Lock()
        self._decoy = self._context.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        """A new argon2id hash. Raises TooBusy."""
        with self._turn():
            return self._context.hash(password)

    def verify(self, password: str, stored: str | None) -> Verified:
        """Compares with a stored hash; None (no such account, or no password) takes the same work. Raises TooBusy."""
        scheme = self._scheme(stored) if stored is not None else None
        with self._turn():
            if stored is None or scheme is None:
                self._matches(password, self._decoy)
                return Verified(False)
            if scheme == "argon2":
                right = self._matches(password, stored)
            else:
                right = self._matches_legacy(password, stored, scheme)
                if not right:
                    self._matches(password, self._decoy)
            if not right or not self._context.needs_update(stored) or _beyond(password, scheme):
                return Verified(right)
            return Verified(True, self._context.hash(password))

    def accept(self, stored: str) -> str:
        """The hash from another system, if it can be used here. Raises UnusableHash."""
        if self._scheme(stored) is None:
            raise UnusableHash("not a hash of an accepted kind: argon2, bcrypt, PBKDF2-SHA256, SSHA512, SSHA, $6$")
        for pattern, most in _COSTS:
            cost = pattern.match(stored)
            if cost and (len(cost[1]) > 9 or int(cost[1]) > most):
                raise UnusableHash(f"checking this hash would take too long: cost {cost[1][:20]}, at most {most}")
        return stored

    def _scheme(self, stored: str) -> str | None:
        return self._context.identify(stored)

    def _matches_legacy(self, password: str, stored: str, scheme: str) -> bool:
        if scheme.endswith("sha512_crypt"):
            with self._sha512_crypt:
                return self._matches(password, stored)
        if _beyond(password, scheme):
            return self._matches(password.encode()[:BCRYPT_OCTETS], stored)
        return self._matches(password, stored)

    def _matches(self, password: str | bytes, stored: str) -> bool:
        try:
            return self._context.verify(password, stored)
        except ValueError:
            # A damaged hash fits no password; the library's own comparison takes constant time.
            return False

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=TURN):
            raise TooBusy("too many sign-ins at a time")
        try:
            yield
        finally:
            self._turns.release()


def _beyond(password: str, scheme: str) -> bool:
    """True where bcrypt sees only the beginning: then the rest is unproven, and must not go into a new hash."""
    return scheme.endswith("bcrypt") and len(password.encode()) > BCRYPT_OCTETS

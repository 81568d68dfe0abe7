"""Accounts, credentials and the outcomes of asking for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum


class Role(StrEnum):
    """What a person is in the académie; more may be added as the directory brings them."""

    TEACHER = "teacher"
    STAFF = "staff"
    HEAD = "head"
    INSPECTOR = "inspector"
    STUDENT = "student"
    OPS = "ops"
    SUPPORT = "support"
    #: Nobody's own: the mailbox of a function, which people reach by rights given to them.
    SHARED = "shared"


class Outcome(Enum):
    """Result of a sign-in. Outsiders are told OK, UNAVAILABLE, FORBIDDEN or one same refusal for all others.

    FORBIDDEN: the password was right, but it gives no right to the identity that was asked for (RFC 4616 section 2).
    """

    OK = "ok"
    UNKNOWN = "unknown"
    MISMATCH = "mismatch"
    DISABLED = "disabled"
    LOCKED = "locked"
    UNAVAILABLE = "unavailable"
    FORBIDDEN = "forbidden"


class Proof(Enum):
    """What a password proves about an account. FORMER: it was the right one before the last change."""

    RIGHT = "right"
    WRONG = "wrong"
    FORMER = "former"


@dataclass(frozen=True, slots=True)
class Account:
    """A person or function with a mailbox.

    ``key`` is the stable name under which the store keeps the mail; it never changes and is never reused.
    ``login`` is what is typed at sign-in; any address of the account is accepted too. The first of ``addresses`` is the
    primary one. ``school`` is the UAI code. ``quota_bytes`` None means the site default. ``epoch`` changes with each
    event after which signed-in sessions must end.
    """

    key: str
    login: str
    name: str
    role: Role
    school: str | None
    addresses: tuple[str, ...]
    enabled: bool = True
    quota_bytes: int | None = None
    epoch: int = field(default=0, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client presented; the password never shows in a repr or log."""

    login: str
    password: str = field(repr=False)
    authorize_as: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Answer of the one door: the outcome and, when OK, the account."""

    outcome: Outcome
    account: Account | None = None

"""The contracts of the directory room. All calls block and are safe from any thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from directory.errors import DirectoryUnavailable
from directory.model import Account, Credentials, Proof, SignIn

__all__ = ["Directory", "DirectoryUnavailable", "People", "Recipients", "SignInDoor", "Targets"]


@dataclass(frozen=True, slots=True)
class Targets:
    """Where a recipient address of ours leads: accounts here, and addresses elsewhere (alias to the outside)."""

    accounts: tuple[Account, ...] = ()
    elsewhere: tuple[str, ...] = ()


class Recipients(Protocol):
    """Addresses to targets."""

    def is_local_domain(self, domain: str) -> bool:
        """True for domains whose mailboxes are here; compared whole, without case, A-labels and U-labels alike."""
        ...

    def resolve(self, address: str) -> Targets | None:
        """Targets of an address in a local domain, aliases and groups expanded, ``+detail`` removed where needed.

        None when nobody has that address. ``postmaster`` (with or without domain) always leads somewhere.
        Raises DirectoryUnavailable.
        """
        ...

    def remembers(self, address: str) -> bool:
        """True when memory alone says that ``resolve`` would find targets; never blocks. False says nothing."""
        ...

    def may_send_as(self, account: Account, address: str) -> bool:
        """True when ``address`` is one of the account's own (aliases to it alone and ``+detail`` included)."""
        ...


class People(Protocol):
    """Who is who, for those that share something. Every call raises DirectoryUnavailable."""

    def find(self, login: str) -> Account | None:
        """The account with that login or address, disabled ones too; None for nobody, malformed logins included."""
        ...

    def by_keys(self, keys: Iterable[str]) -> dict[str, Account]:
        """The accounts as they are now, by key; deleted ones are left out."""
        ...

    def group(self, name: str) -> str | None:
        """The group's name in the form in which names are compared; None when there is no such group."""
        ...

    def groups_of(self, key: str) -> tuple[str, ...]:
        """The groups that the account with that key is in, in the same form."""
        ...


class Directory(Recipients, People, Protocol):
    """All that is asked of a source of accounts. Every call raises DirectoryUnavailable."""

    def by_key(self, key: str) -> Account | None:
        """The account as it is now, or None when it was deleted."""
        ...

    def verify(self, account: Account | None, password: str, *, former: bool = False) -> Proof:
        """Whether the password, in the form of ``names.password_form``, is the account's. None takes the same work.

        FORMER is answered only when ``former`` asks for it, at the price of more work.
        """
        ...


class SignInDoor(Protocol):
    """The one door of SMTP, IMAP and all later listeners (implemented by ``directory.authenticator``)."""

    def check(self, credentials: Credentials, *, service: str, address: str) -> SignIn:
        """Lockout, verification, record; takes the same work for unknown people as for known ones.

        ``service`` is ``smtp`` or ``imap``; ``address`` the client's IP. Never raises for a wrong input; a directory
        that is away gives ``Outcome.UNAVAILABLE``. The caller delays refusals by ``auth.failure_delay`` without
        holding a thread.
        """
        ...

    def still_valid(self, account: Account) -> bool:
        """False once the account was locked by support, disabled, deleted or given a new password since its sign-in."""
        ...

"""Names of mailboxes as a session sees them: its own, other people's, shared ones (RFC 2342, RFC 4314).

``INBOX`` and all other names without a prefix are of the session's own account. ``user/LOGIN/NAME`` is a mailbox of
somebody else, ``shared/LOGIN/NAME`` one of an account of role shared. A mailbox to which a session has no right, one
that does not exist and one of an account that does not exist are the same: NoSuchMailbox.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from directory.api import People
from directory.model import Account, Role
from imap.errors import Refused
from imap.session.rights import ALL, ANYONE, SHOWS, Rights, effective
from storage.api import MailStore
from storage.errors import NoSuchMailbox
from storage.model import DELIMITER, Grant, Mailbox

#: Prefixes of the namespaces of other people and of shared accounts.
OTHERS = "user" + DELIMITER
SHARED = "shared" + DELIMITER

_USER = "user:"

#: Seconds that the groups of an account are remembered.
GROUPS_AGE = 60.0


@dataclass(frozen=True, slots=True)
class Owner:
    """An account that has mailboxes: the store's number of it, and what their names begin with in this session."""

    account: Account
    number: int
    prefix: str = ""

    @property
    def identifier(self) -> str:
        """The owner in access control lists."""
        return identifier_of(self.account)


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox, the name under which the session sees it, and what the session may do there."""

    owner: Owner
    mailbox: Mailbox
    rights: Rights

    @property
    def name(self) -> str:
        """The mailbox's name in this session; within its account it is ``mailbox.name``."""
        return self.owner.prefix + self.mailbox.name

    @property
    def account(self) -> int:
        """The store's number of the account that has the mailbox."""
        return self.mailbox.account

    @property
    def id(self) -> int:
        """The store's number of the mailbox within its account."""
        return self.mailbox.id

    def need(self, needed: Rights) -> Place:
        """The place itself when it gives these rights; else Refused, or NoSuchMailbox where it must not be known."""
        if needed in self.rights:
            return self
        if Rights.LOOKUP in self.rights:
            raise no_right()
        raise NoSuchMailbox("no such mailbox here")


@dataclass(frozen=True, slots=True)
class NewPlace:
    """A name that need not exist yet: whose mailbox it would be, and what it is called there."""

    owner: Owner
    inner: str

    @property
    def account(self) -> int:
        """The store's number of the account."""
        return self.owner.number


def no_right() -> Refused:
    """NO [NOPERM] (RFC 5530 section 3), where the mailbox may be known of."""
    return Refused("Droit insuffisant / You have no right to do that", b"NOPERM")


class Names:
    """What the names mean for one signed-in account."""

    def __init__(self, store: MailStore, people: People, account: Account, number: int) -> None:
        self._store = store
        self._people = people
        self.own = Owner(account, number)
        self._identifiers: frozenset[str] = frozenset()
        self._asked = float("-inf")

    @property
    def identifiers(self) -> frozenset[str]:
        """Under which identifiers of access control lists the account goes, asked again every ``GROUPS_AGE``."""
        if time.monotonic() - self._asked > GROUPS_AGE:
            groups = self._people.groups_of(self.own.account.key)
            self._identifiers = frozenset({ANYONE, self.own.identifier, *map(identifier_of_group, groups)})
            self._asked = time.monotonic()
        return self._identifiers

    # ---------------------------------------------------------------- one name

    def find(self, name: str) -> Place:
        """The mailbox of that name and the rights to it. Raises NoSuchMailbox; the rights may be none."""
        if not name.startswith((OTHERS, SHARED)):
            return self.place(self.own, self._store.mailbox(self.own.number, name))
        try:
            # Made before there were namespaces: it stays in reach.
            return self.place(self.own, self._store.mailbox(self.own.number, name))
        except NoSuchMailbox:
            owner, inner = self._split(name)
            return self.place(owner, self._store.mailbox(owner.number, inner))

    def at_hand(self, name: str) -> Place | None:
        """The same where it is known without waiting for the store, else None: free of I/O."""
        box = None if name.startswith((OTHERS, SHARED)) else self._store.mailbox_at_hand(self.own.number, name)
        rights = None if box is None else self.known_rights(box)
        return None if box is None or rights is None else Place(self.own, box, rights)

    def place(self, owner: Owner, mailbox: Mailbox) -> Place:
        """A mailbox with its name here and the rights to it."""
        return Place(owner, mailbox, self.rights(mailbox))

    def future(self, name: str) -> NewPlace:
        """Where a mailbox of that name would be made: Refused without the right to (RFC 4314 section 4, CREATE)."""
        if not name.startswith((OTHERS, SHARED)):
            owner, inner = self.own, name
        else:
            try:
                owner, inner = self._split(name)
            except NoSuchMailbox:
                raise no_right() from None
        if Rights.CREATE not in self._above(owner, inner):
            raise no_right()
        return NewPlace(owner, inner)

    def _above(self, owner: Owner, inner: str) -> Rights:
        """Rights to the next mailbox above a name; above all of them is the owner alone."""
        parent = inner.rpartition(DELIMITER)[0]
        while parent:
            try:
                return self.rights(self._store.mailbox(owner.number, parent))
            except NoSuchMailbox:
                parent = parent.rpartition(DELIMITER)[0]
        return ALL if owner.number == self.own.number else Rights.NONE

    def somebody(self, name: str) -> Owner:
        """The account whose mailboxes' names begin like this, shared or not. Raises NoSuchMailbox."""
        return self._split(name.rstrip(DELIMITER) + DELIMITER + "INBOX")[0]

    def _split(self, name: str) -> tuple[Owner, str]:
        """Owner and inner name of a name with a prefix. Raises NoSuchMailbox."""
        prefix, login, inner = (*name.split(DELIMITER, 2), "", "")[:3]
        account = self._people.find(login) if login and inner else None
        if account is None or prefix + DELIMITER != _namespace(account):
            raise NoSuchMailbox(f"no mailbox named {name}")
        number = self._store.sharing.account_number(account.key)
        if number is None:
            raise NoSuchMailbox(f"no mailbox named {name}")
        if number == self.own.number:
            return self.own, inner
        return Owner(account, number, _prefix(account)), inner

    # ---------------------------------------------------------------- all names

    def visible(self) -> list[Place]:
        """All mailboxes that the session may know of, its own first."""
        boxes = self._store.mailboxes(self.own.number)
        acls = self._store.sharing.acls(self.own.number) if any(box.has_acl for box in boxes) else {}
        own = [Place(self.own, box, self._of(box, acls[box.id]) if box.id in acls else ALL) for box in boxes]
        return own + [place for _, places in self.others() for place in places]

    def others(self) -> Iterator[tuple[Owner, list[Place]]]:
        """Accounts that share something with this one, each with the mailboxes that may be known of."""
        for owner in self.sharers():
            acls = self._store.sharing.acls(owner.number)
            places = [
                Place(owner, box, self._of(box, acls[box.id]))
                for box in self._store.mailboxes(owner.number)
                if box.id in acls
            ]
            visible = [place for place in places if Rights.LOOKUP in place.rights]
            if visible:
                yield owner, visible

    def sharers(self) -> Iterator[Owner]:
        """Accounts with an access control list that has an entry for this one."""
        numbers = self._store.sharing.accounts_that_share(self.identifiers)
        numbers.pop(self.own.number, None)
        people = self._people.by_keys(numbers.values())
        for number, key in numbers.items():
            account = people.get(key)
            if account is not None and not any(mark in account.login for mark in DELIMITER + "*%"):
                yield Owner(account, number, _prefix(account))

    # ---------------------------------------------------------------- rights

    def known_rights(self, mailbox: Mailbox) -> Rights | None:
        """The rights to a mailbox of any account where its access control list need not be read, else None."""
        if mailbox.has_acl:
            return None
        return ALL if mailbox.account == self.own.number else Rights.NONE

    def rights(self, mailbox: Mailbox) -> Rights:
        """The rights to a mailbox of any account."""
        known = self.known_rights(mailbox)
        if known is not None:
            return known
        return self._of(mailbox, self._store.sharing.acl(mailbox.account, mailbox.id))

    def seen(
        self, owner: Owner, mailbox: Mailbox, grants: tuple[Grant, ...], identifiers: frozenset[str]
    ) -> Place | None:
        """A mailbox by its access control list, for somebody with these identifiers; None if it may not be known of."""
        rights = ALL if not grants and owner.number == self.own.number else self._of(mailbox, grants, identifiers)
        return Place(owner, mailbox, rights) if Rights.LOOKUP in rights else None

    def _of(self, mailbox: Mailbox, grants: tuple[Grant, ...], identifiers: frozenset[str] | None = None) -> Rights:
        owner = self.own.identifier if mailbox.account == self.own.number else None
        rights = effective(grants, self.identifiers if identifiers is None else identifiers, owner=owner)
        # Rights of which none shows the mailbox are as good as none (RFC 4314 section 6).
        return rights if rights & SHOWS else Rights.NONE


def identifier_of(account: Account) -> str:
    """An account in access control lists."""
    return _USER + account.key


def key_of(identifier: str) -> str | None:
    """The key of the account that an identifier stands for; None for all others."""
    return identifier.removeprefix(_USER) if identifier.startswith(_USER) else None


def identifier_of_group(name: str) -> str:
    """A group in access control lists; ``name`` is in the form in which names are compared."""
    return f"group:{name}"


def _namespace(account: Account) -> str:
    return SHARED if account.role is Role.SHARED else OTHERS


def _prefix(account: Account) -> str:
    return _namespace(account) + account.login + DELIMITER

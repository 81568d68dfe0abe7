"""What there is in an account, as one look saw it, for all sessions of a process that watch the account.

The store's bell says which mailbox changed. Of many sessions that heard it one looks, and only at that mailbox; all of
them compare what was seen with what they last told their clients. So a watching session that has nothing to tell costs
no more than its place in a set.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from storage.api import MailStore
from storage.errors import NoSuchMailbox
from storage.model import SERVER, Grant, Mailbox

#: Seconds after which an account is looked at as a whole though no bell rang.
LOOK_AGAIN = 60.0


@dataclass(frozen=True, slots=True)
class Picture:
    """An account's mailboxes by number, their access control lists, its subscribed names.

    ``noted`` is the mod-sequence of the last annotation, ``whole`` how often all of it was looked at and not just some
    mailboxes: as long as that is the same, names and rights are.
    """

    boxes: Mapping[int, Mailbox]
    acls: Mapping[int, tuple[Grant, ...]]
    subscribed: frozenset[str]
    noted: int
    whole: int = 0


#: Of an account that shows nothing.
NOTHING = Picture({}, {}, frozenset(), 0)


class WatchedAccount:
    """One account that sessions of this process watch. Safe from any thread."""

    def __init__(self, store: MailStore, account: int) -> None:
        self._store = store
        self._account = account
        self._bells = threading.Lock()
        self._looking = threading.Lock()
        self._listeners: set[Callable[[], None]] = set()
        #: Mailboxes that the bell rang for since the last look; 0 is the account as a whole.
        self._rung: set[int] = {0}
        self._picture = NOTHING
        self._looked_at_all = 0.0
        self.end = store.watch(account, self._bell)

    def _bell(self, mailbox: int) -> None:
        with self._bells:
            self._rung.add(mailbox)
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener``, from any thread, when something may have changed."""
        with self._bells:
            self._listeners.add(listener)

    def leave(self, listener: Callable[[], None]) -> bool:
        """Call it no more; returns true when nobody listens."""
        with self._bells:
            self._listeners.discard(listener)
            return not self._listeners

    def look(self) -> Picture:
        """The account as it is now, as far as bells tell."""
        with self._looking:
            if time.monotonic() - self._looked_at_all > LOOK_AGAIN:
                with self._bells:
                    self._rung.add(0)
            with self._bells:
                rung, self._rung = self._rung, set()
            try:
                if rung:
                    # What a bell told before it was taken off is in the database by now.
                    self._picture = self._looked(rung)
            except BaseException:
                with self._bells:
                    self._rung |= rung
                raise
            return self._picture

    def _looked(self, rung: Iterable[int]) -> Picture:
        account = self._account
        if 0 not in rung:
            boxes, acls = dict(self._picture.boxes), dict(self._picture.acls)
            for mailbox in rung:
                # The rights are as new as the counts: the bell of a change of rights may have been lost.
                try:
                    box = boxes[mailbox] = self._store.numbered(account, mailbox)
                    acls[mailbox] = self._store.sharing.acl(account, mailbox) if box.has_acl else ()
                except NoSuchMailbox:
                    boxes.pop(mailbox, None)
            return replace(self._picture, boxes=boxes, acls=acls)
        self._looked_at_all = time.monotonic()
        whole = self._picture.whole + 1
        noted = self._store.annotations.highest(account)
        if account == SERVER:
            return replace(NOTHING, noted=noted, whole=whole)
        found = self._store.mailboxes(account)
        acls = self._store.sharing.acls(account) if any(box.has_acl for box in found) else {}
        subscribed = frozenset(self._store.subscriptions(account))
        return Picture({box.id: box for box in found}, acls, subscribed, noted, whole)


class Pictures:
    """The accounts that sessions of this process watch. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[int, WatchedAccount] = {}

    def listen(self, store: MailStore, account: int, listener: Callable[[], None]) -> WatchedAccount:
        """Watch an account until ``leave`` is called with the same listener."""
        with self._lock:
            watched = self._watched.get(account)
            if watched is None:
                watched = self._watched[account] = WatchedAccount(store, account)
            watched.listen(listener)
            return watched

    def leave(self, account: int, listener: Callable[[], None]) -> None:
        """Watch an account no more."""
        with self._lock:
            watched = self._watched.get(account)
            if watched is not None and watched.leave(listener):
                del self._watched[account]
                watched.end()

"""The mailboxes that a session observes without having selected them: none until the client asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imap.session.observer import Observer
from imap.session.places import Place
from imap.wire.responses import Response


class Others:
    """An observer that may be missing. What the session does itself is said here, so that it is not told of that."""

    def __init__(self) -> None:
        self._observer: Observer | None = None

    def observe(self, observer: Observer | None) -> None:
        """From now on what this observer tells, or nothing."""
        if self._observer is not None:
            self._observer.close()
        self._observer = observer

    def wait(self, on: bool) -> None:
        """Be woken when there may be news, or not any more."""
        if self._observer is not None:
            self._observer.waiting = on

    @property
    def may_have_news(self) -> bool:
        """False when nothing is known that might have to be told; free of I/O."""
        return self._observer is not None and self._observer.may_have_news

    def news(self, selected: tuple[int, int] | None, *, condstore: bool) -> Iterator[Response]:
        """What happened, with ``selected`` as the account and number of the selected mailbox. Raises Overflow."""
        if self._observer is not None:
            yield from self._observer.news(selected, condstore=condstore)

    def did(self, *names: str) -> None:
        """This session made, removed, renamed or subscribed mailboxes."""
        if self._observer is not None:
            self._observer.did(*names)

    def noted(self, account: int, modseq: int) -> None:
        """This session changed annotations."""
        if self._observer is not None:
            self._observer.noted(account, modseq)

    def made(self, place: Place, uids: Iterable[int]) -> None:
        """This session put messages into a mailbox."""
        if self._observer is not None:
            self._observer.made(place.account, place.id, uids)

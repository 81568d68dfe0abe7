"""The pages behind the links of the digest: GET shows and asks, POST does it.

Mail scanners and programs that fetch ahead follow links with GET, so GET changes nothing (RFC 9110 section 9.2.1).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol, TypeVar

from aiohttp import web

from delivery.link_desk import Standing, State
from delivery.links import Deed
from delivery.quarantine import Waiting, strongest_reason
from web.pages import Pages

T = TypeVar("T")


class Desk(Protocol):
    """What is asked of delivery. Blocks."""

    def look(self, token: str, now: float) -> Standing: ...

    def act(self, token: str, now: float) -> Standing: ...


class Work(Protocol):
    """Runs a blocking call in a thread of the process's bounded pool."""

    def __call__(self, function: Callable[..., T], *arguments: object) -> Awaitable[T]: ...


class LinkPages:
    """Handlers of ``/q/{token}``."""

    def __init__(self, desk: Desk, pages: Pages, work: Work, clock: Callable[[], float] = time.time) -> None:
        self._desk = desk
        self._pages = pages
        self._work = work
        self._clock = clock

    async def show(self, request: web.Request) -> web.Response:
        """What the link would do, and a button."""
        found = await self._work(self._desk.look, request.match_info["token"], self._clock())
        words = self._pages.words
        # A sender can still be allowed when the message itself is in the inbox, or gone.
        open_still = (
            found.link is not None and found.link.deed is Deed.ALLOW and found.state in (State.DONE, State.GONE)
        )
        if found.link is not None and (found.state is State.WAITING or open_still):
            deed = found.link.deed.value
            facts = self._facts(found.message) if found.message else [(words["author"], found.link.author)]
            return self._pages.page(200, words[deed], words[f"{deed}_question"], facts=facts, button=words[deed])
        return self._answer(found)

    async def act(self, request: web.Request) -> web.Response:
        """Do it."""
        return self._answer(await self._work(self._desk.act, request.match_info["token"], self._clock()))

    def _answer(self, found: Standing) -> web.Response:
        words = self._pages.words
        deed = found.link.deed.value if found.link is not None else ""
        if found.state is State.DONE:
            return self._pages.page(200, words["done"], words[f"done_{deed}"])
        if found.state is State.GONE:
            return self._pages.page(410, words["gone"], words[f"gone_{deed}"])
        status = {State.EXPIRED: 410, State.FORGED: 403, State.FULL: 409}[found.state]
        return self._pages.told(status, found.state.value)

    def _facts(self, one: Waiting) -> list[tuple[str, str]]:
        words, french = self._pages.words, self._pages.language == "fr"
        reason = strongest_reason(one.verdict)
        why = words["unknown"]
        if reason is not None:
            why = (reason.french if french else reason.english) or why
        came = datetime.fromtimestamp(one.held.held_at)  # noqa: DTZ006 - the wall clock of the place is meant
        return [
            (words["author"], one.held.author[:200] or words["no_author"]),
            (words["subject"], one.held.subject[:200] or words["no_subject"]),
            (words["date"], f"{came:%d/%m/%Y %H:%M}" if french else f"{came:%Y-%m-%d %H:%M}"),
            (words["reason"], why),
        ]

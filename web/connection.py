"""One connection: within the limits, with an end, and with our own words for requests that are none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from aiohttp import web

from config.settings import Web
from web.limits import Origins, Places
from web.pages import HEADERS, Pages

log = structlog.get_logger()

#: Octets of the request line and of each header field, number of fields, seconds that a quiet connection is kept.
LINE, FIELD, FIELDS, QUIET = 8 * 1024, 8 * 1024, 100, 15.0


class Connection(web.RequestHandler):
    """aiohttp's protocol, with what it has no limit for: how many there are, and how long one lasts.

    A request that comes an octet a second is cut with its connection.
    """

    def __init__(self, server: web.Server, places: Places, settings: Web, pages: Pages) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=QUIET,
            max_line_size=LINE,
            max_field_size=FIELD,
            max_headers=FIELDS,
            auto_decompress=False,
        )
        self._places = places
        self._longest = settings.connection_time
        self._pages = pages
        self._address = ""
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        if not self._places.take(self._address):
            log.info("web.connection_refused", client=self._address)
            transport.close()
            return
        self._end = asyncio.get_running_loop().call_later(self._longest, self.force_close)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._end is None:
            return
        self._end.cancel()
        self._places.give_back(self._address)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP, or beyond its limits; what fails in a handler is dealt with in ``web.app``."""
        log.info("web.bad_request", client=self._address, error=str(exc)[:200])
        response = self._pages.told(400 if status < 500 else 503, "bad" if status < 500 else "away")
        response.headers.update(HEADERS)
        response.force_close()
        return response


def connections(server: web.Server, settings: Web, pages: Pages) -> Callable[[], Connection]:
    """Makes the protocol of each new connection."""
    places = Places(settings.connections, settings.connections_per_address, Origins(settings.exempt))
    return lambda: Connection(server, places, settings, pages)

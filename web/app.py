"""The application: a fixed table of resources, and what holds for every request."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from config.settings import Settings
from directory.api import DirectoryUnavailable
from storage.errors import StoreError
from web.limits import Brake, Origins
from web.links import Desk, LinkPages, Work
from web.pages import HEADERS, Pages

log = structlog.get_logger()

#: Largest body of a request, in octets.
BODY = 64 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(settings: Settings, desk: Desk, healthy: Callable[[], None], work: Work) -> web.Application:
    """``healthy`` blocks, and raises when this process can't do its work."""
    pages = Pages(settings.site.language)
    app = web.Application(middlewares=[_Gate(settings, pages)], client_max_size=BODY)
    app.on_response_prepare.append(_finish)
    links = LinkPages(desk, pages, work)
    app.router.add_get("/q/{token}", links.show)
    app.router.add_post("/q/{token}", links.act)

    async def health(request: web.Request) -> web.Response:
        await work(healthy)
        return web.json_response({"status": "ok"})

    app.router.add_get("/health", health)
    return app


async def _finish(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


class _Gate:
    """Around every handler: the host that was asked for, how often, how long, and pages for what goes wrong."""

    # aiohttp's mark of a middleware that takes (request, handler).
    __middleware_version__ = 1

    def __init__(self, settings: Settings, pages: Pages) -> None:
        self._pages = pages
        self._brake = Brake(settings.web.requests_per_minute, Origins(settings.web.exempt))
        self._longest = settings.web.request_time
        self._hosts = {settings.site.hostname.lower()}
        if settings.web.url:
            self._hosts.add((urlsplit(settings.web.url).hostname or "").lower())

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await self._checked(request, handler)
        except web.HTTPException as error:
            return self._error(error)
        except (StoreError, DirectoryUnavailable, TimeoutError) as error:
            log.warning("web.unavailable", path=request.path[:20], error=str(error))
            return self._pages.told(503, "away", {"Retry-After": "120"})
        except Exception:
            number = secrets.token_hex(4)
            log.exception("web.failed", id=number, path=request.path[:20])
            return self._pages.told(503, "away", {"Retry-After": "120", "X-Error-Id": number})

    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        # Programs that look after this server ask by whatever name they have.
        if request.path != "/health" and _host(request) not in self._hosts:
            return self._pages.told(421, "missing")
        if not self._brake.allows(request.remote or "", time.monotonic()):
            return self._pages.told(429, "busy", {"Retry-After": "60"})
        async with asyncio.timeout(self._longest):
            return await handler(request)

    def _error(self, error: web.HTTPException) -> web.Response:
        if error.status == 405:
            return self._pages.told(405, "method", {"Allow": error.headers.get("Allow", "")})
        return self._pages.told(error.status, "missing" if error.status == 404 else "bad")


def _host(request: web.Request) -> str:
    """The name in the Host field, without a port; names only: an address literal is none of ours."""
    return request.host.partition(":")[0].rstrip(".").lower()

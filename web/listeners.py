"""Sockets, TLS, and the life of the web listener: start, reload of the certificate, graceful stop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog
from aiohttp import web

from config.settings import Settings, Tls
from web.app import application
from web.connection import connections
from web.links import Desk
from web.pages import Pages

log = structlog.get_logger()

BACKLOG = 1024

#: Seconds for requests under way when the server stops.
GRACE = 10.0

Sockets = Mapping[str, Sequence[socket.socket]]
"""Listening sockets by port name: ``https``."""

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Rooms(Protocol):
    """What the composition root made."""

    @property
    def link_desk(self) -> Desk: ...

    def check_health(self) -> None: ...


class Listeners:
    """The running web server of one process."""

    def __init__(self, runner: web.AppRunner, context: ssl.SSLContext, tls: Tls, pool: ThreadPoolExecutor) -> None:
        self._runner = runner
        self._context = context
        self._tls = tls
        self._pool = pool
        self._servers: list[asyncio.Server] = []

    async def open(self, factory: Callable[[], asyncio.BaseProtocol], one: socket.socket) -> None:
        """Serve a socket; it belongs to the listeners from now on."""
        one.setblocking(False)
        handshake = self._tls.handshake_timeout
        server = await asyncio.get_running_loop().create_server(
            factory, sock=one, backlog=BACKLOG, ssl=self._context, ssl_handshake_timeout=handshake
        )
        self._servers.append(server)
        log.info("web.listening", address=one.getsockname()[:2])

    def reload(self) -> bool:
        """Take the certificate anew for the next handshakes; False when it can't be used and the old one stays."""
        try:
            # Into a context of its own first: a key that does not fit must not harm the one in use.
            _context(self._tls)
            assert self._tls.certificate is not None
            self._context.load_cert_chain(self._tls.certificate, self._tls.key)
        except (OSError, ValueError) as error:
            log.error("web.certificate_refused", file=str(self._tls.certificate), error=str(error))
            return False
        log.info("web.certificate_loaded")
        return True

    async def stop(self) -> None:
        """Stop listening, let requests under way finish."""
        for server in self._servers:
            server.close()
        await self._runner.cleanup()
        self._pool.shutdown(wait=False, cancel_futures=True)
        log.info("web.stopped")


async def start(settings: Settings, rooms: Rooms, sockets: Sockets) -> Listeners:
    """Serve listening sockets. Raises OSError or ssl.SSLError without a usable certificate."""
    pool = ThreadPoolExecutor(settings.web.threads, thread_name_prefix="web")
    loop = asyncio.get_running_loop()

    def work(function: Callable[..., object], *arguments: object) -> asyncio.Future[object]:
        return loop.run_in_executor(pool, function, *arguments)

    app = application(settings, rooms.link_desk, rooms.check_health, work)  # type: ignore[arg-type]
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=GRACE)
    await runner.setup()
    assert runner.server is not None
    listeners = Listeners(runner, _context(settings.tls), settings.tls, pool)
    factory = connections(runner.server, settings.web, Pages(settings.site.language))
    for one in sockets.get("https", ()):
        await listeners.open(factory, one)
    return listeners


def _context(settings: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.minimum]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    if settings.certificate is None:
        raise FileNotFoundError("the web server needs tls.certificate and tls.key")
    context.load_cert_chain(settings.certificate, settings.key)
    return context

"""Sockets, TLS contexts, and the life of the SMTP listeners: start, reload of certificates, graceful stop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from config.settings import Settings, Tls
from directory.api import Recipients, SignInDoor
from smtp.conversation import Conversation, Listener
from smtp.ingress import Ingress
from smtp.limits import Occupancy
from smtp.server import SmtpServer
from smtp.service import InboundDelivery, OutboundDelivery, Service
from smtp.spool import sweep
from smtp.submission import Submission

log = structlog.get_logger()

BACKLOG = 1024
GRACE = 20.0
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

Sockets = Mapping[str, Sequence[socket.socket]]
"""Listening sockets by port name: ``mx``, ``submission``, ``submissions``."""


class Rooms(Protocol):
    """The rooms below, as the composition root made them."""

    @property
    def directory(self) -> Recipients: ...
    @property
    def door(self) -> SignInDoor: ...
    @property
    def inbound(self) -> InboundDelivery: ...
    @property
    def submission(self) -> OutboundDelivery: ...


class Certificates:
    """The TLS context of all listeners; ``reload`` puts a new one in its place, and running sessions keep theirs."""

    def __init__(self, settings: Tls) -> None:
        """Raises OSError or ssl.SSLError when the files can't be used."""
        self._settings = settings
        self._context = self._load()

    def current(self) -> ssl.SSLContext | None:
        """The context for the next handshake; None when no certificate is configured."""
        return self._context

    def reload(self) -> bool:
        """Read the files again. False, with the old context kept, when they can't be used."""
        try:
            self._context = self._load()
        except (OSError, ValueError) as error:
            log.error("smtp.certificate_refused", file=str(self._settings.certificate), error=str(error))
            return False
        return True

    def _load(self) -> ssl.SSLContext | None:
        if self._settings.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self._settings.minimum]
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.load_cert_chain(self._settings.certificate, self._settings.key)
        return context


class Listeners:
    """The running listeners of one process."""

    def __init__(self, certificates: Certificates, pool: ThreadPoolExecutor) -> None:
        self._certificates = certificates
        self._pool = pool
        self._listeners: list[Listener] = []
        self._servers: list[asyncio.Server] = []

    async def open(self, listener: Listener, sockets: Sequence[socket.socket]) -> None:
        """Serve ``sockets``; they belong to the listeners from now on."""
        loop = asyncio.get_running_loop()
        self._listeners.append(listener)
        for one in sockets:
            one.setblocking(False)
            server = await loop.create_server(lambda: SmtpServer(listener, loop), sock=one, backlog=BACKLOG)
            self._servers.append(server)
            log.info("smtp.listening", listener=listener.service.name, address=one.getsockname()[:2])

    def reload(self) -> bool:
        """Read the certificate again; False when the new one can't be used and the old one stays."""
        done = self._certificates.reload()
        if done:
            log.info("smtp.certificate_loaded")
        return done

    async def stop(self, grace: float = GRACE) -> None:
        """Stop listening, send idle clients away with 421, let transactions finish for ``grace`` seconds."""
        for server in self._servers:
            server.close()
        for listener in self._listeners:
            listener.stopping = True
            for session in tuple(listener.sessions):
                session.stop()
        await self._drain(grace)
        for session in self._sessions():
            session.cut()
        await self._drain(1.0)
        self._pool.shutdown(wait=False, cancel_futures=True)
        log.info("smtp.stopped", cut=len(self._sessions()))

    def _sessions(self) -> list[Conversation]:
        return [session for listener in self._listeners for session in listener.sessions]

    async def _drain(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._sessions() and loop.time() < end:
            await asyncio.sleep(0.05)


async def start(settings: Settings, rooms: Rooms, sockets: Sockets) -> Listeners:
    """Serve listening sockets. Raises OSError or ssl.SSLError when the certificate can't be had."""
    smtp = settings.smtp
    spool = settings.site.data / "spool"
    sweep(spool)
    certificates = Certificates(settings.tls)
    pool = ThreadPoolExecutor(smtp.threads, thread_name_prefix="smtp")
    occupancy = Occupancy(total=smtp.connections, per_origin=smtp.connections_per_address)
    listeners = Listeners(certificates, pool)

    def listener(service: Service, *, implicit_tls: bool = False) -> Listener:
        return Listener(
            hostname=settings.site.hostname,
            settings=smtp,
            service=service,
            tls_context=certificates.current,
            handshake_timeout=settings.tls.handshake_timeout,
            occupancy=occupancy,
            pool=pool,
            spool=spool,
            implicit_tls=implicit_tls,
        )

    if "mx" in sockets:
        ingress = Ingress(settings.site, smtp, rooms.directory, rooms.inbound)
        await listeners.open(listener(ingress), sockets["mx"])
    if "submission" in sockets or "submissions" in sockets:
        submission = Submission(settings.site, smtp, settings.auth, rooms.directory, rooms.door, rooms.submission)
        if certificates.current() is None:
            log.warning("smtp.no_certificate", effect="users can't sign in; the port for implicit TLS stays closed")
        await listeners.open(listener(submission), sockets.get("submission", ()))
        if certificates.current() is not None:
            await listeners.open(listener(submission, implicit_tls=True), sockets.get("submissions", ()))
    return listeners

"""The queue's relay over SMTP: MX hosts in order of preference, or one smarthost.

``attempt`` blocks its caller; the connections live in one event loop in a thread of its own.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import Protocol

import structlog

from config.settings import Queue, Site
from delivery.queue.model import Attempt, QueuedMessage
from mailauth.exchangers import Exchanger, LookupFailed, NoExchanger, NoSuchDomain, NullMx
from smtp.relay.client import Results, transact
from smtp.relay.connection import FarReply, HostFailed, Target, TlsFailed, TlsUse, connect

log = structlog.get_logger()

HOSTS = 5
ADDRESSES = 2
TOTAL_OF_LEASE = 0.8


class ExchangerSource(Protocol):
    """Where mail for a domain goes."""

    def of(self, domain: str) -> tuple[Exchanger, ...]:
        """In order of preference, one at least. Raises NullMx, NoExchanger, NoSuchDomain, LookupFailed. Blocks."""
        ...


class SmtpRelay:
    """Implements ``delivery.queue.relay.Relay``. ``tls`` replaces the context that checks a smarthost's certificate."""

    def __init__(
        self, settings: Queue, site: Site, exchangers: ExchangerSource, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._hostname = site.hostname
        self._exchangers = exchangers
        self._total = settings.lease * TOTAL_OF_LEASE
        self._verified = tls or ssl.create_default_context()
        self._any = _unverified()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the event loop. No attempt may be under way."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def attempt(self, item: QueuedMessage) -> tuple[Attempt, ...]:
        """One result per waiting recipient, in order. See ``delivery.queue.relay``."""
        results = Results(item)
        try:
            targets = self._targets(item.destination)
        except NullMx:
            results.set_rest(FarReply(556, "5.1.10", "the domain takes no mail (null MX)"), "")
        except NoExchanger:
            results.set_rest(FarReply(554, "5.4.6", "the domain's mail servers have no public address"), "")
        except NoSuchDomain:
            results.set_rest(FarReply(550, "5.1.2", "the domain does not exist or has no mail server"), "")
        except LookupFailed as error:
            results.set_rest(FarReply(450, "4.4.3", f"the domain can't be looked up: {error}"), "")
        else:
            octets = b"".join(item.content.blocks())
            asyncio.run_coroutine_threadsafe(self._deliver(item, octets, targets, results), self._loop).result()
        attempts = results.all()
        log.info(
            "relay.attempt",
            id=item.message_id,
            destination=item.destination,
            sent=sum(one.code < 300 for one in attempts),
            of=len(attempts),
            reply=attempts[-1].code if attempts else None,
            remote=attempts[-1].remote if attempts else None,
        )
        return attempts

    # Where to

    def _targets(self, domain: str) -> list[Target]:
        if self._settings.smarthost:
            host, port = host_and_port(self._settings.smarthost, self._settings.port)
            return [Target(host, host, port)]
        return [
            Target(exchanger.host, address, self._settings.port)
            for exchanger in self._exchangers.of(domain)[:HOSTS]
            for address in exchanger.addresses[:ADDRESSES]
        ]

    def _tls_use(self) -> TlsUse:
        return TlsUse(self._settings.smarthost_tls) if self._settings.smarthost else TlsUse.ANY

    # The attempt, in the relay's event loop

    async def _deliver(self, item: QueuedMessage, octets: bytes, targets: list[Target], results: Results) -> None:
        last, remote = FarReply(450, "4.4.1", "no server answered"), ""
        try:
            async with asyncio.timeout(self._total):
                for target in targets:
                    remote = str(target)
                    try:
                        await self._try(item, octets, target, results)
                        return
                    except HostFailed as error:
                        last = error.reply
        except TimeoutError:
            last = FarReply(451, "4.4.2", f"not finished within {self._total:.0f} s")
        except Exception as error:
            log.exception("relay.failure", id=item.message_id, remote=remote)
            last = FarReply(451, "4.3.0", f"local error ({type(error).__name__})")
        results.set_rest(last, remote)

    async def _try(self, item: QueuedMessage, octets: bytes, target: Target, results: Results) -> None:
        """One host. Where TLS is only welcome and its handshake fails, once more in clear (RFC 7435 section 3)."""
        use = self._tls_use()
        try:
            await self._transact(item, octets, target, results, use)
        except TlsFailed as error:
            if use is not TlsUse.ANY:
                raise
            log.info("relay.tls_failed", remote=str(target), error=error.reply.text)
            await self._transact(item, octets, target, results, TlsUse.NONE)

    async def _transact(
        self, item: QueuedMessage, octets: bytes, target: Target, results: Results, use: TlsUse
    ) -> None:
        settings = self._settings
        connection = await connect(
            target,
            hostname=self._hostname,
            use=use,
            context=self._verified if use is TlsUse.VERIFIED else self._any,
            connect_timeout=settings.connect_timeout,
            reply_timeout=settings.reply_timeout,
        )
        try:
            await transact(connection, item, octets, results, str(target))
        except BaseException:
            connection.abort()
            raise
        await connection.close()


def host_and_port(text: str, default: int) -> tuple[str, int]:
    """``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT``. Raises ValueError for a port that is none."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), default
    return host.strip("[]"), int(port)


def _unverified() -> ssl.SSLContext:
    """TLS with whoever answers: better than none, and all that an MX record without DANE can promise (RFC 7672)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

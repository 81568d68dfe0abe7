"""One connection to a far server: TCP, greeting, EHLO or HELO, STARTTLS. On aiosmtplib.

aiosmtplib bounds what a hostile server can send (8 KiB a line, 32 KiB a reply) and forgets what was sent in clear
before the TLS handshake (CVE-2021-38371). Each wait has its own limit here, and the caller sets one for the whole
attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from enum import Enum

import aiosmtplib

from smtp.wire.extensions import Offer, parse_offer
from smtp.wire.reply import ascii_text, parse_status

QUIT_TIME = 5.0
TEXT_LIMIT = 1000


class TlsUse(Enum):
    """NONE: in clear. ANY: where offered, whoever answers (RFC 7435). VERIFIED: required, with a valid certificate."""

    NONE = "none"
    ANY = "opportunistic"
    VERIFIED = "required"


@dataclass(frozen=True, slots=True)
class Target:
    """A server to try: ``name`` as the certificate should have it, ``address`` to connect to."""

    name: str
    address: str
    port: int

    def __str__(self) -> str:
        return self.name if self.name == self.address else f"{self.name} [{self.address}]"


@dataclass(frozen=True, slots=True)
class FarReply:
    """A far server's reply, or our own words for what happened instead of one."""

    code: int
    status: str
    text: str

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300


class HostFailed(Exception):
    """This host can't take mail now, another may."""

    def __init__(self, code: int, status: str, text: str) -> None:
        super().__init__(text)
        self.reply = FarReply(code, status, text)


class TlsFailed(HostFailed):
    """The TLS handshake failed: what was agreed is lost with the connection."""


def far_reply(code: int, text: str) -> FarReply:
    """What a server said, fit for logs and reports. Codes that RFC 5321 does not know count as a passing fault."""
    if not 200 <= code < 600 or 300 <= code < 400:
        return FarReply(451, "4.5.0", f"unexpected reply {code}: {ascii_text(text)[:TEXT_LIMIT]}")
    status, words = parse_status(code, text)
    return FarReply(code, status, ascii_text(words)[:TEXT_LIMIT])


class Connection:
    """An open session with a far server, ready for MAIL."""

    def __init__(self, client: aiosmtplib.SMTP, reply_timeout: float) -> None:
        self._client = client
        self._timeout = reply_timeout
        self.offer = Offer()
        self.tls = ""

    async def greet(self) -> None:
        """EHLO, or HELO for a server that knows no better (RFC 5321 section 3.2). Raises HostFailed."""
        try:
            response = await self._client.ehlo(timeout=self._timeout)
            self.offer = parse_offer(response.message)
        except aiosmtplib.SMTPHeloError as error:
            if not 500 <= error.code < 600:
                raise _failed(error.code, error.message) from error
            self.offer = Offer()
            try:
                await self._client.helo(timeout=self._timeout)
            except aiosmtplib.SMTPHeloError as refused:
                raise _failed(refused.code, refused.message) from refused

    async def start_tls(self, context: ssl.SSLContext, name: str, seconds: float) -> None:
        """RFC 3207. Raises TlsFailed; the connection is of no more use then."""
        try:
            await self._client.starttls(tls_context=context, server_hostname=name, timeout=seconds)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise TlsFailed(450, "4.7.5", f"TLS failed: {ascii_text(str(error))[:TEXT_LIMIT]}") from error
        tls = self._client.get_transport_info("ssl_object")
        self.tls = tls.version() if tls is not None else ""

    async def command(self, *words: bytes) -> FarReply:
        """Send a command, return its reply. Raises HostFailed when the connection is gone."""
        try:
            response = await self._client.execute_command(*words, timeout=self._timeout)
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError) as error:
            raise HostFailed(451, "4.4.2", f"connection lost: {ascii_text(str(error))[:TEXT_LIMIT]}") from error
        except aiosmtplib.SMTPResponseException as error:
            return far_reply(error.code, error.message)
        return far_reply(response.code, response.message)

    async def data(self, octets: bytes, seconds: float) -> FarReply:
        """Send the message; the reply to its end, or to DATA where that was refused. Raises HostFailed."""
        try:
            response = await self._client.data(octets, timeout=seconds)
        except aiosmtplib.SMTPDataError as error:
            # A 2xx here is not the one that we wait for: it came in the place of 354.
            code = error.code if error.code >= 400 else 0
            return far_reply(code, error.message)
        except aiosmtplib.SMTPResponseException as error:
            return far_reply(error.code, error.message)
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError) as error:
            raise HostFailed(451, "4.4.2", f"connection lost: {ascii_text(str(error))[:TEXT_LIMIT]}") from error
        return far_reply(response.code, response.message)

    def abort(self) -> None:
        """Close without a word."""
        self._client.close()

    async def close(self) -> None:
        """QUIT, if the far side still listens, and close."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError, asyncio.TimeoutError):
            if self._client.is_connected:
                await self._client.quit(timeout=QUIT_TIME)
        self._client.close()


async def connect(
    target: Target,
    *,
    hostname: str,
    use: TlsUse,
    context: ssl.SSLContext,
    connect_timeout: float,
    reply_timeout: float,
) -> Connection:
    """Reach a server and get ready for MAIL; ``hostname`` is our name in EHLO. Raises HostFailed."""
    client = aiosmtplib.SMTP(
        hostname=target.address,
        port=target.port,
        local_hostname=hostname,
        timeout=reply_timeout,
        use_tls=False,
        start_tls=False,
    )
    connection = Connection(client, reply_timeout)
    try:
        await client.connect(timeout=connect_timeout)
        await connection.greet()
        if use is not TlsUse.NONE and "STARTTLS" in connection.offer:
            await connection.start_tls(context, target.name, connect_timeout)
            await connection.greet()
        elif use is TlsUse.VERIFIED:
            raise HostFailed(450, "4.7.4", "the server does not offer TLS, which is required")
    except aiosmtplib.SMTPConnectResponseError as error:
        client.close()
        raise _failed(error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        raise HostFailed(450, "4.4.1", f"no connection: {ascii_text(str(error))[:TEXT_LIMIT]}") from error
    except BaseException:
        client.close()
        raise
    return connection


def _failed(code: int, text: str) -> HostFailed:
    """A server that does not want to talk at all: another one may, or this one later, so it is never for good."""
    return HostFailed(450, "4.3.2", f"the server answered {code} {ascii_text(text)[:TEXT_LIMIT]}")

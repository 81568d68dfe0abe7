"""What a session knows about the client at the other end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from directory.model import Account
from message.envelope import ClientInfo
from smtp.limits import Address

_ODD = re.compile(r"[^A-Za-z0-9._:\[\]-]")
HELO_LIMIT = 255


@dataclass(slots=True)
class Peer:
    """``origin`` is what limits count; ``exempt`` clients are spared those by origin, and slow-downs.

    ``cleartext`` clients may sign in without TLS. ``greeted_by_ehlo`` is False after HELO.
    """

    address: Address
    port: int
    origin: str
    exempt: bool = False
    cleartext: bool = False
    helo: str = ""
    greeted_by_ehlo: bool = False
    tls: str | None = None
    account: Account | None = None
    unknown_recipients: int = 0

    def info(self) -> ClientInfo:
        """The client as the envelope names it."""
        return ClientInfo(
            address=str(self.address),
            port=self.port,
            helo=self.helo,
            tls=self.tls,
            account=self.account.key if self.account else None,
            esmtp=self.greeted_by_ehlo,
        )


def helo_name(argument: bytes) -> str:
    """The name after EHLO, fit for logs and header fields; ``""`` when there is none or it is too long.

    People's machines have all sorts of names, and nothing depends on this one: odd characters become ``-``.
    """
    name = argument.strip().decode("utf-8", "replace")
    if len(argument) > HELO_LIMIT or " " in name:
        return ""
    return _ODD.sub("-", name)

"""The SMTP envelope: who sent a message, to whom, from where, and what was asked about reports.

RFC 5321 section 2.3.1 (envelope and content), RFC 3461 section 4 (DSN parameters).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Notify(StrEnum):
    """Values of the RCPT parameter NOTIFY (RFC 3461 section 4.1)."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward path with what the sender wants to hear about it.

    ``address`` is ``local@domain`` with the domain in lower case and A-label or U-label form as given.
    ``original`` is the decoded ORCPT value ``type;address`` or None. An empty ``notify`` means the default
    (report failures).
    """

    address: str
    original: str | None = None
    notify: frozenset[Notify] = frozenset()


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The SMTP client at the other end.

    ``address`` is the textual IP address, ``helo`` the name it gave, ``tls`` the protocol version and cipher
    (``"TLSv1.3 TLS_AES_256_GCM_SHA384"``) or None in clear, ``account`` the key of the signed-in account or None.
    """

    address: str
    port: int = 0
    helo: str = ""
    tls: str | None = None
    account: str | None = None
    esmtp: bool = True


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message's envelope from MAIL to delivery.

    ``id`` is the one id a message keeps in every log line, in Received and in the queue. ``sender`` is ``""`` for the
    null reverse path. ``received_at`` is seconds since the epoch (UTC). ``body`` is the BODY parameter.
    ``ret`` and ``envid`` are the DSN parameters of MAIL, decoded.
    """

    id: str
    sender: str
    recipients: tuple[Recipient, ...]
    client: ClientInfo
    received_at: float
    smtputf8: bool = False
    body: str = "8BITMIME"
    ret: str | None = None
    envid: str | None = None

"""The filter's input: everything it may know about one message, and nothing it could ask for."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailauth.results import AuthenticationResults
from message.content import Buffer
from message.envelope import Envelope
from message.headers import HeaderBlock
from message.parts import Part


@dataclass(frozen=True, slots=True)
class Evidence:
    """One message as the judge sees it.

    ``local_domains`` are the site's own; ``names`` the display names of the recipients in the directory.
    """

    envelope: Envelope
    buffer: Buffer
    headers: HeaderBlock
    root: Part
    authentication: AuthenticationResults | None
    local_domains: frozenset[str] = frozenset()
    names: tuple[str, ...] = field(default=())

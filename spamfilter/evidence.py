"""The filter's input: everything it may know about one message, and nothing it could ask for."""

from __future__ import annotations

from dataclasses import dataclass

from mailauth.results import AuthenticationResults
from message.content import Buffer
from message.envelope import Envelope
from message.headers import HeaderBlock
from message.parts import Part


@dataclass(frozen=True, slots=True)
class Namesake:
    """One of us who bears the name that the author shows, with all addresses, the primary one first."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One message as the judge sees it.

    ``local_domains`` are the site's own; ``names`` the display names of the recipients in the directory;
    ``namesakes`` are people of the site who bear the author's display name. ``known`` is True when all recipients have
    written to the author before, ``wanted`` and ``unwanted`` when all of them, or the site for them, said so.
    ``person`` is the account's key when the message is for one alone, else "".
    """

    envelope: Envelope
    buffer: Buffer
    headers: HeaderBlock
    root: Part
    authentication: AuthenticationResults | None
    local_domains: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    namesakes: tuple[Namesake, ...] = ()
    known: bool = False
    wanted: bool = False
    unwanted: bool = False
    person: str = ""

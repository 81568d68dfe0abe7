"""What mail is brought from: the contract that Maildirs, mbox files and IMAP servers fulfil."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from storage.model import SpecialUse

_BARE_LF = re.compile(rb"(?<!\r)\n")


class SourceError(Exception):
    """The source can't be read: the text says why and what to do."""


class SourceLost(SourceError):
    """The connection went away: the same again may succeed. ``connected`` is false when none could be made."""

    def __init__(self, text: str, *, connected: bool) -> None:
        super().__init__(text)
        self.connected = connected


class SourceRefused(SourceError):
    """The source says no: another try will not help."""


class Unreadable(SourceError):
    """One message, or one folder, can't be read; the rest can."""


def refused(path: Path, error: OSError) -> SourceRefused:
    """What to say of a file or folder on disk that can't be read: nothing of it may be left behind in silence."""
    advice = "; give read rights to the user the server runs as" if isinstance(error, PermissionError) else ""
    return SourceRefused(f"{path} can't be read: {error.strerror}{advice}")


def side_file(path: Path) -> bytes:
    """What another server keeps beside the mail; nothing when there is no such file. Raises SourceRefused."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise refused(path, error) from error


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """A folder there. ``id`` is how the source itself writes it, ``levels`` its name for people, from the top."""

    id: str
    levels: tuple[str, ...]
    use: SpecialUse | None = None
    subscribed: bool = False

    @property
    def name(self) -> str:
        """For reports."""
        return "/".join(self.levels)


class SourceMessage(NamedTuple):
    """A message there.

    ``key`` names it for good within its folder and generation. ``system`` is a ``System`` value as int. ``size`` is in
    octets with CRLF line ends, None where it isn't known before the message is read. ``date`` is seconds since the
    epoch, ``zone`` its offset from UTC in minutes.
    """

    key: str
    system: int
    keywords: tuple[str, ...]
    size: int | None
    date: int | None
    zone: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The messages of a folder in the order in which they came. In another ``generation`` all keys are new."""

    generation: int
    messages: list[SourceMessage]


class Source(Protocol):
    """One person's mail elsewhere. All calls block and raise SourceError; one thread at a time."""

    @property
    def name(self) -> str:
        """What tells this source from others; the same at each run."""
        ...

    def folders(self) -> list[SourceFolder]:
        """All folders that hold mail."""
        ...

    def listing(self, folder: SourceFolder) -> Listing:
        """Its messages. Raises Unreadable."""
        ...

    def octets(
        self, folder: SourceFolder, messages: Sequence[SourceMessage]
    ) -> Iterator[tuple[SourceMessage, bytes | Unreadable]]:
        """The octets of messages of the last ``listing``, each with CRLF line ends, in any order."""
        ...

    def grants(self, folder: SourceFolder) -> Mapping[str, str]:
        """Rights of others by the source's names of them (RFC 4314); the owner's own are left out."""
        ...

    def close(self) -> None: ...


def with_crlf(octets: bytes) -> bytes:
    """Line ends as on the wire, as an IMAP server would give out a message that its disk has with LF alone."""
    if octets.count(b"\n") == octets.count(b"\r\n"):
        return octets
    return _BARE_LF.sub(b"\r\n", octets)

"""The contract of the body store: octets by name, in folders of accounts, durable before the index knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from message.content import Content


@dataclass(frozen=True, slots=True)
class Staged:
    """Octets that are durable but belong to nobody yet. ``token`` is the body store's own."""

    token: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of an account: its key, and the folder as ``storage.names.folder`` gives it."""

    account: str
    folder: str


@dataclass(frozen=True, slots=True)
class BodyName:
    """A body in a place: unique name, size in octets, and the system flags that its name shows."""

    blob: str
    size: int
    system: int


class BlobStore(Protocol):
    """Blocking, safe from any thread; raises storage.errors.Unavailable, DiskFull, Damaged."""

    def stage(self, content: Content) -> Staged:
        """Write octets and make them durable."""
        ...

    def discard(self, staged: Staged) -> None:
        """Forget staged octets; never raises."""
        ...

    def new_name(self) -> str:
        """A name for a body that was never used and never will be."""
        ...

    def put(self, staged: Staged, place: Place, name: BodyName) -> None:
        """Give staged octets a place; they stay staged too. Durable after ``sync``."""
        ...

    def copy(self, source: Place, name: BodyName, target: Place, new: BodyName) -> None:
        """The same octets at a second place. Durable after ``sync``. Raises Damaged when they are missing."""
        ...

    def sync(self, places: Iterable[Place]) -> None:
        """Make what was put into these places durable."""
        ...

    def open(self, place: Place, name: BodyName) -> Content:
        """The octets. Raises Damaged when they are missing or their number differs."""
        ...

    def reflag(self, place: Place, old: BodyName, new: BodyName) -> None:
        """Show changed system flags in the name. Not durable: ``open`` finds a body under its older name too."""
        ...

    def remove(self, place: Place, name: BodyName) -> None:
        """Take a body away; it is no error when it is gone."""
        ...

    def rename_folder(self, account: str, old: str, new: str) -> None:
        """Rename a folder; it is no error when ``old`` is gone."""
        ...

    def remove_folder(self, account: str, folder: str) -> None:
        """Take a folder with all its bodies away."""
        ...

    def bodies(self, place: Place) -> Iterator[tuple[BodyName, float]]:
        """Bodies in a place, with the time of their last change of any kind (seconds since the epoch)."""
        ...

    def sweep_staging(self, older_than: float) -> int:
        """Forget staged octets that a crash left before ``older_than`` (seconds since the epoch); returns how many."""
        ...

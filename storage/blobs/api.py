"""The contract of the body store: octets by name, in folders of accounts, durable before the index knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class Series:
    """Unique names that differ in a number only: ``head``, a number from ``first`` on, ``tail``."""

    head: str
    first: int
    tail: str

    def name(self, place: int) -> str:
        """The name at a place, counted from 0."""
        return f"{self.head}{self.first + place}{self.tail}"


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is there: when anything of it changed last, and its message's date (seconds since the epoch)."""

    name: BodyName
    changed: float
    date: int


class BlobStore(Protocol):
    """Blocking, safe from any thread; raises storage.errors.Unavailable, DiskFull, Damaged."""

    def stage(self, content: Content, date: int) -> Staged:
        """Write octets and make them durable, with the message's date in seconds since the epoch."""
        ...

    def stage_all(
        self, contents: Sequence[tuple[Content, int]], meanwhile: Callable[[], object] | None = None
    ) -> list[Staged]:
        """``stage`` of each, all or none: many become durable in little more time than one.

        ``meanwhile`` is called while the disk is at work; what it raises is raised when nothing is staged any more.
        """
        ...

    def discard(self, staged: Staged) -> None:
        """Forget staged octets; never raises."""
        ...

    def new_name(self) -> str:
        """A name for a body that was never used and never will be."""
        ...

    def new_names(self, count: int) -> Series:
        """So many names that were never used and never will be."""
        ...

    def put(self, staged: Staged, place: Place, name: BodyName) -> None:
        """Give staged octets a place; they stay staged too. Durable after ``sync``."""
        ...

    def copy(self, source: Place, name: BodyName, target: Place, new: BodyName) -> None:
        """The same octets at a second place. Durable after ``sync``. Raises Damaged when they are missing."""
        ...

    def copy_all(self, source: Place, target: Place, names: Sequence[tuple[BodyName, BodyName]]) -> None:
        """``copy`` of many, old names with new ones. What was copied before an error stays."""
        ...

    def sync(self, places: Iterable[Place]) -> None:
        """Make what was put into these places durable."""
        ...

    def open(self, place: Place, name: BodyName) -> Content:
        """The octets. Raises Damaged when missing or of another size; Unreadable, as the content does."""
        ...

    def reflag(self, place: Place, name: BodyName) -> None:
        """Show system flags in the name. Not durable: ``open`` finds a body under other flags too.

        A body that is not there is passed over. Raises Unavailable, DiskFull.
        """
        ...

    def retire(self, place: Place, name: BodyName) -> None:
        """Hide an expunged body from others that read the tree; ``open`` still finds it. Not durable.

        A body that is not there is passed over. Raises Unavailable, DiskFull.
        """
        ...

    def remove(self, place: Place, name: BodyName) -> None:
        """Take a body away; it is no error when it is gone."""
        ...

    def move(self, source: Place, name: BodyName, target: Place) -> None:
        """The same body at another place instead; it is no error when it is gone. Not durable."""
        ...

    def make_folder(self, place: Place, name: str) -> None:
        """Make a folder before its first body comes, for others that read the tree; ``name`` is its mailbox's."""
        ...

    def label(self, place: Place) -> str | None:
        """The mailbox name that ``make_folder`` gave a folder; None where it need not be told or was not."""
        ...

    def rename_folder(self, account: str, old: str, new: str) -> None:
        """Rename a folder, whose bodies join those of ``new`` if it is there; it is no error when ``old`` is gone."""
        ...

    def remove_folder(self, account: str, folder: str) -> None:
        """Take a folder with all its bodies away."""
        ...

    def forget_account(self, account: str) -> None:
        """Take everything of an account away, what was set aside too; it is no error when nothing is there.

        Raises Unavailable.
        """
        ...

    def bodies(self, place: Place, *, retired: bool = False) -> Iterator[Body]:
        """What stands in a place; or those that were retired there."""
        ...

    def digest(self, place: Place, name: BodyName) -> bytes:
        """SHA-256 of a body as the disk gives it now. Raises Damaged when it is missing or its size differs."""
        ...

    def folders(self, account: str) -> list[str]:
        """Folders of an account that are there, as ``storage.names.folder`` gives them."""
        ...

    def attics(self, account: str) -> list[str]:
        """Folders below the attic of an account, as ``storage.names.attic`` gives them."""
        ...

    def accounts(self) -> Iterator[str]:
        """Keys of the accounts that have a folder."""
        ...

    def set_aside(self, place: Place, name: BodyName | None) -> str:
        """Move a body, or without ``name`` a whole folder, out of the way but keep it; returns where it is then.

        Raises Damaged when it is missing.
        """
        ...

    def sweep_staging(self, older_than: float) -> int:
        """Forget staged octets that a crash left before ``older_than`` (seconds since the epoch); returns how many."""
        ...

"""The contract of a text index: it hands out the texts in which something may be, and says which it doesn't have.

It never decides: who searches compares the texts, and opens the bodies of messages that the index doesn't know whole.
So answers are the same with an index, without one, and while it is being built.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from storage.texts.document import Document


class Look(Protocol):
    """One look into the index."""

    @property
    def documents(self) -> Iterator[tuple[int, Document]]:
        """Contents that may have what is looked for, with their texts. To be gone through before ``unknown``."""
        ...

    @property
    def unknown(self) -> Collection[int]:
        """Contents of which the index has nothing, or not everything."""
        ...


class TextIndex(Protocol):
    """Texts of contents, by account. Safe from any thread."""

    def look(
        self, account: int, wanted: Collection[int], pieces: Sequence[bytes], *, header: bool
    ) -> AbstractContextManager[Look]:
        """Texts of those of the ``wanted`` contents that may have all ``pieces`` (folded, without accents).

        Header texts are left empty unless asked for. Never raises: what the index can't tell is unknown.
        """
        ...

    def through(self, account: int) -> int:
        """The highest content number up to which everything was added."""
        ...

    def add(self, account: int, documents: Iterable[tuple[int, Document]], through: int) -> None:
        """Keep texts, and that all contents up to ``through`` were dealt with.

        This and all that follows raise Unavailable, DiskFull, and Damaged: ``clear`` mends that.
        """
        ...

    def known(self, account: int) -> set[int]:
        """Contents that the index has."""
        ...

    def size(self, account: int) -> int:
        """Octets on disk; never raises."""
        ...

    def forget(self, account: int, contents: Collection[int]) -> None:
        """Drop texts."""
        ...

    def clear(self, account: int) -> None:
        """Drop everything of an account."""
        ...

    def close(self) -> None: ...

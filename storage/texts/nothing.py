"""A text index that knows nothing: every search opens bodies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from storage.texts.document import Document


@dataclass(frozen=True, slots=True)
class Unknown:
    """A look that found nothing out."""

    unknown: Collection[int]

    @property
    def documents(self) -> Iterator[tuple[int, Document]]:
        return iter(())


class NoTexts:
    """See the module."""

    def look(
        self, account: int, wanted: Collection[int], pieces: Sequence[bytes], *, header: bool
    ) -> AbstractContextManager[Unknown]:
        return nullcontext(Unknown(wanted))

    def through(self, account: int) -> int:
        return 0

    def add(self, account: int, documents: Iterable[tuple[int, Document]], through: int) -> None:
        return None

    def known(self, account: int) -> set[int]:
        return set()

    def size(self, account: int) -> int:
        return 0

    def forget(self, account: int, contents: Collection[int]) -> None:
        return None

    def clear(self, account: int) -> None:
        return None

    def close(self) -> None:
        return None

"""What one account's import works with from folder to folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from config.settings import Store as Settings
from storage.store import Store
from transfer.patience import Patience
from transfer.source import Source
from transfer.state import ImportState

#: Octets of the largest message that is brought, unless told otherwise: more than mail systems let pass.
LARGEST = 150 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wishes:
    """``dry_run``: only tell what would come. ``expunge``: remove what was brought and is gone at the source.

    ``verify``: compare all octets in the end. ``largest`` is in octets.
    """

    dry_run: bool = False
    expunge: bool = False
    verify: bool = False
    largest: int = LARGEST


@dataclass(slots=True)
class Quota:
    """Whether the account's quota let a message out; then no other is tried."""

    exhausted: str = ""


@dataclass(frozen=True, slots=True)
class Errand:
    """``told`` hears how many more messages were dealt with."""

    source: Source
    store: Store
    state: ImportState
    settings: Settings
    wishes: Wishes
    patience: Patience
    told: Callable[[int], None]
    quota: Quota = field(default_factory=Quota)

"""Is everything here that is there? What a run did, folder by folder, and what differs and why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from storage.errors import Damaged, NoSuchMessage
from storage.model import Mailbox, MessageRow
from storage.store import Store
from transfer.errand import Errand
from transfer.patience import portions
from transfer.source import SourceFolder, SourceMessage, Unreadable
from transfer.state import Known

#: Messages named for one reason.
_EXAMPLES = 5


class Differences:
    """Reasons with the messages that they hold for; only a few of these are named."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}
        self._named: dict[str, list[str]] = {}

    def add(self, reason: str, *keys: str, count: int | None = None) -> None:
        """Some messages differ for a reason; without keys and ``count`` it is no matter of messages."""
        self._count[reason] = self._count.get(reason, 0) + (len(keys) if count is None else count)
        named = self._named.setdefault(reason, [])
        named += keys[: _EXAMPLES - len(named)]

    def __bool__(self) -> bool:
        return bool(self._count)

    def lines(self) -> list[str]:
        """In words."""
        return [self._line(reason, count, self._named[reason]) for reason, count in self._count.items()]

    def _line(self, reason: str, count: int, named: list[str]) -> str:
        if not count:
            return reason
        which = f" ({', '.join(named)}{', ...' if count > len(named) else ''})" if named else ""
        return f"{count} message{'s' if count > 1 else ''}{which}: {reason}"


@dataclass(slots=True)
class FolderReport:
    """A folder after a run.

    ``here`` are those of its messages that are in ``mailbox``, ``others`` what is there beside them. ``came`` of them
    came in this run with so many octets, ``found`` were here already without a note of it. Sizes are in octets.
    """

    source: str
    mailbox: str
    there: int = 0
    there_octets: int = 0
    here: int = 0
    here_octets: int = 0
    others: int = 0
    came: int = 0
    came_octets: int = 0
    found: int = 0
    flags: int = 0
    removed: int = 0
    verified: int = 0
    remarks: list[str] = field(default_factory=list)
    differences: Differences = field(default_factory=Differences)

    @property
    def equal(self) -> bool:
        """Every message of the source is here with its size, flags and keywords."""
        return not self.differences and (self.there, self.there_octets) == (self.here, self.here_octets)


@dataclass(slots=True)
class Report:
    """A run for one account. ``error`` is why it did not come to its end."""

    login: str
    source: str
    folders: list[FolderReport] = field(default_factory=list)
    differences: Differences = field(default_factory=Differences)
    error: str = ""
    seconds: float = 0.0

    @property
    def equal(self) -> bool:
        """All folders are."""
        return not self.error and not self.differences and all(folder.equal for folder in self.folders)

    @property
    def came(self) -> int:
        """Messages that came in this run."""
        return sum(folder.came for folder in self.folders)

    @property
    def came_octets(self) -> int:
        """Octets that came in this run."""
        return sum(folder.came_octets for folder in self.folders)


def compare(
    report: FolderReport,
    messages: Sequence[SourceMessage],
    known: Mapping[str, Known],
    rows: Mapping[int, MessageRow],
) -> None:
    """Fill in what is there and here. Messages that did not come have their reasons already."""
    changed: list[str] = []
    sizes: list[str] = []
    gone: list[str] = []
    for one in messages:
        report.there += 1
        brought = known.get(one.key)
        row = None if brought is None else rows.get(brought.uid)
        report.there_octets += one.size if one.size is not None else row.size if row is not None else 0
        if brought is None:
            continue
        if row is None:
            gone.append(one.key)
            continue
        report.here += 1
        report.here_octets += row.size
        if (row.system, _folded(row.keywords)) != (one.system, _folded(one.keywords)):
            changed.append(one.key)
        if one.size is not None and row.size != one.size:
            sizes.append(one.key)
    report.others = len(rows) - report.here
    for reason, keys in (
        ("deleted or moved away here since it came", gone),
        ("marked otherwise here since it came", changed),
        ("the source tells another size than it gives octets", sizes),
    ):
        if keys:
            report.differences.add(reason, *keys)


def _folded(keywords: Sequence[str]) -> set[str]:
    return {keyword.casefold() for keyword in keywords}


def verify(
    report: FolderReport,
    errand: Errand,
    folder: SourceFolder,
    box: Mailbox,
    pairs: Sequence[tuple[SourceMessage, MessageRow]],
) -> None:
    """Read messages there and here, and compare every octet."""
    rows = {one.key: row for one, row in pairs}
    for portion in portions(one for one, _ in pairs):
        for one, got in errand.patience.octets(errand.source, folder, portion):
            if isinstance(got, Unreadable):
                report.differences.add(f"can't be compared: {got}", one.key)
            elif hashlib.sha256(got).digest() != _digest(errand.store, box, rows[one.key]):
                report.differences.add("its octets differ from the source's", one.key)
            else:
                report.verified += 1


def _digest(store: Store, box: Mailbox, row: MessageRow) -> bytes:
    """SHA-256 of our octets as the disk gives them; nothing when it does not."""
    try:
        content = store.body(box.account, box.id, row)
    except (Damaged, NoSuchMessage):
        return b""
    digest = hashlib.sha256()
    for block in content.blocks():
        digest.update(block)
    content.close()
    return digest.digest()

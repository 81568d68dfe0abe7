"""Where folders of a source come to be here: roles meet roles, and names that can't be here become such as can."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from storage.errors import InvalidName
from storage.model import COMPUTED_USES, DELIMITER, Mailbox, SpecialUse
from storage.names import INBOX, LEVEL_OCTETS, canonical
from transfer.source import SourceFolder

#: What mail programs call their folders where the server doesn't tell what they are for; compared without case.
HABITS: Mapping[SpecialUse, frozenset[str]] = {
    SpecialUse.SENT: frozenset(
        {"sent", "sent items", "sent messages", "sent-mail", "envoyés", "messages envoyés", "éléments envoyés"}
    ),
    SpecialUse.TRASH: frozenset(
        {"trash", "deleted items", "deleted messages", "corbeille", "éléments supprimés", "messages supprimés"}
    ),
    SpecialUse.JUNK: frozenset(
        {"junk", "spam", "junk e-mail", "junk email", "bulk mail", "indésirables", "courrier indésirable", "pourriel"}
    ),
    SpecialUse.DRAFTS: frozenset({"drafts", "brouillons"}),
    SpecialUse.ARCHIVE: frozenset({"archive", "archives"}),
}

#: First levels that lead to other people's mailboxes in IMAP (``imap.session.places``).
_OTHERS = frozenset({"user", "shared"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Of mailbox names, as ``config.settings.Store`` has them."""

    octets: int
    depth: int


@dataclass(frozen=True, slots=True)
class Placed:
    """The mailbox of a folder; ``use`` is its role if it is made; ``why`` tells of a name that changed."""

    name: str
    use: SpecialUse | None = None
    why: str = ""


def place(
    folders: Sequence[SourceFolder], boxes: Iterable[Mailbox], settled: Mapping[str, str], limits: Limits
) -> dict[str, Placed]:
    """A mailbox for each folder, by the folders' ids.

    ``settled`` has the names of those that were placed at an earlier run. No two folders share a mailbox.
    """
    ours = {box.special_use: box.name for box in boxes if box.special_use is not None}
    roles = _roles(folders)
    # The mailbox of a role is kept for the folder of that role.
    kept = {ours[use] for use in roles.values() if use in ours}
    moved = {folder.levels: ours[roles[folder.id]] for folder in folders if roles.get(folder.id) in ours}
    placed = {one: Placed(name) for one, name in settled.items()}
    taken = set(settled.values())
    for folder in sorted(folders, key=lambda one: (one.id not in roles, len(one.levels))):
        if folder.id in placed:
            continue
        use = roles.get(folder.id)
        if use in ours:
            meant, name, use = ours[use], _free(ours[use], taken, limits), None
        else:
            levels = _below_roles(folder.levels, moved)
            meant, name = _joined(levels), _free(_allowed(levels, limits), taken | kept, limits)
        taken.add(name)
        placed[folder.id] = Placed(name, use, "" if name == meant else f"the folder {meant!r} is {name!r} here")
    return placed


def _joined(levels: Sequence[str]) -> str:
    top = INBOX if levels[0].upper() == INBOX else levels[0]
    return unicodedata.normalize("NFC", DELIMITER.join((top, *levels[1:])))


def _roles(folders: Sequence[SourceFolder]) -> dict[str, SpecialUse]:
    """Which folder has which role: by the source's word, else by what such folders are called; one for each role."""
    found: dict[SpecialUse, str] = {}
    for folder in folders:
        if folder.use is not None and folder.use not in COMPUTED_USES:
            found.setdefault(folder.use, folder.id)
    for use, habits in HABITS.items():
        for folder in folders:
            told = folder.use is not None or folder.id in found.values()
            if not told and len(folder.levels) == 1 and _plain(folder.levels[0]) in habits:
                found.setdefault(use, folder.id)
    return {folder: use for use, folder in found.items()}


def _plain(level: str) -> str:
    return unicodedata.normalize("NFC", level).casefold()


def _below_roles(levels: tuple[str, ...], moved: Mapping[tuple[str, ...], str]) -> list[str]:
    """Levels, those of a folder with a role above replaced by our name of it."""
    for n in range(len(levels) - 1, 0, -1):
        if levels[:n] in moved:
            return [*moved[levels[:n]].split(DELIMITER), *levels[n:]]
    return list(levels)


def _allowed(levels: list[str], limits: Limits) -> str:
    """A name that the store takes, as near to the levels as can be."""
    clean = [_level(level) for level in levels]
    if clean[0].casefold() in _OTHERS:
        clean[0] += "_"
    if len(clean) > limits.depth:
        clean = [*clean[: limits.depth - 1], _cut("-".join(clean[limits.depth - 1 :]), LEVEL_OCTETS)]
    name = DELIMITER.join(clean)
    while len(name.encode()) > limits.octets:
        longest = max(range(len(clean)), key=lambda n: len(clean[n].encode()))
        clean[longest] = _cut(clean[longest], len(clean[longest].encode()) - 1)
        name = DELIMITER.join(clean)
    try:
        return canonical(name, octets=limits.octets, depth=limits.depth)
    except InvalidName:
        # What is left are names that normalisation made longer.
        return _cut(name.replace(DELIMITER, "-"), LEVEL_OCTETS // 3)


def _level(level: str) -> str:
    level = unicodedata.normalize("NFC", level)
    bad = "*%" + DELIMITER
    level = "".join("_" if c in bad or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in level)
    return _cut("_" if level in ("", ".", "..") else level, LEVEL_OCTETS)


def _cut(text: str, octets: int) -> str:
    return text.encode()[:octets].decode("utf-8", "ignore") or "_"


def _free(wanted: str, taken: set[str], limits: Limits) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        suffix = f" ({number})"
        above, slash, last = wanted.rpartition(DELIMITER)
        room = min(LEVEL_OCTETS, limits.octets - len((above + slash).encode())) - len(suffix)
        name = above + slash + _cut(last, room) + suffix
    return name

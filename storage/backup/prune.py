"""Forgets old backups, and the objects that no other backup names. Needs no key."""

from __future__ import annotations

import json
from typing import Any

from storage.backup.form import backups
from storage.backup.target import Target
from storage.errors import Damaged


def listed(target: Target, name: str) -> tuple[dict[str, Any], list[str]]:
    """How much a backup holds, and the names of its objects. Raises Damaged."""
    first, *names = target.get(f"backups/{name}.list").decode().split("\n")
    try:
        return dict(json.loads(first)), names
    except ValueError as error:
        raise Damaged(f"the list of {name} can't be read") from error


def prune(target: Target, keep: int) -> tuple[list[str], int]:
    """Forget all but the last ``keep`` (at least 1) backups; returns their names, and how many objects went.

    Raises Damaged, Unavailable; nothing is forgotten then.
    """
    with target.turn():
        names = backups(target)
        old, kept = names[:-keep], names[-keep:]
        needed = {one for name in kept for one in listed(target, name)[1]}
        for name in old:
            target.remove(f"backups/{name}")
            target.remove(f"backups/{name}.list")
        # What a run that was cut off left, too.
        gone = [one for one in target.names("objects") if one not in needed]
        for one in gone:
            target.remove(one)
        return old, len(gone)

"""Mail collections on disk, for training: Maildir, mbox, a folder of message files, or one message."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import structlog

from spamfilter.train import BATCH, Trainer

log = structlog.get_logger()

#: Octets of one message that are read; what is beyond is left out.
MAX_MESSAGE = 4 * 1024 * 1024
_LINE = 1024 * 1024

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages learnt now, known before, and unreadable."""

    learnt: int = 0
    known: int = 0
    failed: int = 0


def train_paths(trainer: Trainer, paths: Iterable[Path], spam: bool, progress: Progress | None = None) -> Counts:
    """Learn all messages of the collections as spam or ham; ``progress`` is called with the messages seen so far.

    What was learnt before is skipped, so that a broken-off run can be started again. Raises ``OSError`` when a path
    can't be opened, ``StoreError`` when the database can't take a batch.
    """
    learnt = known = failed = 0
    found = read_all(paths)
    while batch := list(islice(found, BATCH)):
        messages = [message for message in batch if message is not None]
        fresh = sum(trainer.learn_all(messages, spam=spam))
        learnt, known, failed = learnt + fresh, known + len(messages) - fresh, failed + len(batch) - len(messages)
        if progress is not None:
            progress(learnt + known + failed)
    return Counts(learnt, known, failed)


def read_all(paths: Iterable[Path]) -> Iterator[bytes | None]:
    """The messages of all collections, one at a time; None for a file that can't be read or is empty."""
    for path in paths:
        yield from read(path)


def read(path: Path) -> Iterator[bytes | None]:
    """The messages of one collection, in the order of their names. Raises ``OSError`` when ``path`` is not there."""
    if not path.is_dir():
        yield from _read_file(path)
    elif (path / "cur").is_dir():
        yield from _read_files(_in_folder(path / "cur"))
        yield from _read_files(_in_folder(path / "new"))
    else:
        yield from _read_files(_below(path))


def _in_folder(folder: Path) -> Iterator[Path]:
    """The regular files of a folder; symbolic links are never followed."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.is_file(follow_symlinks=False) and not e.name.startswith("."))
        yield from (folder / name for name in names)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, _ in os.walk(folder):
        folders.sort()
        yield from _in_folder(Path(place))


def _read_files(paths: Iterable[Path]) -> Iterator[bytes | None]:
    for path in paths:
        try:
            yield from _read_file(path)
        except OSError as error:
            log.warning("spam.corpus.unreadable", path=str(path), error=str(error))
            yield None


def _read_file(path: Path) -> Iterator[bytes | None]:
    """The messages of an mbox (its first line starts with "From "), or the one message of the file."""
    with path.open("rb") as file:
        start = file.read(5)
        file.seek(0)
        if start == b"From ":
            yield from _read_mbox(file)
        else:
            yield file.read(MAX_MESSAGE) or None


def _read_mbox(file: BinaryIO) -> Iterator[bytes]:
    """Messages between "From " lines (RFC 4155), with the ">" of quoted ones taken off."""
    lines: list[bytes] = []
    size = 0
    blank = True
    for line in iter(lambda: file.readline(_LINE), b""):
        if blank and line.startswith(b"From "):
            if lines:
                yield b"".join(lines)
            lines, size = [], 0
        elif size < MAX_MESSAGE:
            lines.append(line[1:] if line.lstrip(b">").startswith(b"From ") and line[:1] == b">" else line)
            size += len(line)
        blank = line in (b"\n", b"\r\n")
    if lines:
        yield b"".join(lines)

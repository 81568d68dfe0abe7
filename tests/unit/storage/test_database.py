"""What the operating system says comes out in the store's own words."""

from __future__ import annotations

import errno
import os

import pytest

from storage.database import disk_error
from storage.errors import DiskFull, Unavailable


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, DiskFull, "no space left: /backup"),
        (errno.EDQUOT, DiskFull, "no space left: /backup"),
        (errno.EACCES, Unavailable, f"user number {os.geteuid()} may not do that: "),
        (errno.EIO, Unavailable, "the disk failed: "),
    ],
)
def test_errors_of_the_disk(number: int, kind: type[Unavailable], words: str) -> None:
    error = disk_error(OSError(number, os.strerror(number), "/backup"))
    assert type(error) is kind
    assert str(error).startswith(words)
    assert "/backup" in str(error)

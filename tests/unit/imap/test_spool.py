"""Messages on their way in."""

from __future__ import annotations

from pathlib import Path

import pytest

from imap.spool import Spool
from storage.errors import Unavailable


def test_small_messages_stay_in_memory(tmp_path: Path) -> None:
    spool = Spool(tmp_path, memory=10)
    for octets in (b"Sub", b"ject", b""):
        spool.write(octets)
    assert spool.content().buffer() == b"Subject"
    assert not list(tmp_path.iterdir())
    spool.close()


def test_big_ones_go_to_a_file_that_is_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, memory=10)
    for _ in range(5):
        spool.write(b"12345678")
    content = spool.content()
    assert (content.size, spool.size) == (40, 40)
    assert bytes(content.buffer()) == b"12345678" * 5
    content.close()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    spool.close()
    spool.close()
    assert not list(tmp_path.iterdir())


def test_nul_is_noticed() -> None:
    spool = Spool()
    spool.write(b"abc")
    assert not spool.has_nul
    spool.write(b"\0")
    assert spool.has_nul


def test_a_disk_that_fails_is_told_when_the_message_is_wanted(tmp_path):
    """The literal goes on to its end: the command then fails with an answer, and the session goes on."""
    spool = Spool(tmp_path / "missing", memory=10)
    for _ in range(3):
        spool.write(b"x" * 20)
    assert spool.size == 60
    with pytest.raises(Unavailable):
        spool.content()
    spool.close()

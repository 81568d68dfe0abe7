"""Messages on their way in."""

from __future__ import annotations

from pathlib import Path

from imap.spool import Spool


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


def test_no_room_is_told_after_the_octets(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "gone", memory=10)
    for _ in range(3):
        spool.write(b"12345678")
    assert isinstance(spool.failure, OSError)
    assert spool.size == 24
    spool.close()

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Spam
from spamfilter.corpus import MAX_MESSAGE, Counts, read, train_paths
from spamfilter.train import BATCH, Trainer
from storage.database import Database, metadata


def message(i: int) -> bytes:
    return f"Subject: lecon {i}\n\nmot{i}\n".encode()


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    database = Database(f"sqlite:///{tmp_path}/spam.db")
    metadata.create_all(database.engine)
    yield Trainer(database, Spam())
    database.close()


def test_one_file(tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(message(1))
    assert list(read(file)) == [message(1)]


def test_maildir(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "cur" / "2:2,S").write_bytes(message(2))
    (tmp_path / "cur" / "1:2,S").write_bytes(message(1))
    (tmp_path / "new" / "3").write_bytes(message(3))
    (tmp_path / "tmp" / "4").write_bytes(message(4))
    assert list(read(tmp_path)) == [message(1), message(2), message(3)]


def test_folder_with_folders_skips_links(tmp_path: Path) -> None:
    (tmp_path / "box" / "b").mkdir(parents=True)
    (tmp_path / "box" / "1.eml").write_bytes(message(1))
    (tmp_path / "box" / "b" / "2.eml").write_bytes(message(2))
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "box" / "3.eml").symlink_to(tmp_path / "secret")
    assert list(read(tmp_path / "box")) == [message(1), message(2)]


def test_mbox(tmp_path: Path) -> None:
    file = tmp_path / "box"
    quoted = b"Subject: 2\n\n>From here\n>>From there\nand\nFrom the middle of a paragraph\n"
    file.write_bytes(b"From a@b Mon\n" + message(1) + b"\nFrom c@d Tue\n" + quoted + b"\nFrom e@f Wed\n" + message(3))
    unquoted = b"Subject: 2\n\nFrom here\n>From there\nand\nFrom the middle of a paragraph\n\n"
    assert list(read(file)) == [message(1) + b"\n", unquoted, message(3)]


def test_a_giant_message_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "box"
    file.write_bytes(b"From a\n" + (b"x" * 999 + b"\n") * (MAX_MESSAGE // 1000 + 2000) + b"\nFrom b\n" + message(2))
    found = list(read(file))
    assert len(found) == 2
    assert len(found[0] or b"") <= MAX_MESSAGE + 1024 * 1024
    assert found[1] == message(2)


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        list(read(tmp_path / "nowhere"))


def test_train_paths_counts_and_can_be_repeated(tmp_path: Path, trainer: Trainer) -> None:
    box = tmp_path / "ham"
    box.mkdir()
    number = BATCH + 5
    for i in range(number):
        (box / f"{i:03}.eml").write_bytes(message(i))
    (box / "empty.eml").write_bytes(b"")
    seen: list[int] = []
    assert train_paths(trainer, [box], spam=False, progress=seen.append) == Counts(number, 0, 1)
    assert seen[-1] == number + 1
    assert train_paths(trainer, [box], spam=False) == Counts(0, number, 1)

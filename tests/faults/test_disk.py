"""A disk that fails, and processes that die, at every single step of everything that changes mail.

What was answered is kept, what was not is kept whole or not at all; no row is without its body; what is left over is
swept; UIDs are never given twice; and the next try succeeds.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.check.verify import Verifier
from storage.database import Database, metadata
from storage.model import NewMessage
from tests.fakes.disk import Disk, build
from tests.fakes.disk_worker import WORKS, House, letter

ROOT = Path(__file__).parents[2]

#: What somebody has: by account and mailbox, flags, keywords and octets of each message in order.
State = dict[tuple[int, str], list[tuple[int, tuple[str, ...], bytes]]]


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/index.db"


def state(house: House) -> State:
    found: State = {}
    for account in (house.marie, house.paul):
        for box in house.store.mailboxes(account):
            rows = found[account, box.name] = []
            for row in house.store.view(account, box.id).rows:
                content = house.store.body(account, box.id, row)
                rows.append((row.system, row.keywords, bytes(content.buffer())))
                content.close()
    return found


@dataclass
class Ground:
    """A furnished store to be copied for each try, and what it holds before and after each work."""

    folder: Path
    disk: Disk
    worker: subprocess.Popen[str]
    tries: int = 0

    def tell(self, line: str) -> None:
        assert self.worker.stdin is not None
        print(line, file=self.worker.stdin, flush=True)

    def hear(self) -> str:
        assert self.worker.stdout is not None
        return self.worker.stdout.readline().strip()

    def begin(self, work: str) -> Path:
        """A worker with a store of its own, about to do some work."""
        self.tries += 1
        folder = self.folder / f"try{self.tries}"
        shutil.copytree(self.folder / "before", folder)
        self.disk.heal()
        self.tell(f"{folder} {url(folder)} {work}")
        assert self.hear() == "ready"
        self.disk.heal()
        return folder

    def end(self) -> None:
        self.disk.heal()
        self.tell("enough")
        assert self.hear() == "gone"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    # In memory where that is possible: nobody cuts the power here, and hundreds of stores are made.
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shm)) if os.access(shm, os.W_OK) else tmp_path_factory.mktemp("disk")
    before = folder / "before"
    before.mkdir()
    database = Database(url(before))
    metadata.create_all(database.engine)
    database.close()
    house = House(before, url(before))
    house.furnish()
    house.close()
    disk = Disk(build(folder), folder)
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.disk_worker"],
        cwd=ROOT,
        env={**os.environ, **disk.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Ground(folder, disk, worker)
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.close()
    assert worker.wait(30) == 0
    worker.stdout.close()
    disk.close()
    shutil.rmtree(folder)


def outcome(ground: Ground, work: str) -> tuple[State, State, list[int]]:
    """What there is before and after the work when all goes well, and the numbers of its steps.

    Of writes to one file in a row the first and the last: one more page of the log makes no difference.
    """
    folder = ground.begin(work)
    house = House(folder, url(folder))
    before = state(house)
    ground.disk.heal()
    ground.tell("again")
    assert ground.hear() == "done"
    calls = ground.disk.diary()
    steps = [n for n, call in enumerate(calls, 1) if not (1 < n < len(calls) and calls[n - 2] == call == calls[n])]
    ground.end()
    after = state(house)
    house.close()
    shutil.rmtree(folder)
    return before, after, steps


def sound(house: House, *, later: float) -> None:
    """Index and bodies agree; ``later`` is how many seconds after now orphans are looked for."""
    verifier = Verifier(house.database, house.blobs, orphans_before=time.time() + later)
    assert [str(finding) for finding in verifier.run()] == []


def tidied(house: House, expected: State) -> None:
    """After the sweeper came round nothing is left over, and nothing is missing."""
    later = time.time() + 10_000
    house.store.sweep(later)
    house.store.scrub(later, 1000)
    sound(house, later=20_000)
    assert os.listdir(house.blobs._staging) == []
    assert state(house) == expected


def numbers(house: House) -> dict[tuple[int, str], tuple[int, int, int]]:
    return {
        (account, box.name): (box.uidvalidity, box.uidnext, box.highest_modseq)
        for account in (house.marie, house.paul)
        for box in house.store.mailboxes(account)
    }


@pytest.mark.parametrize("work", WORKS)
def test_killed_at_every_step(ground: Ground, work: str) -> None:
    before, after, steps = outcome(ground, work)
    first = House(ground.folder / "before", url(ground.folder / "before"))
    given = numbers(first)
    first.close()
    reached = 0
    for step in steps:
        folder = ground.begin(work)
        ground.disk.kill_at(step)
        ground.tell("again")
        heard = ground.hear()
        if heard == "gone":
            reached += 1
            ground.disk.heal()
        else:
            # Steps vary a little (a checkpoint, a folder already known): this try had fewer of them.
            assert heard == "done"
            ground.end()
        house = House(folder, url(folder))
        if work == "rebuild":
            # One that was cut off is run again.
            WORKS[work](house)
        found = state(house)
        where = f"{work}, killed before step {step} of {steps[-1]}"
        assert found in ((after,) if heard == "done" else (before, after)), where
        for place, now in numbers(house).items():
            validity, uidnext, modseq = given.get(place, (0, 0, 0))
            # UIDs begin anew only under a higher UIDVALIDITY (RFC 9051 section 2.3.1.1), which a rebuild alone gives.
            assert now[0] == validity or (now[0] > validity and (work == "rebuild" or not validity)), where
            assert now[0] > validity or now[1] >= uidnext, where
            assert now[2] >= modseq, where
        tidied(house, found)
        [uid] = house.store.append(house.marie, house.box(), [NewMessage(letter("après"))])
        assert uid >= given[house.marie, "INBOX"][1] or work == "rebuild", where
        house.close()
        shutil.rmtree(folder)
    assert reached >= len(steps) * 0.7


@pytest.mark.parametrize("work", [work for work in WORKS if work != "sweep"])
def test_a_disk_error_at_every_step(ground: Ground, work: str) -> None:
    before, after, steps = outcome(ground, work)
    refused = 0
    for number, step in enumerate(steps):
        folder = ground.begin(work)
        error = (errno.EIO, errno.ENOSPC)[number % 2]
        ground.disk.fail_at(step, error)
        ground.tell("again")
        heard = ground.hear()
        where = f"{work}, {errno.errorcode[error]} at step {step} of {steps[-1]}: {heard}"
        assert heard in ("done", "refused Unavailable", "refused DiskFull"), where
        refused += heard != "done"
        ground.disk.heal()
        house = House(folder, url(folder))
        found = state(house)
        if work != "rebuild":
            assert found in ((after,) if heard == "done" else (before, after)), where
        if found != after:
            # The same process, as soon as the disk is well again.
            ground.tell("again")
            assert ground.hear() == "done", where
        assert state(house) == after, where
        ground.end()
        tidied(house, after)
        house.close()
        shutil.rmtree(folder)
    assert refused >= min(2, len(steps))


def syncs(diary: list[tuple[str, str]]) -> list[str]:
    """What was synced, in order: a body, a folder, the database's log."""
    found: list[str] = []
    for kind, path in diary:
        if kind == "s" and "/" not in path.strip("/"):
            # The database's folder, once for each connection of SQLite.
            continue
        if kind == "s":
            found.append("log" if "index.db" in path else "body" if "/staging/" in path else "folder")
    return found


def test_what_one_message_costs_and_in_which_order(ground: Ground) -> None:
    """Body, folders, log: nothing is answered before, and nothing is synced twice."""
    counted: dict[str, list[str]] = {}
    for work in ("deliver", "append", "copy", "move", "flags", "expunge"):
        folder = ground.begin(work)
        # As in a server that is up: the log is there.
        other = House(folder, url(folder))
        other.store.subscribe(other.paul, "Archive", False)
        ground.disk.heal()
        ground.tell("again")
        assert ground.hear() == "done"
        diary = ground.disk.diary()
        other.close()
        counted[work] = syncs(diary)
        ground.end()
        # No name in a folder after the folder was synced, none of a body before the body was.
        last = {path: number for number, (kind, path) in enumerate(diary) if kind == "s"}
        for number, (kind, path) in enumerate(diary):
            if kind == "l":
                assert number < last[path.rpartition("/")[0]] < max(n for p, n in last.items() if "index.db" in p)
    assert counted == {
        "deliver": ["body", "folder", "folder", "log"],
        "append": ["body", "body", "folder", "log"],
        "copy": ["folder", "log"],
        "move": ["folder", "log"],
        "flags": ["log"],
        "expunge": ["log"],
    }

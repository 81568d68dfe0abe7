"""A disk that fails on demand, below the programs that use it: ``disk.c``, preloaded into real processes."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("disk.c")
_ORDERS = struct.Struct("5i")
_KINDS = "owslrumt"
NEVER = 2**31 - 1


def build(folder: Path) -> Path:
    """Compile the library into a folder; returns its path. Skips where there is no compiler (fails under CI)."""
    compiler = shutil.which("cc")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("cc is missing: install the Debian packages gcc and libc6-dev")
        pytest.skip("needs the Debian packages gcc and libc6-dev")
    library = folder / "disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True, timeout=60)
    return library


class Disk:
    """Orders for the disk of the processes that run in ``environment``, as far as it is below ``root``.

    Calls are of kinds: o(pen to create), w(rite), s(ync), l(ink), r(ename), u(nlink), m(kdir), t(runcate).
    """

    def __init__(self, library: Path, root: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mailserver-disk-"))
        self._folder.chmod(0o755)
        # Whoever the processes run as must get at it.
        preload = shutil.copy(library, self._folder)
        self._diary = self._folder / "diary"
        self._diary.touch()
        self._diary.chmod(0o666)
        orders = self._folder / "orders"
        orders.write_bytes(bytes(_ORDERS.size))
        orders.chmod(0o666)
        with open(orders, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), _ORDERS.size)
        self.environment = {
            "LD_PRELOAD": os.fspath(preload),
            "DISK_ROOT": os.fspath(root),
            "DISK_ORDERS": os.fspath(orders),
            "DISK_DIARY": os.fspath(self._diary),
        }

    def kill_at(self, call: int) -> None:
        """Kill the process at its n-th call from now (from 1), before it is done."""
        self._order(call, call, 0, "")

    def fail_at(self, call: int, error: int) -> None:
        """Let the n-th call from now (from 1) fail with an errno."""
        self._order(call, call, error, "")

    def heal(self) -> None:
        """Work again, and count from 0."""
        self._order(0, 0, 0, "")
        self._diary.write_bytes(b"")

    def close(self) -> None:
        """Take the orders away; processes that still run work on."""
        self.heal()
        shutil.rmtree(self._folder)

    @contextmanager
    def failing(self, error: int, kinds: str = _KINDS) -> Iterator[None]:
        """Let every call of some kinds fail with an errno."""
        self._order(1, NEVER, error, kinds)
        try:
            yield
        finally:
            self.heal()

    @property
    def calls(self) -> int:
        """Calls since the last order."""
        return int(_ORDERS.unpack(self._map[:])[0])

    def diary(self) -> list[tuple[str, str]]:
        """Kind and path (from the root on) of each call since ``heal``."""
        lines = self._diary.read_text("utf-8", "replace").splitlines()
        return [(line[0], line[2:]) for line in lines]

    def _order(self, first: int, last: int, error: int, kinds: str) -> None:
        bits = sum(1 << _KINDS.index(kind) for kind in kinds)
        self._map[:] = _ORDERS.pack(0, first, last, error, bits)

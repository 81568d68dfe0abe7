"""Real neomutt, as it shows a folder on a terminal."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from pathlib import Path


def shown(mutt: str, folder: Path, root: Path) -> bytes:
    """What it writes to its terminal when it opens a folder; ``root`` is the tree that the folder is of."""
    # It wants a terminal to read mail; without one it would compose.
    terminal, end = os.openpty()
    reader = subprocess.Popen(
        [
            *(mutt, "-n", "-F", "/dev/null", "-R", "-f", str(folder), "-e", f"set folder={root}"),
            *("-e", "push '<refresh><exit>'"),
        ],
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
        env={"TERM": "xterm", "HOME": str(root.parent), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    os.close(end)
    screen = b""
    patience = time.monotonic() + 60
    while reader.poll() is None and time.monotonic() < patience:
        if select.select([terminal], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):
                screen += os.read(terminal, 65536)
    reader.kill()
    reader.wait()
    os.close(terminal)
    return screen

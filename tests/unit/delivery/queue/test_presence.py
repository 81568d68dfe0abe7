"""Signs of life of runners."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from delivery.queue.presence import Presence

ROOT = Path(__file__).parents[4]


def test_the_living_are_not_buried(tmp_path: Path):
    one, two = Presence(tmp_path), Presence(tmp_path)
    buried: list[str] = []
    two.bury_dead(buried.append)
    assert buried == []
    one.leave()
    two.leave()
    assert os.listdir(tmp_path) == []


def test_a_killed_process_is_buried_once(tmp_path: Path):
    script = f"""
import sys, time
from pathlib import Path
from delivery.queue.presence import Presence
presence = Presence(Path({str(tmp_path)!r}))
print(presence.name, flush=True)
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        me = Presence(tmp_path)
        buried: list[str] = []
        me.bury_dead(buried.append)
        assert buried == []
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        me.bury_dead(buried.append)
        me.bury_dead(buried.append)
        assert buried == [name]
        me.leave()
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()

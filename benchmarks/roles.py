"""CPU time of the running service by role: smtp, judging, queue, imap, supervisor. Linux."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_by_role(pid: int) -> Counter[str]:
    """Seconds of user and system time that the tree of processes below ``pid`` has used, by role."""
    parents: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry))
        used[int(entry)] = sum(map(int, fields[11:13])) / _TICKS
    seconds: Counter[str] = Counter()
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        seconds[_role(one)] += used.get(one, 0.0)
        waiting += parents.get(one, [])
    return seconds


def _role(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return "gone"
    if any("multiprocessing" in word for word in words):
        return "judging"
    return next((word for word in words if word in ("smtp", "imap", "queue")), "supervisor")


def measure(bench: Path, server: dict[str, Any], sizes: list[str], conns: list[str], rest: list[str]) -> None:
    """Messages by ``mailbench.py``, each size and number of connections for itself; a line for each role."""
    for size in sizes:
        for conn in conns:
            with tempfile.NamedTemporaryFile("r") as lines:
                before, began = cpu_by_role(server["pid"]), time.monotonic()
                command = [sys.executable, str(bench / "mailbench.py"), "smtp", "--json", lines.name]
                command += ["--sizes", size, "--conns", conn, *rest]
                for name, value in server.items():
                    command += ["--" + name.replace("_", "-"), str(value)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                # What the index does afterwards belongs to these messages too.
                time.sleep(3)
                after, seconds = cpu_by_role(server["pid"]), time.monotonic() - began
                facts = {one["metric"]: one for one in map(json.loads, lines)}
            count = facts["accepted"]["n"]
            cost = after - before
            told = {role: round(1000 * used / count, 2) for role, used in sorted(cost.items())}
            print(
                json.dumps(
                    {
                        "test": f"smtp {size}KB c={conn}",
                        "cpu-ms/message": told | {"all": round(1000 * cost.total() / count, 2)},
                        **{name: facts[name]["value"] for name in ("accepted", "visible", "250 p50", "250 p99")},
                        "messages": count,
                        "seconds": round(seconds, 1),
                    }
                ),
                flush=True,
            )

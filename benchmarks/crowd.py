"""A crowd of idle TLS sessions on any IMAP server: what each costs in memory, and how soon news reach one of them.

All sessions are one user's, in IDLE on INBOX; one more is in IDLE on a mailbox of its own, into which mails are put one
after the other. The time of a push is from the OK of APPEND to the untagged EXISTS. Figures are JSON lines, as the
measuring client of ``run.py`` writes them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import ssl
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BOX = "crowd"
LETTER = b"From: a@example.net\r\nTo: b@example.net\r\nSubject: nouvelle\r\n\r\nBonjour.\r\n"


class Session:
    """A blunt client of one connection."""

    def __init__(self, port: int, user: str, password: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", port), 60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain)
        self._socket.settimeout(60)
        self._until(b"\r\n")
        self.command(f'LOGIN {user} "{password}"')

    def _until(self, end: bytes) -> bytes:
        octets = b""
        while end not in octets or not octets.endswith(b"\r\n"):
            chunk = self._socket.recv(1 << 16)
            if not chunk:
                raise EOFError(octets)
            octets += chunk
        return octets

    def command(self, text: str | bytes) -> bytes:
        self._socket.sendall(b"x " + (text.encode() if isinstance(text, str) else text) + b"\r\n")
        return self._until(b"x ")

    def idle(self, box: str) -> None:
        self.command(f"SELECT {box}")
        self._socket.sendall(b"x IDLE\r\n")
        self._until(b"+")

    def exists(self) -> float:
        """When the next EXISTS came."""
        self._until(b" EXISTS\r\n")
        return time.perf_counter()

    def append(self) -> float:
        """When the server said that it has the message."""
        self.command(b"APPEND %b {%d+}\r\n%b" % (BOX.encode(), len(LETTER), LETTER))
        return time.perf_counter()

    def close(self) -> None:
        self._socket.close()


def memory(roots: list[int]) -> float:
    """PSS of process trees, in KiB."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    total, waiting = 0, list(roots)
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(rollup.split("Pss:")[1].split()[0])
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--label", default="server")
    parser.add_argument("--imaps-port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--pid", required=True, help="root processes of the server, with commas")
    parser.add_argument("--conns", type=int, default=1000)
    parser.add_argument("--pushes", type=int, default=200)
    parser.add_argument("--json", default="")
    options, _ = parser.parse_known_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    roots = [int(pid) for pid in options.pid.split(",")]

    def session() -> Session:
        return Session(options.imaps_port, options.user, options.password)

    def idle(_: int) -> Session:
        one = session()
        one.idle("INBOX")
        return one

    def tell(metric: str, value: float, unit: str) -> None:
        test = f"{options.conns} idle TLS sessions"
        facts = {"label": options.label, "test": test, "metric": metric, "value": round(value, 3), "unit": unit}
        print(json.dumps(facts), flush=True)
        if options.json:
            with open(options.json, "a") as out:
                out.write(json.dumps(facts) + os.linesep)

    writer, watcher = session(), session()
    writer.command(f"CREATE {BOX}")
    watcher.idle(BOX)
    before = memory(roots)
    start = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        crowd = list(pool.map(idle, range(options.conns)))
    tell("set-up rate", options.conns / (time.perf_counter() - start), "sessions/s")
    time.sleep(2)
    tell("PSS each", (memory(roots) - before) / options.conns, "KiB")
    waits = []
    for _ in range(options.pushes):
        with ThreadPoolExecutor(1) as pool:
            came = pool.submit(watcher.exists)
            said = writer.append()
            waits.append((came.result() - said) * 1000)
        time.sleep(0.02)
    tell("push p50", statistics.median(waits), "ms")
    tell("push p99", statistics.quantiles(waits, n=100)[98], "ms")
    for one in (*crowd, watcher, writer):
        one.close()


if __name__ == "__main__":
    main()

"""Measures ``mailserver demo`` beside Postfix + Dovecot and Postfix + rspamd + Dovecot in one run, rounds interleaved.

The measuring client and the peers' set-ups are a program of their own: MAILSERVER_BENCH names its folder (with
``compare.py`` and ``peers.py``). Figures are ratios within a run; absolute ones change with the machine.

    make bench BENCH_ARGS="--tests smtp,idle --rounds 3 --sizes 20 --conns 10,50"
    make bench BENCH_ARGS="--tests imap,login --peers dovecot-maildir,dovecot-sdbox --big 1000,10000,100000"
    make bench BENCH_ARGS="--tests mixed --peers dovecot-maildir --set imap.workers=2 --mixed-conns 50"
    make bench BENCH_ARGS="--crowd 5000 --peers dovecot-maildir --rounds 1"
    make bench BENCH_ARGS="--roles --sizes 20 --conns 1,10,50"      CPU time by role of our processes (roles.py)
    make bench BENCH_ARGS="--operations all --peers dovecot-maildir,dovecot-sdbox"     (operations.py)

Network look-ups are off on both sides. Sign-in in clear is allowed from this machine because the client measures the
plain port too; nothing else differs from the demo's defaults.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> int:
    """Run the comparison; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="dovecot-maildir,rspamd", help="as compare.py has them; empty: ours alone")
    parser.add_argument("--tests", default="smtp,idle")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default="", help="keep the raw lines in this file")
    parser.add_argument("--crowd", type=int, default=0, help="idle TLS sessions for crowd.py; nothing else is run then")
    parser.add_argument(
        "--operations", default="", help="single IMAP operations, with commas, or all; nothing else then"
    )
    parser.add_argument(
        "--roles", action="store_true", help="CPU time a message by role of our processes (roles.py); nothing else then"
    )
    parser.add_argument("--set", action="append", default=[], help="settings of the demo")
    options, rest = parser.parse_known_args()
    bench = Path(os.environ.get("MAILSERVER_BENCH", ""))
    if not (bench / "compare.py").is_file():
        print("MAILSERVER_BENCH must name the folder of the measuring client (compare.py, peers.py)", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="mailserver-bench-"))
    # The demo becomes somebody without rights before it writes there.
    folder.chmod(0o1777)
    demo, facts = start(folder, options.set)
    try:
        user = facts["users"][1]
        server = {
            "label": "mailserver",
            "smtp_port": facts["mx_port"],
            "imap_port": facts["imap_port"],
            "imaps_port": facts["imaps_port"],
            "submission_port": facts["submission_port"],
            "user": user["address"],
            "password": user["password"],
            "pid": facts["pid"],
        }
        raw = options.json or str(folder / "run.jsonl")
        if options.roles:
            measure_roles(bench, server, rest)
            return 0
        if options.operations:
            operate(options, bench, server, raw)
            return 0
        if options.crowd:
            crowd(options, bench, server, raw)
            return subprocess.run([sys.executable, str(bench / "compare.py"), "--report", raw], check=False).returncode
        return subprocess.run(
            [
                *(sys.executable, str(bench / "compare.py"), "--json", raw, "--rounds", str(options.rounds)),
                *("--server", " ".join(f"{name}={value}" for name, value in server.items())),
                *("--peers", options.peers, "--tests", options.tests, "--base", "mailserver", *rest),
            ],
            check=False,
        ).returncode
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def measure_roles(bench: Path, server: dict[str, Any], rest: list[str]) -> None:
    """Mail in, on the demo alone: what each role of ours spends on a message."""
    sys.path.insert(0, str(Path(__file__).parent))
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default="20")
    parser.add_argument("--conns", default="1,10,50")
    options, rest = parser.parse_known_args(rest)
    roles = importlib.import_module("roles")
    roles.measure(bench, server, options.sizes.split(","), options.conns.split(","), rest)


def operate(options: argparse.Namespace, bench: Path, server: dict[str, Any], raw: str) -> None:
    """Single operations on the demo and on each peer in turn; ``ours`` is our rate to that of the line's server."""
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(bench), str(Path(__file__).parent)]
    peers, corpus, operations = (importlib.import_module(name) for name in ("peers", "corpus", "operations"))

    def tell(facts: dict[str, Any]) -> None:
        print(json.dumps(facts), flush=True)
        with open(raw, "a") as out:
            out.write(json.dumps(facts) + os.linesep)

    with contextlib.ExitStack() as running:
        servers = [server, *(running.enter_context(peers.peer(name))[0] for name in options.peers.split(",") if name)]
        operations.measure(servers, operations.chosen(options.operations), options.rounds, corpus, tell)


def crowd(options: argparse.Namespace, bench: Path, server: dict[str, Any], raw: str) -> None:
    """Idle sessions on the demo and on each peer in turn."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(bench))
    peers = importlib.import_module("peers")
    script = str(Path(__file__).with_name("crowd.py"))
    with contextlib.ExitStack() as running:
        servers = [server, *(running.enter_context(peers.peer(name))[0] for name in options.peers.split(",") if name)]
        for _ in range(options.rounds):
            for one in servers:
                given = {name: one[name] for name in ("label", "imaps_port", "user", "password", "pid")}
                words = [word for name, value in given.items() for word in ("--" + name.replace("_", "-"), str(value))]
                subprocess.run(
                    [sys.executable, script, *words, "--conns", str(options.crowd), "--json", raw], check=False
                )


def start(folder: Path, assignments: list[str]) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """A demo that answers, with what its ready file says."""
    ready = folder / "ready.json"
    settings = [
        "mailauth.enabled=false",
        'imap.cleartext_auth=["127.0.0.0/8"]',
        "imap.connections=10000",
        "store.quota_bytes=0",
        "smtp.messages_per_hour=1000000",
        "smtp.recipients_per_hour=1000000",
        *assignments,
    ]
    demo = subprocess.Popen(
        [
            *(sys.executable, "-m", "mailserver", "demo", "--data", str(folder / "data"), "--ready", str(ready)),
            *("--port-base", str(20000 + secrets.randbelow(900) * 10), "--exempt", "127.0.0.0/8"),
            *(argument for one in settings for argument in ("--set", one)),
        ],
        stdout=subprocess.DEVNULL,
    )
    end = time.monotonic() + 120
    while not ready.exists():
        if demo.poll() is not None or time.monotonic() > end:
            raise SystemExit("the demo did not start")
        time.sleep(0.1)
    return demo, json.loads(ready.read_text())


if __name__ == "__main__":
    sys.exit(main())

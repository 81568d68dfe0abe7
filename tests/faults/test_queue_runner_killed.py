"""kill -9 of real runner processes at any moment: nothing is lost; a mail is sent twice only when its 250 was cut."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from delivery.queue.model import Outgoing
from message.content import MemoryContent
from message.envelope import Recipient
from tests.fakes.post_office import MARIE, PostOffice

ROOT = Path(__file__).parents[2]
MESSAGES = 60
KILLS = 6
SENDERS = 4

RUNNER = """
import os, sys, threading, time
from dataclasses import replace
from pathlib import Path
from delivery.queue.model import Attempt
from delivery.queue.runner import QueueRunner
from delivery.filing import Filer
from tests.fakes.post_office import PostOffice

office = PostOffice(Path(sys.argv[1]))
diary = os.open(sys.argv[1] + "/diary", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Relay:
    def attempt(self, item):
        found = []
        for one in item.waiting():
            time.sleep(0.01)
            code = 550 if one.address.startswith("bad") else 250
            os.write(diary, f"{os.getpid()} {code} {one.address}\\n".encode())
            time.sleep(0.005)
            found.append(Attempt(one.address, code, "0.0.0", "said", "mx"))
        return tuple(found)

runner = QueueRunner(
    office.queue, Relay(), Filer(office.store, office.queue, office.reports, office.settings.site, lambda: None),
    office.people, office.reports, replace(office.settings.queue, poll=0.05, connections=int(sys.argv[2])),
)
print("ready", flush=True)
runner.run(threading.Event())
"""


def start(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder), str(SENDERS)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def kill(child: subprocess.Popen[str]) -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.wait(20)
    assert child.stdout is not None
    child.stdout.close()


def test_nothing_is_lost_when_runners_are_killed(tmp_path: Path):
    office = PostOffice(tmp_path)
    office.clock = time.time()
    office.store.open_account(MARIE.key)
    expected = set()
    for number in range(MESSAGES):
        address = f"{'bad' if number % 3 == 0 else 'good'}{number}@d{number % 7}.example"
        expected.add(address)
        outgoing = Outgoing(
            f"m{number}",
            "marie@ici.example",
            (Recipient(address),),
            MemoryContent(b"From: marie@ici.example\r\n\r\nx\r\n"),
            office.clock,
        )
        staged = office.queue.stage(outgoing)
        with office.database.write() as connection:
            office.queue.enqueue(connection, staged)
    dice = random.Random(7)
    for _ in range(KILLS):
        child = start(tmp_path)
        time.sleep(dice.uniform(0.02, 0.15))
        kill(child)
    last = start(tmp_path)
    try:
        for _ in range(600):
            if office.queue.depth() == 0:
                break
            time.sleep(0.05)
        assert office.queue.depth() == 0
    finally:
        kill(last)

    tried = [line.split() for line in (tmp_path / "diary").read_text().splitlines()]
    assert {address for _, _, address in tried} == expected
    by_address = Counter(address for _, _, address in tried)
    doubled = {address: count for address, count in by_address.items() if count > 1}
    # Only what was under way at a kill can come twice, and each time from another process.
    assert sum(count - 1 for count in doubled.values()) <= KILLS * SENDERS
    for address in doubled:
        pids = [pid for pid, _, other in tried if other == address]
        assert len(set(pids)) == len(pids)

    # Each failure is reported once, however often its attempt was repeated.
    reports = office.mail(MARIE)
    failures = Counter(
        match.group(1).decode()
        for report in reports
        for match in re.finditer(rb"Final-Recipient: rfc822; (\S+)", report)
    )
    assert failures == Counter({address: 1 for address in expected if address.startswith("bad")})
    # A kill can leave bodies without rows behind, never rows without bodies; the sweep takes them.
    office.queue.sweep(time.time() + 4000, 3600)
    assert os.listdir(tmp_path / "queue" / "bodies") == []
    office.close()

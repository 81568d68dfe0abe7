"""Ten sessions over TLS, in two IMAP processes, do anything at all to two mailboxes at the same time.

Each client keeps its picture from untagged responses (``tests/fakes/imap_picture.py`` judges them as they come). All of
them share what can only be said once: the flags of a message at a mod-sequence, and which message a UID is. At the end
everybody agrees with a session that has just come. MAILSERVER_STRESS_STEPS makes it longer than the 150 commands a
session of an ordinary run.
"""

from __future__ import annotations

import os
import random
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.fakes.imap_picture import Flags, Picture, numbers
from tests.fakes.imap_service import Client, eventually, letter
from tests.whole.conftest import Stack

STEPS = int(os.environ.get("MAILSERVER_STRESS_STEPS", "150"))
SESSIONS = 10
BOXES = ("classe-6e", "classe-5e")
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "un", "deux")

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    return ("--set", "imap.workers=2")


class Shared:
    """What all clients must agree on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flags: dict[tuple[str, int, int], Flags] = {}
        self._subjects: dict[tuple[str, int], bytes] = {}
        self._recent: set[int] = set()
        self.commands = 0

    def flags_at(self, box: str, uid: int, modseq: int, flags: Flags) -> None:
        with self._lock:
            known = self._flags.setdefault((box, uid, modseq), flags)
        assert known == flags, f"{box} {uid} at {modseq}: one was told {known}, another {flags}"

    def subject_of(self, box: str, uid: int, subject: bytes) -> None:
        with self._lock:
            known = self._subjects.setdefault((box, uid), subject)
        assert known == subject, f"{box} {uid} is {known} to one and {subject} to another"

    def subject(self, box: str, uid: int) -> bytes | None:
        with self._lock:
            return self._subjects.get((box, uid))


class Walker:
    """One client and its random way."""

    def __init__(self, stack: Stack, login: str, shared: Shared, seed: int) -> None:
        self.client = Client(stack.facts["imaps_port"], tls=stack.facts["ca_file"], timeout=60)
        self.client.line()
        self.client.ok(f'LOGIN {login} "{stack.user(login)["password"]}"')
        self.client.ok("ENABLE CONDSTORE")
        self.shared = shared
        self.chance = random.Random(seed)
        self.letters = 0
        self.name = f"w{seed}"
        self.select(BOXES[0])

    # ---------------------------------------------------------------- one command

    def run(self, command: str | bytes) -> tuple[bytes, list[bytes]]:
        self.shared.commands += 1
        *untagged, tagged = self.client.command(command)
        verb = command.split()[0]
        assert tagged.split(b" ")[1] == b"OK" or b"[EXPUNGEISSUED]" in tagged, (command, untagged, tagged)
        self.hear(untagged, removals=verb not in ("FETCH", "STORE", "SEARCH"))
        return tagged, untagged

    def hear(self, untagged: list[bytes], *, removals: bool) -> None:
        self.picture.hear(untagged, removals=removals)
        for one in self.picture.messages:
            if one.uid in self.picture.heard and one.uid is not None and one.flags is not None:
                assert one.modseq, "flags without a mod-sequence, with CONDSTORE"
                self.shared.flags_at(self.box, one.uid, one.modseq, one.flags)

    def catch_up(self) -> None:
        """Ask who the new messages are, as clients do."""
        if None in self.picture.uids:
            self.run(f"FETCH {self.picture.uids.index(None) + 1}:* (UID FLAGS)")

    def select(self, box: str) -> None:
        self.box, self.picture = box, Picture()
        self.run(f"SELECT {box}")
        self.catch_up()

    # ---------------------------------------------------------------- the way

    def walk(self, steps: int) -> None:
        ways = (*[self.store] * 4, *[self.fetch] * 3, self.append, self.append, self.copy, self.move)
        rarer = (self.expunge, self.uid_expunge, self.search, self.idle, self.noop, self.leave)
        for _ in range(steps):
            self.chance.choice((*ways, *rarer))()
            self.catch_up()

    def some(self) -> tuple[int, int] | None:
        count = len(self.picture.messages)
        if not count:
            return None
        low = self.chance.randint(1, count)
        return low, min(count, low + self.chance.randint(0, 5))

    def store(self) -> None:
        some = self.some()
        if some is None:
            return
        low, high = some
        flag, sign, silent = self.chance.choice(FLAGS), self.chance.choice("+-"), self.chance.random() < 0.5
        meant = [(one.uid, one.flags) for one in self.picture.messages[low - 1 : high]]
        tagged, untagged = self.run(f"STORE {low}:{high} {sign}FLAGS{'.SILENT' * silent} ({flag})")
        answered = {int(one.split()[1]) for one in untagged if b" FETCH (" in one and b"FLAGS (" in one}
        told_modseq = {int(one.split()[1]) for one in untagged if b"MODSEQ (" in one}
        for number, (uid, before) in enumerate(meant, low):
            if number in answered or uid is None:
                continue
            # A message that is gone is not answered, by number that is told at the end.
            assert silent or b"[EXPUNGEISSUED]" in tagged, "the new flags were not told"
            message = self.picture.messages[number - 1]
            if silent and before is not None and number in told_modseq:
                given = {flag.encode()}
                message.flags = before | given if sign == "+" else before - given
                self.shared.flags_at(self.box, uid, message.modseq, message.flags)

    def fetch(self) -> None:
        some = self.some()
        if some is None:
            return
        low, high = some
        item = self.chance.choice(("BODY.PEEK[HEADER.FIELDS (SUBJECT)]", "BODY.PEEK[]", "ENVELOPE", "BODY[]"))
        tagged, untagged = self.run(f"FETCH {low}:{high} (UID {item})")
        answers = [one for one in untagged if (b"BODY[" in one or b"ENVELOPE" in one)]
        assert len(answers) == high - low + 1 or b"[EXPUNGEISSUED]" in tagged
        for one in answers:
            found = re.search(rb"FETCH \(UID (\d+).*?(?:Subject: |\")(w\d+-\d+)", one, re.DOTALL)
            assert found, one
            self.shared.subject_of(self.box, int(found[1]), found[2])

    def append(self) -> None:
        self.letters += 1
        subject = f"{self.name}-{self.letters}"
        box, octets = self.chance.choice(BOXES), letter(subject)
        tagged, _ = self.run(b"APPEND %b (%b) {%d+}\r\n%b" % (box.encode(), b"un", len(octets), octets))
        found = re.search(rb"\[APPENDUID \d+ (\d+)\]", tagged)
        assert found
        self.shared.subject_of(box, int(found[1]), subject.encode())

    def copy(self, verb: str = "COPY") -> None:
        some = self.some()
        if some is None:
            return
        (to,) = (box for box in BOXES if box != self.box)
        tagged, untagged = self.run(f"{verb} {some[0]}:{some[1]} {to}")
        for one in (*untagged, tagged):
            if found := re.search(rb"\[COPYUID \d+ ([0-9:,]+) ([0-9:,]+)\]", one):
                for old, new in zip(numbers(found[1]), numbers(found[2]), strict=True):
                    subject = self.shared.subject(self.box, old)
                    if subject is not None:
                        self.shared.subject_of(to, new, subject)

    def move(self) -> None:
        self.copy("MOVE")

    def expunge(self) -> None:
        self.run("EXPUNGE")

    def uid_expunge(self) -> None:
        known = [uid for uid in self.picture.uids if uid is not None]
        if known:
            self.run(f"UID EXPUNGE {self.chance.choice(known)}:{known[-1]}")

    def search(self) -> None:
        _, untagged = self.run(self.chance.choice(("SEARCH UNSEEN", "UID SEARCH DELETED", "SEARCH KEYWORD un")))
        assert sum(one.startswith(b"* SEARCH") for one in untagged) == 1

    def idle(self) -> None:
        self.client.send(b"i IDLE\r\n")
        while not (line := self.client.response()).startswith(b"+"):
            self.hear([line], removals=True)
        self.client.send(b"DONE\r\n")
        for one in self.client.until(b"i"):
            self.hear([one], removals=True)

    def noop(self) -> None:
        self.run("NOOP")

    def leave(self) -> None:
        if self.chance.random() < 0.3:
            self.client.ok("CLOSE")
        self.select(self.chance.choice(BOXES))

    # ---------------------------------------------------------------- the end

    def agrees(self, truth: list[tuple[int | None, Flags | None]]) -> bool:
        return self.believes() == truth

    def differs(self, truth: list[tuple[int | None, Flags | None]]) -> str:
        believed = self.believes()
        return f"believed only: {set(believed) - set(truth)}, true only: {set(truth) - set(believed)}"

    def believes(self) -> list[tuple[int | None, Flags | None]]:
        self.run("NOOP")
        self.catch_up()
        return [(one.uid, one.flags) for one in self.picture.messages]


@pytest.fixture
def walkers(stack: Stack) -> Iterator[list[Walker]]:
    shared = Shared()
    login = str(stack.facts["users"][1]["login"])
    with stack.imap(login) as client:
        for box in BOXES:
            assert client.create(box)[0] == "OK"
    made = [Walker(stack, login, shared, seed) for seed in range(SESSIONS)]
    yield made
    for one in made:
        one.client.close()


def test_ten_sessions_in_two_processes(stack: Stack, walkers: list[Walker]) -> None:
    with ThreadPoolExecutor(SESSIONS) as pool:
        for done in [pool.submit(one.walk, STEPS) for one in walkers]:
            done.result()
    assert walkers[0].shared.commands > SESSIONS * STEPS // 2
    for box in BOXES:
        here = [one for one in walkers if one.box == box]
        fresh = Walker(stack, str(stack.facts["users"][1]["login"]), Shared(), 99)
        fresh.select(box)
        truth = fresh.believes()
        # The bell from one process to the other may be on its way.
        for one in here:
            assert eventually(partial(one.agrees, truth)), f"{one.name} ends in another {box}: {one.differs(truth)}"
        (status,) = fresh.client.ok(f"STATUS {box} (MESSAGES UNSEEN DELETED)")
        counts = [int(number) for number in re.findall(rb" (\d+)", status)]
        unseen = sum(b"\\Seen" not in (flags or ()) for _, flags in truth)
        assert counts == [len(truth), unseen, sum(b"\\Deleted" in (flags or ()) for _, flags in truth)]
        fresh.client.close()
    log = stack.output()
    assert "unknown_failure" not in log
    assert "session_failed" not in log
    assert "no_news" not in log

"""Two sessions do random things to one mailbox; each one's picture of it must always be one that could be true.

The client keeps its own numbering, as a mail program does, from EXISTS and EXPUNGE alone. At the end, after NOOP, both
pictures and the store agree on every message and flag.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

from storage.model import FlagChange, System
from tests.fakes.imap_service import Client, Service, letter, service, signed_in

_FETCH = re.compile(rb"\* (\d+) FETCH \((.*)\)")
_SYSTEM = (b"\\Seen", b"\\Flagged", b"\\Answered", b"\\Deleted", b"un", b"deux")


class Picture:
    """What one client believes."""

    def __init__(self, service: Service, seed: int, *enable: str) -> None:
        self.client: Client = signed_in(service)
        self.by_uid = "QRESYNC" in enable
        if enable:
            self.client.ok(f"ENABLE {' '.join(enable)}")
        self.chance = random.Random(seed)
        #: UID (None until told) and flags of each message.
        self.messages: list[dict[str, object]] = []
        self.recent: set[int] = set()
        self.run("SELECT INBOX")
        self.run("FETCH 1:* (UID FLAGS)")

    def run(self, command: str | bytes, *, removals: bool = True) -> bytes:
        *untagged, tagged = self.client.command(command)
        assert b" BAD " not in tagged, (command, tagged)
        for response in untagged:
            self.hear(response, removals)
        return tagged

    def hear(self, response: bytes, removals: bool) -> None:
        words = response.split(b" ")
        if words[2:] == [b"EXISTS"]:
            assert int(words[1]) >= len(self.messages), "EXISTS never makes the count smaller"
            self.messages += [{} for _ in range(int(words[1]) - len(self.messages))]
        elif words[2:] == [b"EXPUNGE"]:
            assert removals, "EXPUNGE in answer to a command that uses numbers"
            assert not self.by_uid, "EXPUNGE to a client that was promised VANISHED"
            assert 1 <= int(words[1]) <= len(self.messages)
            del self.messages[int(words[1]) - 1]
        elif words[1:2] == [b"VANISHED"]:
            assert removals, "VANISHED in answer to a command that uses numbers"
            self.vanish(words[2])
        elif found := _FETCH.fullmatch(response):
            message = self.messages[int(found[1]) - 1]
            if uid := re.search(rb"UID (\d+)", found[2]):
                assert message.setdefault("uid", int(uid[1])) == int(uid[1]), "a number changed its message"
                uids = [one["uid"] for one in self.messages if "uid" in one]
                assert uids == sorted(uids)  # type: ignore[type-var]
            if flags := re.search(rb"FLAGS \((.*?)\)", found[2]):
                named = set(flags[1].split())
                if b"\\Recent" in named and isinstance(message.get("uid"), int):
                    self.recent.add(message["uid"])  # type: ignore[arg-type]
                message["flags"] = named - {b"\\Recent"}

    def vanish(self, uids: bytes) -> None:
        """A UID that the client was not told yet is that of a message after those with lower ones."""
        for member in uids.split(b","):
            low, _, high = member.partition(b":")
            for uid in range(int(low), int(high or low) + 1):
                known: list[Any] = [one.get("uid") for one in self.messages]
                lower = [place for place, one in enumerate(known) if one is not None and one < uid]
                place = known.index(uid) if uid in known else max(lower, default=-1) + 1
                assert self.messages[place].get("uid", uid) == uid, "VANISHED of a message that is not there"
                del self.messages[place]

    def step(self) -> None:
        chance, count = self.chance, len(self.messages)
        number = chance.randint(1, max(count, 1))
        flag = chance.choice(_SYSTEM).decode()
        match chance.randrange(9) if count else 6:
            case 0:
                self.run(f"STORE {number} {chance.choice('+-')}FLAGS ({flag})", removals=False)
            case 1:
                self.run(f"FETCH {number}:* (UID FLAGS)", removals=False)
            case 2:
                self.run("SEARCH ALL", removals=False)
            case 3:
                self.run(f"UID STORE {chance.randint(1, 30)}:* +FLAGS ({flag})")
            case 4:
                self.run("EXPUNGE")
            case 5:
                self.run(f"COPY {number} INBOX")
            case 6:
                octets = letter("x")
                self.run(b"APPEND INBOX {%d+}\r\n%b" % (len(octets), octets))
            case 7:
                self.silently(number, flag)
            case 8:
                self.run("NOOP")

    def silently(self, number: int, flag: str) -> None:
        """The client changes its own picture, for it will not be told."""
        before = self.messages[number - 1]
        tagged = self.run(f"STORE {number} +FLAGS.SILENT ({flag})", removals=False)
        if b" OK" in tagged and isinstance(before.get("flags"), set):
            before["flags"] = before["flags"] | {flag.encode()}  # type: ignore[operator]

    def settle(self) -> list[tuple[object, object]]:
        self.run("NOOP")
        # Flags of messages that were never asked for are asked for now; the others must have been told.
        known = [dict(message) for message in self.messages]
        self.run("FETCH 1:* (UID FLAGS)")
        for before, after in zip(known, self.messages, strict=True):
            assert before.get("flags", after["flags"]) == after["flags"], "a change was never told"
        return [(message["uid"], message["flags"]) for message in self.messages]


@pytest.mark.parametrize("enable", [(), ("QRESYNC",)], ids=["numbers", "qresync"])
@pytest.mark.parametrize("seed", range(6))
def test_two_sessions(tmp_path: Path, seed: int, enable: tuple[str, ...]) -> None:
    with service(tmp_path) as running:
        running.fill("INBOX", 5)
        pictures = [Picture(running, seed * 2), Picture(running, seed * 2 + 1, *enable)]
        chance = random.Random(seed)
        for _ in range(150):
            if chance.random() < 0.1:
                running.deliver()
            elif chance.random() < 0.1:
                behind_their_backs(running, chance)
            else:
                chance.choice(pictures).step()
        first, second = (picture.settle() for picture in pictures)
        assert first == second
        rows = running.store.view(running.account, running.store.mailbox(running.account, "INBOX").id).rows
        assert [uid for uid, _ in first] == [row.uid for row in rows]
        assert not pictures[0].recent & pictures[1].recent, "one message was recent in two sessions"


def behind_their_backs(running: Service, chance: random.Random) -> None:
    """Another process changes flags and removes messages."""
    box = running.store.mailbox(running.account, "INBOX")
    uids = running.store.view(running.account, box.id).uids
    some = chance.sample(list(uids), min(2, len(uids)))
    running.store.store_flags(running.account, box.id, some, FlagChange.ADD, int(System.DELETED), ())
    if chance.random() < 0.5:
        running.store.expunge(running.account, box.id, some[:1])

"""What one client believes of its mailbox, from the untagged responses alone (RFC 3501 sections 5.2, 7.3, 7.4).

Each response is checked as it comes: numbers in range, removals only where they are allowed, a UID that stays at its
message, mod-sequences that only rise, and flags that change only with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NUMBERED = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE|RECENT|FETCH)(?: \((.*)\))?", re.DOTALL)
_UID = re.compile(rb"UID (\d+)")
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_MODSEQ = re.compile(rb"MODSEQ \((\d+)\)")
_VANISHED = re.compile(rb"\* VANISHED (?:\((EARLIER)\) )?([0-9:,]+)")

Flags = frozenset[bytes]

RECENT = b"\\Recent"


@dataclass
class Believed:
    """One message; what was never told is None."""

    uid: int | None = None
    flags: Flags | None = None
    modseq: int = 0


class Picture:
    """A client's list of messages. ``heard`` holds the UIDs whose flags the running command told."""

    def __init__(self) -> None:
        self.messages: list[Believed] = []
        self.recent: set[int] = set()
        self.heard: set[int] = set()

    def hear(self, responses: Iterable[bytes], *, removals: bool) -> None:
        """Take the untagged responses of one command."""
        self.heard.clear()
        for response in responses:
            if found := _NUMBERED.fullmatch(response):
                self._numbered(int(found[1]), found[2], found[3] or b"", removals)
            elif vanished := _VANISHED.fullmatch(response):
                assert vanished[1] or removals, "VANISHED in answer to a command that uses numbers"
                gone = set(numbers(vanished[2]))
                self.messages = [one for one in self.messages if one.uid not in gone]

    def _numbered(self, number: int, kind: bytes, data: bytes, removals: bool) -> None:
        match kind:
            case b"EXISTS":
                assert number >= len(self.messages), "EXISTS never makes the count smaller"
                self.messages += [Believed() for _ in range(number - len(self.messages))]
            case b"EXPUNGE":
                assert removals, "EXPUNGE in answer to a command that uses numbers"
                assert 1 <= number <= len(self.messages), "EXPUNGE of a number that is not there"
                del self.messages[number - 1]
            case b"RECENT":
                assert number <= len(self.messages)
            case b"FETCH":
                assert 1 <= number <= len(self.messages), "FETCH of a number that is not there"
                self._fetched(number, data.partition(b" BODY[")[0])

    def _fetched(self, number: int, data: bytes) -> None:
        message = self.messages[number - 1]
        if uid := _UID.search(data):
            assert message.uid in (None, int(uid[1])), "a number changed its message"
            message.uid = int(uid[1])
            around = [one.uid for one in self.messages[max(0, number - 2) : number + 1] if one.uid is not None]
            assert around == sorted(set(around)), "UIDs rise with the numbers"
        before, at = message.flags, message.modseq
        if modseq := _MODSEQ.search(data):
            assert int(modseq[1]) >= at, "a mod-sequence fell"
            message.modseq = int(modseq[1])
        if flags := _FLAGS.search(data):
            named = frozenset(flags[1].split())
            if RECENT in named and message.uid is not None:
                self.recent.add(message.uid)
            message.flags = named - {RECENT}
            if modseq and before is not None and message.modseq == at:
                assert message.flags == before, "flags changed, the mod-sequence did not"
            if message.uid is not None:
                self.heard.add(message.uid)

    @property
    def uids(self) -> list[int | None]:
        return [one.uid for one in self.messages]

    def flags_of(self, uid: int) -> Flags | None:
        return next(one.flags for one in self.messages if one.uid == uid)


def numbers(text: bytes) -> list[int]:
    """The members of a set without ``*``, in the order written."""
    members: list[int] = []
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        members += range(int(low), int(high or low) + 1)
    return members

"""Four sessions in two processes do anything at all to two mailboxes; a simple model says what must come of it.

The sessions are engines without sockets over real stores: two ``Store`` objects on one database, as two processes have
them, so that views are shared between some sessions and not between others. The model is a dictionary of flags by UID.
After every command the rows in the database must be what the model expects, each session's picture (kept from untagged
responses alone) must be one that could be true, and where the bell was heard it must be the truth itself.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from config.settings import Store as StoreSettings
from directory.model import Account, Role
from imap.wire.encoder import flags as rendered
from message.content import MemoryContent
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.index import mailboxes, messages
from storage.model import Filing, FlagChange, System
from storage.store import Store
from tests.fakes.imap_engine import Engine, services_of
from tests.fakes.imap_picture import Flags, Picture, numbers
from tests.fakes.imap_service import letter

BOXES = ("INBOX", "Archive")
FLAGS = (b"\\Seen", b"\\Flagged", b"\\Deleted", b"un", b"deux")
LETTER = letter("x")
KEYS: dict[str, tuple[bytes, bool]] = {
    "UNSEEN": (b"\\Seen", False),
    "SEEN": (b"\\Seen", True),
    "DELETED": (b"\\Deleted", True),
    "UNDELETED": (b"\\Deleted", False),
    "KEYWORD un": (b"un", True),
    "UNKEYWORD un": (b"un", False),
}


class Bells(Doorbell):
    """One bell for both processes, heard at once; or not at all, as may happen to any hint."""

    lost = False

    def ring(self, rings: Iterable[tuple[int, int]]) -> None:
        if not self.lost:
            for account, mailbox in set(rings):
                self._call(account, mailbox)


@dataclass
class Box:
    """The truth of a mailbox: flags and mod-sequence by UID, and every state that a message ever had."""

    flags: dict[int, Flags] = field(default_factory=dict)
    modseqs: dict[int, int] = field(default_factory=dict)
    history: dict[int, dict[int, Flags]] = field(default_factory=dict)
    highest: int = 1
    uidnext: int = 1

    def add(self, uid: int, flags: Flags) -> None:
        assert uid >= self.uidnext, "a UID was given twice"
        self.uidnext = uid + 1
        self.flags[uid] = flags

    def remove_deleted(self, among: Iterable[int] | None = None) -> None:
        for uid in list(self.flags if among is None else among):
            if b"\\Deleted" in self.flags.get(uid, ()):
                del self.flags[uid]


@dataclass
class Person:
    """A session and what its client believes."""

    engine: Engine
    box: str | None = None
    read_only: bool = False
    picture: Picture = field(default_factory=Picture)


people = st.integers(0, 3)
places = st.tuples(st.integers(1, 8), st.integers(0, 4))
flags_given = st.sets(st.sampled_from(FLAGS), min_size=1, max_size=2).map(lambda some: tuple(sorted(some)))
box_names = st.sampled_from(BOXES)


class Mailboxes(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="imap-model-"))
        self.databases = [Database(f"sqlite:///{self.folder}/index.db") for _ in range(2)]
        metadata.create_all(self.databases[0].engine)
        self.bells = Bells(self.folder / "bells")
        maildir = Maildir(self.folder / "mail")
        self.stores = [Store(database, maildir, StoreSettings(), self.bells) for database in self.databases]
        self.account = self.stores[0].open_account("marie")
        marie = Account("marie", "marie", "Marie", Role.TEACHER, None, ("marie@example.org",))
        processes = [services_of(store) for store in self.stores]
        self.people = [Person(Engine(processes[place % 2], marie, self.account)) for place in range(4)]
        self.boxes = {name: Box() for name in BOXES}
        with self.databases[0].read() as connection:
            every = mailboxes.every(connection, self.account)
        self.ids = {box.name: box.id for box in every if box.name in BOXES}
        for _ in range(3):
            self.deliver("INBOX")
        self.people[0].engine.command(b"ENABLE CONDSTORE")
        self.people[1].engine.command(b"ENABLE CONDSTORE")
        for place, box in enumerate(("INBOX", "INBOX", "INBOX", "Archive")):
            self.select(place, box, False)

    def teardown(self) -> None:
        if hasattr(self, "people"):
            try:
                self.settle()
            finally:
                for person in self.people:
                    person.engine.context.close()
                for store in self.stores:
                    store.close()
                for database in self.databases:
                    database.close()
                self.bells.close()
                shutil.rmtree(self.folder)

    # ---------------------------------------------------------------- what the database says

    @invariant()
    def rows_are_what_the_model_expects(self) -> None:
        if not hasattr(self, "people"):
            return
        for name, box in self.boxes.items():
            with self.databases[0].read() as connection:
                now = mailboxes.by_number(connection, self.account, self.ids[name])
                rows = messages.all_rows(connection, self.account, now.id)
            assert {row.uid: _names(row.system, row.keywords) for row in rows} == box.flags
            for row in rows:
                before = box.history.get(row.uid, {})
                if row.modseq != box.modseqs.get(row.uid):
                    assert row.modseq > box.highest, "a change without a higher mod-sequence"
                else:
                    assert before[row.modseq] == box.flags[row.uid], "a change without a mod-sequence"
            box.modseqs = {row.uid: row.modseq for row in rows}
            for uid, modseq in box.modseqs.items():
                box.history.setdefault(uid, {})[modseq] = box.flags[uid]
            assert now.highest_modseq >= max(box.highest, *box.modseqs.values(), 1)
            box.highest = now.highest_modseq
            assert (now.messages, now.size) == (len(rows), sum(row.size for row in rows))
            assert now.unseen == sum(b"\\Seen" not in flags for flags in box.flags.values())
            assert now.deleted == sum(b"\\Deleted" in flags for flags in box.flags.values())
        for person in self.people:
            if person.engine.idling:
                person.picture.hear(person.engine.pushed(), removals=True)
                self.agrees(person, all_told=True)

    # ---------------------------------------------------------------- what the sessions say

    def awake(self, place: int) -> Person:
        person = self.people[place]
        if person.engine.idling:
            self.judge(person, person.engine.done(), removals=True)
            self.told(person, removals=True)
        return person

    def run(self, person: Person, command: str, literal: bytes | None = None) -> tuple[bytes, list[bytes]]:
        """The tagged response and the untagged ones, heard and judged."""
        verb = command.split()[0]
        removals = verb not in ("FETCH", "STORE", "SEARCH")
        return self.judge(person, person.engine.command(command.encode(), literal), removals=removals)

    def judge(self, person: Person, responses: list[bytes], *, removals: bool) -> tuple[bytes, list[bytes]]:
        *untagged, tagged = responses
        assert tagged.startswith((b"t OK", b"t NO")), tagged
        person.picture.hear(untagged, removals=removals)
        return tagged, untagged

    def told(self, person: Person, *, removals: bool) -> None:
        """After a command's effects are in the model."""
        self.rows_are_what_the_model_expects()
        self.agrees(person, all_told=removals)
        if person.box is not None and None in person.picture.uids:
            first = person.picture.uids.index(None) + 1
            self.judge(person, person.engine.command(b"FETCH %d:* (UID FLAGS)" % first), removals=False)

    def agrees(self, person: Person, *, all_told: bool) -> None:
        """The picture is a state that was, and the present one if the bell was heard."""
        if person.box is None:
            return
        truth, picture = self.boxes[person.box], person.picture
        for one in picture.messages:
            if one.uid is not None and one.flags is not None and one.modseq:
                known = truth.history[one.uid].get(one.modseq)
                assert known is None or known == one.flags, "flags that this mod-sequence never had"
        if self.bells.lost or person.engine.context.may_have_news:
            return
        here = list(truth.flags)
        if all_told:
            assert len(picture.messages) == len(here)
            believed = picture.messages
        else:
            believed = [one for one in picture.messages if one.uid is None or one.uid in truth.flags]
            believed = [one for one in believed if one.uid is not None]
            here = [one.uid for one in believed if one.uid is not None]
        for one, uid in zip(believed, here, strict=True):
            assert one.uid in (None, uid), "the numbering is not the mailbox"
            assert one.flags in (None, truth.flags[uid]), "a change was never told"

    def chosen(self, person: Person, place: tuple[int, int], uid: bool) -> tuple[str, list[int | None]] | None:
        """A set of numbers or UIDs that the session has, and the UIDs meant (None where it knows none)."""
        count = len(person.picture.messages)
        if person.box is None or not count:
            return None
        low = min(place[0], count)
        some = person.picture.uids[low - 1 : low + place[1]]
        if not uid:
            return f"{low}:{low + len(some) - 1}", some
        known = [one for one in some if one is not None]
        return (f"{known[0]}:{known[-1]}", list(known)) if known else None

    # ---------------------------------------------------------------- rules

    @rule(place=people, box=box_names, read_only=st.booleans())
    def select(self, place: int, box: str, read_only: bool) -> None:
        person = self.awake(place)
        person.picture = Picture()
        tagged, _ = self.run(person, f"{'EXAMINE' if read_only else 'SELECT'} {box}")
        assert tagged.startswith(b"t OK")
        person.box, person.read_only = box, read_only
        self.told(person, removals=True)

    @rule(place=people, closing=st.booleans())
    def leave(self, place: int, closing: bool) -> None:
        person = self.awake(place)
        if person.box is None:
            return
        tagged, untagged = self.run(person, "CLOSE" if closing else "UNSELECT")
        assert tagged.startswith(b"t OK")
        assert untagged == []
        if closing and not person.read_only:
            self.boxes[person.box].remove_deleted()
        person.box = None

    @rule(place=people, verb=st.sampled_from(["NOOP", "CHECK"]))
    def noop(self, place: int, verb: str) -> None:
        person = self.awake(place)
        if person.box is not None:
            self.run(person, verb)
            self.told(person, removals=True)

    @rule(box=box_names)
    def deliver(self, box: str) -> None:
        store = self.stores[1]
        uid = store.deliver([Filing(self.account, box)], MemoryContent(LETTER), None, 1_780_000_000)[0][2]
        self.boxes[box].add(uid, frozenset())

    @rule(place=people, box=box_names, given=flags_given)
    def append(self, place: int, box: str, given: tuple[bytes, ...]) -> None:
        person = self.awake(place)
        flags = b" ".join(given).decode()
        tagged, _ = self.run(person, f"APPEND {box} ({flags}) ", LETTER)
        found = re.match(rb"t OK \[APPENDUID \d+ (\d+)\]", tagged)
        assert found, tagged
        self.boxes[box].add(int(found[1]), frozenset(given))
        self.told(person, removals=True)

    @rule(
        place=people,
        where=places,
        uid=st.booleans(),
        sign=st.sampled_from(["+", "-", ""]),
        given=flags_given,
        silent=st.booleans(),
        back=st.none() | st.integers(0, 6),
    )
    def store(
        self,
        place: int,
        where: tuple[int, int],
        uid: bool,
        sign: str,
        given: tuple[bytes, ...],
        silent: bool,
        back: int | None,
    ) -> None:
        person = self.awake(place)
        meant = self.chosen(person, where, uid)
        if meant is None or person.box is None:
            return
        box, (numbered, uids) = self.boxes[person.box], meant
        limit = None if back is None else max(box.highest - back, 0)
        modifier = "" if limit is None else f" (UNCHANGEDSINCE {limit})"
        words = b" ".join(given).decode()
        known = {one: person.picture.flags_of(one) for one in uids if one is not None}
        tagged, _ = self.run(
            person, f"{'UID ' * uid}STORE {numbered}{modifier} {sign}FLAGS{'.SILENT' * silent} ({words})"
        )
        if person.read_only:
            assert tagged.startswith(b"t NO [NOPERM]")
            self.told(person, removals=uid)
            return
        there = [one for one in uids if one in box.flags]
        refused = [one for one in there if limit is not None and one is not None and box.modseqs[one] > limit]
        if refused:
            kind = rb"NO" if len(there) < len(uids) and not uid else rb"OK"
            found = re.match(rb"t %b \[MODIFIED ([0-9:,]+)\]" % kind, tagged)
            assert found, tagged
            named = numbers(found[1])
            assert [one if uid else person.picture.uids[one - 1] for one in named] == refused
        elif len(there) < len(uids) and not uid:
            assert tagged.startswith(b"t NO [EXPUNGEISSUED]")
        else:
            assert tagged.startswith(b"t OK")
        for one in there:
            if one is None or one in refused:
                continue
            box.flags[one] = _changed(box.flags[one], sign, given)
            if one in person.picture.heard:
                assert person.picture.flags_of(one) == box.flags[one], "the last thing told of a message is its flags"
            else:
                assert silent, "the new flags were not told"
                before = known[one]
                message = next(each for each in person.picture.messages if each.uid == one)
                message.flags = None if before is None and sign else _changed(before or frozenset(), sign, given)
                assert message.flags in (None, box.flags[one]), "another's change was not told"
        self.told(person, removals=uid)

    @rule(place=people, where=st.none() | places)
    def expunge(self, place: int, where: tuple[int, int] | None) -> None:
        person = self.awake(place)
        if person.box is None:
            return
        box = self.boxes[person.box]
        meant = None if where is None else self.chosen(person, where, True)
        tagged, _ = self.run(person, "EXPUNGE" if meant is None else f"UID EXPUNGE {meant[0]}")
        if person.read_only:
            assert tagged.startswith(b"t NO [NOPERM]")
            self.told(person, removals=True)
            return
        assert tagged.startswith(b"t OK")
        box.remove_deleted(None if meant is None else [one for one in meant[1] if one is not None])
        self.told(person, removals=True)

    @rule(place=people, where=places, uid=st.booleans(), move=st.booleans(), to=box_names)
    def transfer(self, place: int, where: tuple[int, int], uid: bool, move: bool, to: str) -> None:
        person = self.awake(place)
        meant = self.chosen(person, where, uid)
        if meant is None or person.box is None:
            return
        box, target = self.boxes[person.box], self.boxes[to]
        tagged, untagged = self.run(person, f"{'UID ' * uid}{'MOVE' if move else 'COPY'} {meant[0]} {to}")
        if move and person.read_only:
            assert tagged.startswith(b"t NO [NOPERM]")
            self.told(person, removals=True)
            return
        there = [one for one in meant[1] if one in box.flags]
        if not uid and len(there) < len(meant[1]):
            assert tagged.startswith(b"t NO [EXPUNGEISSUED]"), "all or nothing, by number"
            self.told(person, removals=True)
            return
        assert tagged.startswith(b"t OK")
        codes = [one for one in (*untagged, tagged) if b"[COPYUID " in one]
        assert bool(codes) == bool(there)
        if there:
            found = re.search(rb"\[COPYUID \d+ ([0-9:,]+) ([0-9:,]+)\]", codes[0])
            assert found, codes
            assert numbers(found[1]) == there
            for old, new in zip(numbers(found[1]), numbers(found[2]), strict=True):
                target.add(new, box.flags[old])
                if move:
                    del box.flags[old]
        self.told(person, removals=True)

    @rule(
        place=people,
        where=places,
        uid=st.booleans(),
        items=st.sampled_from(["FLAGS", "(UID FLAGS MODSEQ)", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "BODY[]"]),
        back=st.none() | st.integers(0, 6),
    )
    def fetch(self, place: int, where: tuple[int, int], uid: bool, items: str, back: int | None) -> None:
        person = self.awake(place)
        meant = self.chosen(person, where, uid)
        if meant is None or person.box is None:
            return
        box = self.boxes[person.box]
        # Without a bell a session goes by what it was told, and the model does not know what it will leave out.
        since = None if back is None or self.bells.lost else max(box.highest - back, 0)
        modifier = "" if since is None else f" (CHANGEDSINCE {since})"
        tagged, untagged = self.run(person, f"{'UID ' * uid}FETCH {meant[0]} {items}{modifier}")
        there = [one for one in meant[1] if one is not None and one in box.flags]
        if tagged.startswith(b"t NO"):
            assert tagged.startswith(b"t NO [EXPUNGEISSUED]")
            assert not uid
            assert len(there) < len(meant[1])
        elif not self.bells.lost and not uid:
            assert len(there) == len(meant[1]), "a message was left out in silence"
        # With UIDs, removals are told after the answers: the numbers of the answers are not those of the picture now.
        fetched = [one for one in untagged if b" FETCH (" in one]
        if uid:
            answered = {int(found[1]) for one in fetched if (found := re.search(rb"UID (\d+)", one))}
        else:
            answered = {person.picture.uids[int(one.split()[1]) - 1] for one in fetched}
        for one in there:
            changed = since is None or box.modseqs[one] > since
            if changed and not self.bells.lost and one in person.picture.uids:
                assert one in answered, "a message was not answered"
            if items == "BODY[]" and not person.read_only and changed:
                box.flags[one] |= {b"\\Seen"}
        self.told(person, removals=uid)

    @rule(place=people, uid=st.booleans(), key=st.sampled_from(sorted(KEYS)))
    def search(self, place: int, uid: bool, key: str) -> None:
        person = self.awake(place)
        if person.box is None:
            return
        box, (flag, wanted) = self.boxes[person.box], KEYS[key]
        before = list(person.picture.messages)
        _, untagged = self.run(person, f"{'UID ' * uid}SEARCH {key}")
        (line,) = [one for one in untagged if one.startswith(b"* SEARCH")]
        found = [int(word) for word in line.split()[2:]]
        # With its UID form, removals are told after the result: numbers there are UIDs.
        numbered = person.picture.messages if not uid else before
        expected = [
            one.uid if uid else number
            for number, one in enumerate(numbered, 1)
            if one.uid in box.flags and (flag in box.flags[one.uid]) is wanted  # type: ignore[index]
        ]
        unnumbered = {number for number, one in enumerate(numbered, 1) if one.uid is None}
        known = set(person.picture.uids) | {one.uid for one in before}
        assert [one for one in found if (one in known if uid else one not in unnumbered)] == expected
        self.told(person, removals=uid)

    @rule(place=people, name=box_names)
    def status(self, place: int, name: str) -> None:
        person, box = self.awake(place), self.boxes[name]
        _, untagged = self.run(person, f"STATUS {name} (MESSAGES UNSEEN DELETED UIDNEXT HIGHESTMODSEQ)")
        unseen = sum(b"\\Seen" not in flags for flags in box.flags.values())
        deleted = sum(b"\\Deleted" in flags for flags in box.flags.values())
        (line,) = [one for one in untagged if one.startswith(b"* STATUS")]
        found = {word: int(number) for word, number in re.findall(rb"([A-Z]+) (\d+)", line)}
        assert found.pop(b"UIDNEXT") >= box.uidnext
        assert found == {
            b"MESSAGES": len(box.flags),
            b"UNSEEN": unseen,
            b"DELETED": deleted,
            b"HIGHESTMODSEQ": box.highest,
        }
        self.told(person, removals=True)

    @rule(place=people)
    def idle(self, place: int) -> None:
        person = self.awake(place)
        if person.box is not None:
            person.picture.hear(person.engine.command(b"IDLE"), removals=True)

    @rule(lost=st.booleans())
    def bells_are_lost(self, lost: bool) -> None:
        self.bells.lost = lost
        if not lost:
            for person in self.people:
                person.engine.context.look_again()

    @rule()
    def settle(self) -> None:
        """Everybody looks: all pictures are the truth."""
        self.bells_are_lost(False)
        recent: list[int] = []
        for place, person in enumerate(self.people):
            self.noop(place, "NOOP")
            if person.box is not None:
                self.run(person, "FETCH 1:* (UID FLAGS)" if person.picture.messages else "NOOP")
                assert person.picture.uids == list(self.boxes[person.box].flags)
                assert [one.flags for one in person.picture.messages] == list(self.boxes[person.box].flags.values())
            if person.box == "INBOX" and not person.read_only:
                recent += person.picture.recent
        assert len(recent) == len(set(recent)), "one message was recent in two sessions"


def _names(system: int, keywords: tuple[str, ...]) -> Flags:
    return frozenset(rendered(int(System(system)), keywords, False)[7:-1].split())


def _changed(flags: Flags, sign: str, given: tuple[bytes, ...]) -> Flags:
    match FlagChange(sign or "="):
        case FlagChange.ADD:
            return flags | set(given)
        case FlagChange.REMOVE:
            return flags - set(given)
        case FlagChange.REPLACE:
            return frozenset(given)


# Without shrinking: the steps can be read as they are, and each try costs a store.
Mailboxes.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
test_mailboxes = Mailboxes.TestCase

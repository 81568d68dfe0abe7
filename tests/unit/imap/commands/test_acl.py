"""Every command that touches a mailbox of somebody else, with every right but one (RFC 4314 section 4)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Auth, Site
from config.settings import Store as Settings
from directory.accounts import Accounts, NewAccount
from directory.model import Role
from directory.passwords import Passwords
from directory.sql import SqlDirectory
from message.content import MemoryContent
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.model import NewMessage, System
from storage.store import Store
from tests.fakes.imap_engine import Engine, services_of

ALL = "lrswipkxtea"

#: Command, right letters that it takes, whether it needs the mailbox selected. ``{box}`` is marie's, shared with paul.
NEEDS = (
    ('LIST "" {box}', "l", False),
    ("SELECT {box}", "r", False),
    ("EXAMINE {box}", "r", False),
    ("STATUS {box} (MESSAGES)", "r", False),
    ("APPEND {box}", "i", False),
    ("CREATE {box}/child", "k", False),
    ("DELETE {box}", "x", False),
    ("RENAME {box} user/marie/cibles/{new}", "x", False),
    ("RENAME {box}/below {box}/under", "k", False),
    ("SETACL {box} paul +l", "a", False),
    ("DELETEACL {box} marie", "a", False),
    ("GETACL {box}", "a", False),
    ("LISTRIGHTS {box} paul", "a", False),
    ("FETCH 1 FLAGS", "r", True),
    ("SEARCH ALL", "r", True),
    ("STORE 1 +FLAGS (\\Seen)", "rs", True),
    ("STORE 1 +FLAGS (\\Deleted)", "rt", True),
    ("STORE 1 +FLAGS (\\Flagged)", "rw", True),
    ("STORE 1 -FLAGS ($Label)", "rw", True),
    ("EXPUNGE", "re", True),
    ("COPY 1 INBOX", "r", True),
    ("MOVE 1 INBOX", "rte", True),
    ("COPY 1 {box}", "ri", True),
    ("CLOSE", "r", True),
)


class Stack:
    """A store and a directory with marie, who shares, and paul, whose session it is."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder}/index.db")
        metadata.create_all(self.database.engine)
        self.doorbell = Doorbell(folder / "bells")
        self.store = Store(self.database, Maildir(folder / "mail"), Settings(), self.doorbell)
        accounts = Accounts(self.database, Passwords(Auth()))
        for login in ("marie", "paul"):
            accounts.add(NewAccount(login, login, Role.TEACHER, (f"{login}@example.org",)))
        self.people = SqlDirectory(self.database, Site(domains=("example.org",)), Passwords(Auth()))
        self.marie, self.paul = accounts.show("marie"), accounts.show("paul")
        self.number = self.store.open_account(self.marie.key)
        self.services = services_of(self.store, self.people)
        self._names = (f"box{n}" for n in itertools.count())
        self._give(self.store.create(self.number, "cibles").id, "k")

    def shared(self, rights: str) -> str:
        """A mailbox of marie's with a mail in it, to which paul has these rights; its name for him."""
        name = next(self._names)
        box = self.store.create(self.number, name)
        self.store.append(self.number, box.id, [NewMessage(MemoryContent(b"Subject: a\r\n\r\nb\r\n"), System.DELETED)])
        self._give(box.id, rights)
        return f"user/marie/{name}"

    def _give(self, mailbox: int, rights: str) -> None:
        identifier = f"user:{self.paul.key}"
        self.store.sharing.change_acl(self.number, mailbox, identifier, lambda before: rights or None)

    def below(self, name: str) -> None:
        """A mailbox below one of those, to which paul has all rights."""
        inner = name.removeprefix("user/marie/")
        self._give(self.store.create(self.number, f"{inner}/below").id, ALL)

    def session(self) -> Engine:
        return Engine(self.services, self.paul, self.store.open_account(self.paul.key))

    def run(self, command: str, name: str, selected: bool) -> list[bytes]:
        """Answers of the command, in a new session."""
        if "below" in command:
            self.below(name)
        session = self.session()
        if selected:
            answers = session.command(f"SELECT {name}".encode())
            if not answers[-1].startswith(b"t OK"):
                return answers
        text = command.format(box=name, new=next(self._names)).encode()
        if text.startswith(b"APPEND"):
            return session.command(text + b" ", b"Subject: x\r\n\r\n")
        return session.command(text)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    one = Stack(tmp_path_factory.mktemp("rights"))
    yield one
    one.store.close()
    one.doorbell.close()
    one.database.close()


@pytest.mark.parametrize(("command", "needed", "selected"), NEEDS, ids=[row[0] for row in NEEDS])
def test_every_command_with_all_rights_but_one(stack: Stack, command: str, needed: str, selected: bool) -> None:
    lists = command.startswith("LIST ")
    for letter in ALL:
        answers = stack.run(command, stack.shared(ALL.replace(letter, "")), selected)
        worked = len(answers) > 1 if lists else answers[-1].startswith(b"t OK")
        assert worked is (letter not in needed), (command, letter, answers)
        if not worked and not lists:
            assert b"[NOPERM]" in answers[-1] if letter != "l" else b"[NONEXISTENT]" in answers[-1], answers


@pytest.mark.parametrize(("command", "needed", "selected"), NEEDS, ids=[row[0] for row in NEEDS])
def test_every_command_with_just_its_rights(stack: Stack, command: str, needed: str, selected: bool) -> None:
    answers = stack.run(command, stack.shared(needed), selected)
    assert answers[-1].startswith(b"t OK"), answers


@pytest.mark.parametrize(
    ("command", "needed", "selected"), [row for row in NEEDS if "below" not in row[0]], ids=lambda value: str(value)
)
def test_without_rights_it_is_as_if_nothing_were_there(stack: Stack, command: str, needed: str, selected: bool) -> None:
    shut, missing = stack.shared(""), "user/marie/nowhere"
    answers = stack.run(command, shut, selected)
    assert [one.replace(shut.encode(), b"") for one in answers] == [
        one.replace(missing.encode(), b"") for one in stack.run(command, missing, selected)
    ]
    assert answers[-1].startswith(b"t OK") is command.startswith("LIST ")


@pytest.mark.parametrize("letter", ALL)
def test_my_rights_tell_of_what_shows_a_mailbox(stack: Stack, letter: str) -> None:
    """RFC 4314 section 4: with none of l, r, i, k, x and a the mailbox is not there."""
    name = stack.shared(letter)
    answers = stack.run("MYRIGHTS {box}", name, False)
    assert answers[-1].startswith(b"t OK") is (letter in "lrikxa"), answers


@pytest.mark.parametrize(
    ("rights", "code"),
    [("lr", b"READ-ONLY"), ("lrpka", b"READ-ONLY"), *((f"lr{letter}", b"READ-WRITE") for letter in "swite")],
)
def test_select_says_whether_anything_can_change(stack: Stack, rights: str, code: bytes) -> None:
    assert code in stack.run("SELECT {box}", stack.shared(rights), False)[-1]


def test_without_s_reading_leaves_no_trace(stack: Stack) -> None:
    for rights, seen in (("lrwi", False), ("lrs", True)):
        answers = stack.run("FETCH 1 (FLAGS BODY[TEXT])", stack.shared(rights), True)
        assert (b"\\Seen" in answers[0]) is seen, answers


def test_close_removes_only_with_the_right_to(stack: Stack) -> None:
    for rights, left in (("lrw", b"MESSAGES 1"), ("lre", b"MESSAGES 0")):
        name = stack.shared(rights)
        session = stack.session()
        session.command(f"SELECT {name}".encode())
        session.command(b"CLOSE")
        assert left in session.command(f"STATUS {name} (MESSAGES)".encode())[0]

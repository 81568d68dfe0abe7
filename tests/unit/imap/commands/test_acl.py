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
from storage.model import FlagChange, NewMessage, System
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
    ("SETMETADATA {box} (/shared/comment NIL)", "lw", False),
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


# ---------------------------------------------------------------- annotations and notifications


@pytest.mark.parametrize("letter", ALL)
def test_annotations_take_l_and_one_of_five(stack: Stack, letter: str) -> None:
    """RFC 5464 section 3.3."""
    for command in ("GETMETADATA {box} /shared/comment", "SETMETADATA {box} (/private/comment NIL)"):
        answers = stack.run(command, stack.shared("l" + letter), False)
        assert answers[-1].startswith(b"t OK" if letter in "rswip" else b"t NO [NOPERM]"), answers
        answers = stack.run(command, stack.shared(letter.replace("l", "")), False)
        assert answers[-1].startswith(b"t NO [NONEXISTENT]"), answers


_GROUPS = "(subtree user (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange))"


def _stir(stack: Stack, inner: str) -> None:
    """All that could be told of a mailbox happens to it."""
    box = stack.store.mailbox(stack.number, inner)
    [uid] = stack.store.append(stack.number, box.id, [NewMessage(MemoryContent(b"Subject: a\r\n\r\nb\r\n"))])
    stack.store.store_flags(stack.number, box.id, [uid], FlagChange.ADD, int(System.SEEN), ())
    stack.store.annotations.change(stack.number, box.id, stack.number, {"/shared/comment": b"x", "/private/a": b"x"})
    stack.store.rename(stack.number, inner, inner + "-renamed")
    stack.store.create(stack.number, inner + "-renamed/child")
    stack.store.subscribe(stack.number, inner + "-renamed", True)
    stack.store.delete(stack.number, inner + "-renamed")


@pytest.mark.parametrize("rights", ["", "rswipkxtea", "i", "ps"])
def test_nothing_is_told_of_a_mailbox_that_may_not_be_known_of(stack: Stack, rights: str) -> None:
    name = stack.shared(rights)
    inner = name.removeprefix("user/marie/")
    session = stack.session()
    told = session.command(f"NOTIFY SET STATUS {_GROUPS} (mailboxes {name} (MessageNew MessageExpunge))".encode())
    session.command(b"ENABLE METADATA")
    _stir(stack, inner)
    told += session.command(b"NOOP") + session.command(b'LIST "" "user/*" RETURN (STATUS (MESSAGES))')
    assert not any(inner.encode() in one for one in told), told


def test_with_l_alone_it_is_told_that_it_is_there_and_nothing_of_what_it_holds(stack: Stack) -> None:
    name = stack.shared("l")
    inner = name.removeprefix("user/marie/")
    session = stack.session()
    told = session.command(f"NOTIFY SET STATUS {_GROUPS}".encode())
    assert b'* LIST (\\NoAccess) "/" ' + name.encode() in told
    _stir(stack, inner)
    told = session.command(b"NOOP")
    assert all(one.startswith((b"* LIST ", b"t OK")) for one in told), told
    assert not any(b"/private" in one or b"/shared" in one or b"\\Subscribed" in one for one in told), told


def test_rights_that_go_away_end_what_is_told_though_no_bell_rings(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stack.shared("lr")
    box = stack.store.mailbox(stack.number, name.removeprefix("user/marie/"))
    session = stack.session()
    session.command(f"NOTIFY SET {_GROUPS}".encode())
    with monkeypatch.context() as patch:
        patch.setattr(stack.doorbell, "ring", lambda rings: None)
        stack._give(box.id, "l")
    stack.store.append(stack.number, box.id, [NewMessage(MemoryContent(b"Subject: a\r\n\r\nb\r\n"))])
    assert session.command(b"NOOP")[:-1] == [b'* LIST (\\NoAccess) "/" ' + name.encode()]


@pytest.mark.parametrize("notify", ["NOTIFY NONE", "NOTIFY SET (personal (MailboxName))"])
def test_a_mailbox_of_which_nothing_is_told_is_closed_with_the_right_to_read(stack: Stack, notify: str) -> None:
    name = stack.shared("lr")
    box = stack.store.mailbox(stack.number, name.removeprefix("user/marie/"))
    session = stack.session()
    session.command(f"SELECT {name}".encode())
    assert session.command(notify.encode())[-1].startswith(b"t OK")
    assert session.command(b"FETCH 1 UID")[-1].startswith(b"t OK")
    stack._give(box.id, "l")
    told = session.command(b"FETCH 1 BODY.PEEK[]")
    assert told[0].startswith(b"* BYE"), told

"""Commands as written, and what they mean."""

from __future__ import annotations

from datetime import date

import pytest

from imap.wire import commands as c
from imap.wire.errors import BadName, ParseError
from imap.wire.parser import Limits, parse
from imap.wire.sets import NumberSet
from storage.model import (
    Age,
    AllOf,
    Body,
    Dated,
    DateField,
    FlagChange,
    Has,
    HasKeyword,
    Header,
    ModSeq,
    Size,
    System,
    Text,
    When,
)


def read(text: str | bytes, *literals: bytes, limits: Limits | None = None) -> c.Command:
    """A command; ``{}`` stands for the next literal."""
    octets = text.encode() if isinstance(text, str) else text
    return parse(tuple((b"a " + octets).split(b"{}")), literals, limits or Limits()).command


ONE = NumberSet(((1, 1),))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("noop", c.Noop()),
        ('LOGIN "a\\"b\\\\c" x', c.Login(b'a"b\\c', b"x")),
        ("select inbox", c.Select("inbox", False, False)),
        ("EXAMINE InBox/Sub (CONDSTORE)", c.Select("InBox/Sub", True, True)),
        ("CREATE a/b/", c.Create("a/b")),
        ('RENAME "&AOk-t&AOk-" b&-c', c.Rename("été", "b&c")),
        ('ID ("name" "x" "version" NIL)', c.Id((("name", "x"), ("version", None)))),
        ("ENABLE condstore", c.Enable(("CONDSTORE",))),
        ("AUTHENTICATE plain", c.Authenticate("PLAIN", None)),
        ("AUTHENTICATE PLAIN =", c.Authenticate("PLAIN", b"")),
        ("AUTHENTICATE PLAIN AGEAYg==", c.Authenticate("PLAIN", b"\0a\0b")),
        ('LIST "" *', c.List("", ("*",))),
        ("LIST ref %", c.List("ref", ("%",))),
        (
            'LIST (SUBSCRIBED RECURSIVEMATCH) "" ("a" b%) RETURN (CHILDREN STATUS (MESSAGES))',
            c.List(
                "",
                ("a", "b%"),
                frozenset({"SUBSCRIBED", "RECURSIVEMATCH"}),
                frozenset({"CHILDREN"}),
                (c.StatusItem.MESSAGES,),
                True,
            ),
        ),
        ("STATUS INBOX (UIDNEXT uidnext SIZE)", c.Status("INBOX", (c.StatusItem.UIDNEXT, c.StatusItem.SIZE))),
        ("STORE 1 flags.silent ()", c.Store(ONE, FlagChange.REPLACE, System.NONE, (), True, None, False)),
        (
            "UID STORE 1 (UNCHANGEDSINCE 9) -FLAGS \\SEEN NIL nil",
            c.Store(ONE, FlagChange.REMOVE, System.SEEN, ("NIL",), False, 9, True),
        ),
        ("COPY 1 inbox", c.Copy(ONE, "inbox", False)),
        ("UID MOVE 1 x", c.Move(ONE, "x", True)),
        ("UID EXPUNGE 1", c.Expunge(ONE)),
        ('SETACL INBOX "-paul" +lrs', c.SetAcl("INBOX", "-paul", FlagChange.ADD, "lrs")),
        ('SETACL INBOX anyone ""', c.SetAcl("INBOX", "anyone", FlagChange.REPLACE, "")),
        ("DELETEACL inbox paul", c.DeleteAcl("inbox", "paul")),
        ("GETACL INBOX", c.GetAcl("INBOX")),
        ('LISTRIGHTS INBOX "group:profs"', c.ListRights("INBOX", "group:profs")),
        ("MYRIGHTS user/marie/INBOX", c.MyRights("user/marie/INBOX")),
        ('SETQUOTA "" (STORAGE 512)', c.SetQuota("", (("STORAGE", 512),))),
    ],
)
def test_commands(text: str, command: c.Command) -> None:
    assert read(text) == command


def section(
    numbers: tuple[int, ...] = (),
    text: str = "",
    fields: tuple[bytes, ...] = (),
    partial: tuple[int, int] | None = None,
    label: bytes = b"BODY[]",
    sees: bool = False,
) -> c.Section:
    return c.Section(numbers, text, fields, partial, label, sees)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("FAST", (c.Datum.FLAGS, c.Datum.INTERNALDATE, c.Datum.SIZE)),
        ("(UID FLAGS uid)", (c.Datum.UID, c.Datum.FLAGS)),
        ("BODY", (c.Datum.BODY,)),
        ("BODY[]", (section(sees=True),)),
        ("BODY.PEEK[]<0.393216>", (section(partial=(0, 393216)),)),
        ("body.peek[1.2.mime]", (section((1, 2), "MIME", label=b"BODY[1.2.MIME]"),)),
        ("BODY.PEEK[3]", (section((3,), label=b"BODY[3]"),)),
        (
            'BODY.PEEK[HEADER.FIELDS (To "X A")]',
            (section((), "HEADER.FIELDS", (b"to", b"x a"), label=b'BODY[HEADER.FIELDS (To "X A")]'),),
        ),
        (
            "BODY.PEEK[2.HEADER.FIELDS.NOT (To)]",
            (section((2,), "HEADER.FIELDS.NOT", (b"to",), label=b"BODY[2.HEADER.FIELDS.NOT (To)]"),),
        ),
        ("RFC822.HEADER", (section((), "HEADER", label=b"RFC822.HEADER"),)),
        ("RFC822", (section(label=b"RFC822", sees=True),)),
    ],
)
def test_fetch_items(text: str, items: tuple[c.Datum | c.Section, ...]) -> None:
    assert read(f"FETCH 1 {text}") == c.Fetch(ONE, items, None, False)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ALL", AllOf()),
        ("SEEN UNFLAGGED", c.Every((Has(System.SEEN), Has(System.FLAGGED, on=False)))),
        ("NOT NOT SEEN", Has(System.SEEN)),
        ("OR SEEN OR DRAFT DELETED", c.Either((Has(System.SEEN), Has(System.DRAFT), Has(System.DELETED)))),
        ("OR OR SEEN DRAFT DELETED", c.Either((Has(System.SEEN), Has(System.DRAFT), Has(System.DELETED)))),
        ("NOT (SEEN DRAFT)", c.Inverse(c.Every((Has(System.SEEN), Has(System.DRAFT))))),
        ("((SEEN))", Has(System.SEEN)),
        (
            "1,3:* UID 5",
            c.Every((c.Numbers(NumberSet(((1, 1), (3, None))), False), c.Numbers(NumberSet(((5, 5),)), True))),
        ),
        ('FROM "a b" KEYWORD $x', c.Every((Header("From", "a b"), HasKeyword("$x")))),
        ('HEADER X-A ""', Header("X-A", "")),
        ("BODY a", Body("a")),
        ("TEXT a", Text("a")),
        ("LARGER 5", Size(5, True)),
        ('SENTSINCE "1-Feb-2026"', Dated(DateField.SENT, When.SINCE, date(2026, 2, 1))),
        ("BEFORE 01-feb-2026", Dated(DateField.INTERNAL, When.BEFORE, date(2026, 2, 1))),
        ("YOUNGER 60", Age(60, True)),
        ('MODSEQ "/flags/\\\\draft" all 620', ModSeq(620)),
        ("NEW", c.Every((c.Recent(True), Has(System.SEEN, on=False)))),
        ("UNKEYWORD x", HasKeyword("x", on=False)),
    ],
)
def test_search_keys(text: str, key: c.Key) -> None:
    command = read(f"SEARCH {text}")
    assert isinstance(command, c.Search)
    assert command.key == key


def test_search_options() -> None:
    command = read("UID SEARCH RETURN () CHARSET utf-8 SUBJECT {}", "été".encode())
    assert command == c.Search(Header("Subject", "été"), "UTF-8", frozenset({"ALL"}), False, True)


def test_literals_are_taken_wherever_strings_are() -> None:
    assert read("LOGIN {} {}", b"marie", b'a"b') == c.Login(b"marie", b'a"b')
    assert read("STATUS {} (MESSAGES)", b"inbox") == c.Status("inbox", (c.StatusItem.MESSAGES,))
    command = read("FETCH 1 BODY.PEEK[HEADER.FIELDS ({} To)]", b"Subject")
    assert isinstance(command, c.Fetch)
    assert command.items[0] == section(
        (), "HEADER.FIELDS", (b"subject", b"to"), label=b"BODY[HEADER.FIELDS (Subject To)]"
    )


def test_append() -> None:
    command = read('APPEND x (\\Seen foo) " 7-Feb-1994 21:52:25 -0800" {} {}', b"one", b"two")
    assert command == c.Append(
        "x", (c.Appended(1, ("foo",), 760_686_745, -480, b"one"), c.Appended(0, (), None, 0, b"two"))
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "UID",
        "UID NOOP",
        "NOOP x",
        "NOOP ",
        "LOGIN a",
        "LOGIN a b c",
        'LOGIN "a\\x" b',
        "SELECT a\0b",
        "FETCH 0 FLAGS",
        "FETCH 4294967296 FLAGS",
        "FETCH 1: FLAGS",
        "FETCH 1 (FLAGS",
        "FETCH 1 ()",
        "FETCH 1 BODY[HEADER",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[]<0.9223372036854775808>",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 FLAGS (CHANGEDSINCE)",
        "STORE 1 FLAGS (\\Unknown)",
        "STORE 1 FLAGS (\\*)",
        "SEARCH",
        "SEARCH OR SEEN",
        "SEARCH NOT",
        "SEARCH (SEEN",
        "SEARCH SEEN)",
        "SEARCH ()",
        "SEARCH SINCE 31-Feb-2026",
        "SEARCH RETURN (UPDATE) ALL",
        "STATUS INBOX ()",
        "APPEND x",
        'LIST (RECURSIVEMATCH) "" *',
        "ENABLE",
        'ID ("a")',
        "AUTHENTICATE PLAIN a",
    ],
)
def test_what_breaks_the_grammar(text: str) -> None:
    with pytest.raises(ParseError) as raised:
        read(text)
    assert raised.value.tag == b"a"


@pytest.mark.parametrize("name", [b"&AOk", b"&-&AOk--&", b"&AGE-", b"\xe9", b"&AOkA6Q-x&", b"&AOk-&AOk-"])
def test_names_that_are_not_well_formed(name: bytes) -> None:
    with pytest.raises(BadName):
        read(b'CREATE "' + name + b'"')


def test_limits() -> None:
    few = Limits(depth=3, set_members=5, search_keys=10)
    assert read("SEARCH (((SEEN)))", limits=few)
    for text in ("SEARCH ((((SEEN))))", "FETCH 1,2,3,4,5,6 FLAGS", "SEARCH " + "SEEN " * 10 + "SEEN"):
        with pytest.raises(ParseError):
            read(text, limits=few)


def test_long_chains_of_keys_are_flat_or_refused() -> None:
    assert read("SEARCH " + "NOT " * 900 + "SEEN")
    assert read("SEARCH " + "OR SEEN " * 400 + "DRAFT")
    assert read("SEARCH " + "OR " * 400 + "SEEN" + " DRAFT" * 400)
    with pytest.raises(ParseError):
        read("SEARCH " + "OR SEEN NOT " * 300 + "DRAFT")


def test_a_password_is_not_shown() -> None:
    assert "geheim" not in repr(read("LOGIN marie geheim"))

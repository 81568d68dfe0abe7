"""THREAD (RFC 5256 section 3), also of mail made to hurt."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence

import pytest

from imap.wire.encoder import encode
from imap.wire.responses import Threads
from message.collation import casemap
from message.summary import base_subject, is_reply
from storage.index.threads import Threadable, threads
from storage.model import Thread, Threading


def one(uid: int, name: str, refs: str = "", subject: str = "", sent: int | None = None) -> Threadable:
    """A message whose id and references are words."""
    return Threadable(
        uid,
        uid if sent is None else sent,
        uid,
        casemap(base_subject(subject)),
        is_reply(subject),
        hash(name) if name else 0,
        [hash(ref) for ref in refs.split()],
    )


def written(messages: Sequence[Threadable], how: Threading) -> str:
    made = threads(messages, how, lambda: None)
    return encode(Threads(tuple(made))).decode().removeprefix("* THREAD").strip()


def uids(made: Iterable[Thread]) -> list[int]:
    waiting, found = list(made), []
    while waiting:
        node = waiting.pop()
        waiting += node.children
        if node.uid is not None:
            found.append(node.uid)
    return sorted(found)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        # A chain, from References and from what is absent in between.
        ([one(1, "a"), one(2, "b", "a"), one(3, "c", "a b")], "(1 2 3)"),
        ([one(1, "a"), one(2, "c", "a b"), one(3, "d", "a b")], "(1 (2)(3))"),
        # A dummy without a parent stays when it holds several (step 3), and goes when it holds one.
        ([one(1, "a", "x"), one(2, "b", "x")], "((1)(2))"),
        ([one(1, "a", "x")], "(1)"),
        # Siblings by date (step 6), also where one of them is a dummy's first child.
        ([one(1, "a", "", "", 9), one(2, "b", "a", "", 30), one(3, "c", "a", "", 20)], "(1 (3)(2))"),
        # What a message says of itself counts more than what was said of it (step 1B).
        ([one(1, "c", "a b"), one(2, "b", "z"), one(3, "z"), one(4, "a")], "(3 2 1)(4)"),
        # Of two messages with one id the first has it.
        ([one(1, "a"), one(2, "a"), one(3, "b", "a")], "(1 3)(2)"),
        ([one(1, ""), one(2, "", "a"), one(3, "", "a")], "(1)((2)(3))"),
        # Loops: the link that would close one is not made.
        ([one(1, "a", "b"), one(2, "b", "a")], "(2 1)"),
        ([one(1, "a", "a")], "(1)"),
        ([one(1, "a", "b c"), one(2, "b", "c a"), one(3, "c", "a b")], "(2 3 1)"),
        # Subjects (step 5): a reply goes below the original, equals go side by side, empty ones nowhere.
        ([one(1, "a", "", "Re: Sortie"), one(2, "b", "", "Sortie")], "(2 1)"),
        ([one(1, "a", "", "Sortie"), one(2, "b", "", "SORTIE")], "((1)(2))"),
        ([one(1, "a", "", "Sortie"), one(2, "b", "", "Sortie"), one(3, "c", "", "Re: sortie")], "((1)(2)(3))"),
        ([one(1, "a", "x", "S"), one(2, "b", "x", "T"), one(3, "c", "", "S")], "((1)(2)(3))"),
        (
            [one(1, "a", "x", "S"), one(2, "b", "x", "T"), one(3, "c", "y", "S"), one(4, "d", "y", "U")],
            "((1)(2)(3)(4))",
        ),
        ([one(1, "a", "", "Re:"), one(2, "b", "", "")], "(1)(2)"),
    ],
)
def test_the_steps_of_the_standard(messages: list[Threadable], expected: str) -> None:
    assert written(messages, Threading.REFERENCES) == expected


def test_refs_look_at_no_subject_and_sort_by_arrival() -> None:
    messages = [one(1, "a", "", "S", 50), one(2, "b", "", "S", 10), one(3, "c", "a", "", 70)]
    assert written(messages, Threading.REFS) == "(2)(1 3)"


def test_ordered_subject() -> None:
    messages = [one(1, "", "", "B", 5), one(2, "", "", "Re: b", 3), one(3, "", "", "A", 4), one(4, "", "", "[x] B", 9)]
    assert written(messages, Threading.ORDEREDSUBJECT) == "(2 (1)(4))(3)"


@pytest.mark.parametrize("subject", ["Re: x", "FW: x", "Fwd[3]: x", "[l] re: x", "[fwd: x]", "x (fwd)", "re : x"])
def test_replies(subject: str) -> None:
    assert is_reply(subject)
    assert base_subject(subject) == "x"


@pytest.mark.parametrize("subject", ["x", "", "[l] x", "rex: y", "x (fwd) y"])
def test_no_replies(subject: str) -> None:
    assert not is_reply(subject)


N = 50_000


def _chain(n: int) -> list[Threadable]:
    return [Threadable(i, i, i, b"", False, i, [i - 1] if i > 1 else []) for i in range(1, n + 1)]


def _backwards(n: int) -> list[Threadable]:
    return [Threadable(i, i, i, b"", False, i, [i + 1]) for i in range(1, n + 1)]


def _knots(n: int) -> list[Threadable]:
    """Everybody refers to anybody."""
    dice = random.Random(5)
    return [
        Threadable(i, i, i, b"%d" % (i % 99), i % 2 == 0, i, [dice.randrange(1, n) for _ in range(10)])
        for i in range(1, n + 1)
    ]


def _walks(n: int) -> list[Threadable]:
    """A long chain, below whose end things with children are to be put again and again."""
    half = n // 2
    pairs = [
        Threadable(i, i, i, b"", False, i, [i + n, half] if i % 2 else [i + n - 1]) for i in range(half + 1, n + 1)
    ]
    return _chain(half) + pairs


def _long_references(n: int) -> list[Threadable]:
    shared = list(range(1, 10_001))
    return [Threadable(i, i, i, b"", False, 0, shared) for i in range(1, n // 100 + 1)]


@pytest.mark.parametrize("made", [_chain, _backwards, _knots, _walks, _long_references])
def test_hostile_references_cost_little_and_lose_nothing(made) -> None:
    messages = made(N)
    for how in (Threading.REFERENCES, Threading.REFS):
        start = time.process_time()
        found = threads(messages, how, lambda: None)
        assert time.process_time() - start < 60
        assert uids(found) == [message.uid for message in messages]
        assert encode(Threads(tuple(found))).count(b"(") >= 1

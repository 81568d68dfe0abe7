"""THREAD: which message answers which (RFC 5256 section 3; REFS: draft-ietf-morg-inthread-01 section 4). Pure.

Nothing recurses, and nothing costs more than about the number of messages and references, whatever they refer to:
a link that would close a loop is found by walking up, and when walks have become too long in all, links that need one
are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from storage.model import Thread, Threading

#: References that are followed in all; beyond it, each message's nearest ones.
_REFERENCES = 1_000_000

#: Steps of walking up for each message, in all.
_STEPS = 64

#: Messages between two calls of ``check``.
_CHECK_EVERY = 1000

_NONE = -1


class Threadable(NamedTuple):
    """What threads are made of. ``sent`` and ``arrived`` in seconds; ``base_subject`` ready to be compared.

    ``identity`` stands for the Message-ID, 0 when there is none, ``ancestors`` for the References, eldest first.
    """

    uid: int
    sent: int
    arrived: int
    base_subject: bytes
    is_reply: bool
    identity: int
    ancestors: Sequence[int]


def threads(messages: Sequence[Threadable], how: Threading, check: Callable[[], None]) -> list[Thread]:
    """Messages, given by rising UID, as threads. ``check`` is called now and then and may raise."""
    if how is Threading.ORDEREDSUBJECT:
        return _by_subject(messages)
    forest = _Forest(messages, check)
    roots = forest.roots()
    check()
    if how is Threading.REFS:
        return forest.sorted(roots, forest.latest_arrivals(roots))
    return forest.sorted(forest.gathered(roots), None)


def _by_subject(messages: Sequence[Threadable]) -> list[Thread]:
    """ORDEREDSUBJECT: one thread a base subject, its first message above all others."""
    groups: dict[bytes, Thread] = {}
    for one in sorted(messages, key=lambda one: (one.sent, one.uid)):
        first = groups.get(one.base_subject)
        if first is None:
            groups[one.base_subject] = Thread(one.uid)
        else:
            first.children.append(Thread(one.uid))
    return list(groups.values())


class _Forest:
    """Nodes are numbers: first the messages, then what they refer to and nobody has ("dummies")."""

    def __init__(self, messages: Sequence[Threadable], check: Callable[[], None]) -> None:
        self._messages = messages
        self._parents = [_NONE] * len(messages)
        self._child_counts = [0] * len(messages)
        self._steps = _STEPS * (len(messages) + 100)
        self._link_all(check)
        self._children = self._children_of_parents()

    # ---------------------------------------------------------------- step 1: links

    def _link_all(self, check: Callable[[], None]) -> None:
        nodes: dict[int, int] = {}
        for node, one in enumerate(self._messages):
            # Of messages with one id the first has it (RFC 5256 section 3, step 1).
            if one.identity:
                nodes.setdefault(one.identity, node)
        most = self._most_references()
        for node, one in enumerate(self._messages):
            if not node % _CHECK_EVERY:
                check()
            above = _NONE
            for identity in one.ancestors[-most:]:
                reference = nodes.get(identity)
                if reference is None:
                    reference = nodes[identity] = self._new()
                if above != _NONE and self._parents[reference] == _NONE:
                    self._link(above, reference)
                above = reference
            # What a message says of itself counts more than what others said of it.
            self._cut(node)
            if above != _NONE:
                self._link(above, node)

    def _most_references(self) -> int:
        count = sum(len(one.ancestors) for one in self._messages)
        return _REFERENCES // len(self._messages) + 1 if count > _REFERENCES else _REFERENCES

    def _new(self) -> int:
        self._parents.append(_NONE)
        self._child_counts.append(0)
        return len(self._parents) - 1

    def _cut(self, child: int) -> None:
        parent = self._parents[child]
        if parent != _NONE:
            self._child_counts[parent] -= 1
            self._parents[child] = _NONE

    def _link(self, parent: int, child: int) -> None:
        """Make a link, unless that would close a loop. The child has no parent."""
        if parent == child or (self._child_counts[child] and self._above(child, parent)):
            return
        self._parents[child] = parent
        self._child_counts[parent] += 1

    def _above(self, elder: int, node: int) -> bool:
        """Whether ``elder`` is above a node; also said when too much was walked already."""
        parents = self._parents
        while node != _NONE:
            if node == elder:
                return True
            self._steps -= 1
            node = parents[node]
        return self._steps < 0

    # ---------------------------------------------------------------- steps 2 and 3: without needless dummies

    def _children_of_parents(self) -> list[list[int]]:
        children: list[list[int]] = [[] for _ in self._parents]
        for node, parent in enumerate(self._parents):
            if parent != _NONE:
                children[parent].append(node)
        return children

    def _is_dummy(self, node: int) -> bool:
        return node >= len(self._messages)

    def roots(self) -> list[int]:
        """The tops of all threads, below which no dummies are left."""
        tops = [node for node, parent in enumerate(self._parents) if parent == _NONE]
        for node in self._upwards(tops):
            kept: list[int] = []
            for child in self._children[node]:
                if not self._is_dummy(child):
                    kept.append(child)
                else:
                    kept += self._children[child]
            self._children[node] = kept
        roots: list[int] = []
        for node in tops:
            if not self._is_dummy(node) or len(self._children[node]) > 1:
                roots.append(node)
            else:
                roots += self._children[node]
        return roots

    def _upwards(self, roots: Sequence[int]) -> Iterator[int]:
        """All nodes below and with ``roots``, children before their parents."""
        order = list(roots)
        # The list grows while it is read.
        for node in order:
            order += self._children[node]
        return reversed(order)

    # ---------------------------------------------------------------- steps 4 and 6: order

    def _sent(self, node: int) -> tuple[int, int]:
        """When a message was sent; of a dummy, its first child (whose order is known already)."""
        if self._is_dummy(node):
            node = self._first(node)
        one = self._messages[node]
        return one.sent, one.uid

    def _first(self, dummy: int) -> int:
        """The message that stands for a dummy: dummies are only at the top, and one within another at most there."""
        node = dummy
        while self._is_dummy(node):
            node = self._children[node][0]
        return node

    def _sort_children(self, roots: Sequence[int]) -> None:
        for node in self._upwards(roots):
            if len(self._children[node]) > 1:
                self._children[node].sort(key=self._sent)

    def latest_arrivals(self, roots: Sequence[int]) -> dict[int, tuple[int, int]]:
        """For each thread when its last message came in."""
        latest: dict[int, tuple[int, int]] = {}
        for node in self._upwards(roots):
            own = (0, 0) if self._is_dummy(node) else (self._messages[node].arrived, self._messages[node].uid)
            latest[node] = max([own, *(latest[child] for child in self._children[node])])
        return latest

    def sorted(self, roots: list[int], by: dict[int, tuple[int, int]] | None) -> list[Thread]:
        """The threads, siblings by the date of sending, whole threads by that or by what is given."""
        self._sort_children(roots)
        made: dict[int, Thread] = {}
        for node in self._upwards(roots):
            uid = None if self._is_dummy(node) else self._messages[node].uid
            made[node] = Thread(uid, [made.pop(child) for child in self._children[node]])
        return [made[node] for node in sorted(roots, key=self._sent if by is None else by.__getitem__)]

    # ---------------------------------------------------------------- step 5: threads of one subject

    def gathered(self, roots: list[int]) -> list[int]:
        """Threads of one base subject put together (REFERENCES only)."""
        self._sort_children(roots)
        roots = sorted(roots, key=self._sent)
        subjects = {node: self._messages[self._first(node)].base_subject for node in roots}
        table: dict[bytes, int] = {}
        for node in roots:
            subject = subjects[node]
            if not subject:
                continue
            known = table.get(subject)
            if (
                known is None
                or (self._is_dummy(node) and not self._is_dummy(known))
                or (not self._is_dummy(known) and self._is_reply(known) and not self._is_reply(node))
            ):
                table[subject] = node
        #: What a node in the table became, and what went below another.
        above: dict[int, int] = {}
        gone: set[int] = set()
        for node in roots:
            top = table.get(subjects[node], node)
            if top == node:
                continue
            top = above.get(top, top)
            gone.add(node)
            if self._is_dummy(top) and self._is_dummy(node):
                self._children[top] += self._children[node]
            elif self._is_dummy(top) or (self._is_reply(node) and not self._is_reply(top)):
                self._children[top].append(node)
            else:
                both = self._new()
                self._children.append([top, node])
                above[top] = both
        return [above.get(node, node) for node in roots if node not in gone]

    def _is_reply(self, node: int) -> bool:
        return not self._is_dummy(node) and self._messages[node].is_reply

"""Rendered answers: blocks of a mailbox, and what messages hold."""

from __future__ import annotations

from dataclasses import replace

from imap.rendered import RenderedBlocks, RenderedContents, RenderedSearches, RenderedThreads
from storage.model import Has, Mailbox, MessageRow, Threading
from storage.views import View

BOX = Mailbox(1, 1, "INBOX", 7, 1, 1, 0, 0, 0, 0, 1, None, True)


def view(*rows: tuple[int, int], **changes: int) -> View:
    """Rows as (uid, modseq)."""
    made = [MessageRow(uid, modseq, 0, (), 1, 0, 0, uid, str(uid)) for uid, modseq in rows]
    return View(replace(BOX, **changes), [row.uid for row in made], made)


def asked(blocks: RenderedBlocks, of: View, items: str = "flags", text: bytes = b"new") -> bytes:
    return blocks.lines(of, items, of.rows, 0, lambda: text)


def test_a_block_is_kept_until_it_changes() -> None:
    blocks = RenderedBlocks()
    first = view((1, 1), (2, 2), (3, 3))
    assert asked(blocks, first, text=b"first") == b"first"
    assert asked(blocks, view((1, 1), (2, 2), (3, 3), highest_modseq=9)) == b"first"
    for other in (
        view((1, 1), (2, 4), (3, 3)),
        view((1, 1), (2, 2)),
        view((1, 1), (3, 3)),
        view((2, 2), (3, 3), (4, 1)),
        view((1, 1), (2, 2), (3, 3), uidvalidity=8),
        view((1, 1), (2, 2), (3, 3), id=2),
        view((1, 1), (2, 2), (3, 3), account=2),
    ):
        asked(blocks, first, text=b"first")
        assert asked(blocks, other) == b"new"
    assert asked(blocks, first, items="other") == b"new"


def test_what_was_not_used_for_longest_goes_first() -> None:
    blocks = RenderedBlocks(limit=25)
    boxes = [view((1, 1), id=number) for number in range(3)]
    for box in boxes[:2]:
        asked(blocks, box, text=b"0123456789")
    asked(blocks, boxes[0])
    asked(blocks, boxes[2], text=b"0123456789")
    assert asked(blocks, boxes[0]) == b"0123456789"
    assert asked(blocks, boxes[1]) == b"new"


def test_contents_are_known_by_account_items_and_number() -> None:
    contents = RenderedContents()
    contents.keep(1, "envelope", {1: b"one", 2: b"two"})
    assert contents.known(1, "envelope", [3, 2]) == {2: b"two"}
    assert contents.known(1, "fields", [2]) == {}
    assert contents.known(2, "envelope", [2]) == {}


def test_contents_that_are_not_asked_for_are_let_go() -> None:
    contents = RenderedContents(limit=40)
    contents.keep(1, "envelope", {0: b"used"})
    for number in range(1, 100):
        contents.keep(1, "envelope", {number: b"0123456789"})
        assert contents.known(1, "envelope", [0]) == {0: b"used"}
    left = contents.known(1, "envelope", range(100))
    assert 0 in left
    assert 99 in left
    assert sum(map(len, left.values())) < 80


def test_searches_are_kept_until_anything_changes() -> None:
    kept = RenderedSearches()
    first, unseen = view((2, 1), (5, 2), highest_modseq=2), Has(1, on=False)
    assert kept.answer(first, unseen, False, lambda: b"first") == b"first"
    assert kept.answer(view((2, 1), (5, 2), highest_modseq=2), unseen, False, lambda: b"new") == b"first"
    for other, key, uid in (
        (view((2, 1), (5, 3), highest_modseq=3), unseen, False),
        (view((2, 1), (5, 2), highest_modseq=2, id=2), unseen, False),
        (view((2, 1), (5, 2), highest_modseq=2, uidvalidity=8), unseen, False),
        (first, Has(1), False),
        (first, unseen, True),
    ):
        kept.answer(first, unseen, False, lambda: b"first")
        assert kept.answer(other, key, uid, lambda: b"new") == b"new"


def threaded(
    kept: RenderedThreads, of: View, *numbers: int, how: Threading = Threading.REFERENCES, text: bytes = b"new"
) -> bytes:
    return kept.answer(of, how, of.uids, numbers or of.uids, lambda: text)


def test_threads_are_kept_for_the_same_messages_told_alike() -> None:
    kept = RenderedThreads()
    first = view((2, 1), (5, 2))
    assert threaded(kept, first, text=b"first") == b"first"
    assert threaded(kept, view((2, 9), (5, 2), highest_modseq=9)) == b"first", "flags make no difference"
    for other, numbers in (
        (view((2, 1), (5, 2), (6, 3)), ()),
        (view((2, 1)), ()),
        (first, (1, 2)),
        (view((2, 1), (5, 2), uidvalidity=8), ()),
        (view((2, 1), (5, 2), id=2), ()),
        (view((2, 1), (5, 2), account=2), ()),
    ):
        threaded(kept, first, text=b"first")
        assert threaded(kept, other, *numbers) == b"new"
    assert threaded(kept, first, how=Threading.REFS) == b"new"


def test_threads_that_are_not_asked_for_are_let_go() -> None:
    kept = RenderedThreads(limit=25)
    boxes = [view((1, 1), id=number) for number in range(3)]
    for box in boxes:
        threaded(kept, box, text=b"0123456789")
    assert threaded(kept, boxes[2]) == b"0123456789"
    assert threaded(kept, boxes[0]) == b"new"

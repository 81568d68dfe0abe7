"""The session's own numbering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from imap.session.selected import News, SelectedMailbox
from imap.wire.errors import ParseError
from imap.wire.sets import parse_set
from storage.model import Mailbox, MessageRow
from storage.views import View

BOX = Mailbox(1, 1, "INBOX", 7, 1, 1, 0, 0, 0, 0, 1, None, True)


def view(modseq: int, *rows: tuple[int, int] | tuple[int, int, tuple[str, ...]]) -> View:
    """Rows as (uid, modseq[, keywords])."""
    made = [MessageRow(uid, at, 0, words[0] if words else (), 1, 0, 0, uid, str(uid)) for uid, at, *words in rows]
    return View(replace(BOX, highest_modseq=modseq), [row.uid for row in made], made)


def places(box: SelectedMailbox, text: bytes, *, uid: bool = False) -> Sequence[tuple[int, int]]:
    return box.places(parse_set(text, 100), uid=uid)


def test_no_news_shares_the_list_of_the_view() -> None:
    first = view(5, (1, 1), (2, 2))
    box = SelectedMailbox(first, read_only=False)
    assert box.advance(first, expunge=True) == News()
    assert box.uids is first.uids


def test_removals_are_counted_one_after_the_other() -> None:
    box = SelectedMailbox(view(5, *((uid, 1) for uid in range(1, 6))), read_only=False)
    news = box.advance(view(6, (3, 1), (5, 1)), expunge=True)
    assert news.expunged == (1, 1, 2)
    assert news.vanished == (1, 2, 4)
    assert list(box.uids) == [3, 5]


def test_all_is_told_up_to_before_the_first_removal_held_back() -> None:
    box = SelectedMailbox(view(5, (1, 1), (2, 1)), read_only=False)
    box.advance(view(7, (1, 1)), expunge=False)
    box.advance(view(9, (1, 9)), expunge=False)
    assert box.settled == 5
    box.advance(box.view, expunge=True)
    assert box.settled == 9


def test_removals_held_back_keep_their_numbers() -> None:
    box = SelectedMailbox(view(5, (1, 1), (2, 1), (3, 1)), read_only=False)
    news = box.advance(view(7, (1, 1), (3, 7), (4, 6)), expunge=False)
    assert news.expunged == ()
    assert news.exists == 4
    assert [(number, row.uid) for number, row in news.changed] == [(3, 3)]
    assert box.has_gone
    assert [number for number, _ in box.rows(places(box, b"1:*"))] == [1, 3, 4]
    news = box.advance(box.view, expunge=True)
    assert news == News(expunged=(2,), vanished=(2,))
    assert not box.has_gone
    assert box.number(4) == 3


def test_what_came_and_went_unseen_is_not_told() -> None:
    box = SelectedMailbox(view(5, (1, 1)), read_only=False)
    assert box.advance(view(9, (1, 1), (4, 9)), expunge=True) == News(exists=2)
    assert list(box.uids) == [1, 4]


def test_own_changes_are_not_told_again_but_later_ones_are() -> None:
    box = SelectedMailbox(view(5, (1, 1), (2, 1)), read_only=False)
    after = view(7, (1, 6), (2, 7))
    box.tell([after.rows[0]])
    assert [number for number, _ in box.advance(after, expunge=True).changed] == [2]
    assert [number for number, _ in box.advance(view(8, (1, 8), (2, 7)), expunge=True).changed] == [1]


def test_new_keywords_are_announced_once() -> None:
    box = SelectedMailbox(view(5, (1, 1)), read_only=False)
    assert box.advance(view(6, (1, 6, ("projet",))), expunge=True).keywords
    assert not box.advance(view(7, (1, 7, ("projet",))), expunge=True).keywords


@pytest.mark.parametrize(
    ("text", "uid", "expected"),
    [
        (b"1:*", False, [(0, 3)]),
        (b"*", False, [(2, 3)]),
        (b"9:*", False, [(2, 3)]),
        (b"2,1", False, [(0, 2)]),
        (b"10:20", True, [(0, 2)]),
        (b"11:19", True, []),
        (b"99:*", True, [(2, 3)]),
        (b"4294967295:1", True, [(0, 3)]),
    ],
)
def test_sets_become_places(text: bytes, uid: bool, expected: list[tuple[int, int]]) -> None:
    box = SelectedMailbox(view(5, (10, 1), (20, 1), (30, 1)), read_only=False)
    assert places(box, text, uid=uid) == expected


@pytest.mark.parametrize("text", [b"4", b"1:4", b"2,9"])
def test_numbers_above_the_count_are_wrong(text: bytes) -> None:
    box = SelectedMailbox(view(5, (10, 1), (20, 1), (30, 1)), read_only=False)
    with pytest.raises(ParseError):
        places(box, text)


def test_an_empty_mailbox() -> None:
    box = SelectedMailbox(view(1), read_only=False)
    assert places(box, b"1:*") == []
    assert places(box, b"1:*", uid=True) == []
    assert places(box, b"*") == []


def test_recent_counts_what_is_numbered() -> None:
    box = SelectedMailbox(view(5, (10, 1), (20, 1), (30, 1)), read_only=False)
    box.add_recent(15, 40)
    assert box.recent_count == 2
    assert not box.is_recent(10)
    assert box.is_recent(30)

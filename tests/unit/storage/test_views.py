"""Views of a mailbox: what changed lately, at hand or looked for."""

from __future__ import annotations

from dataclasses import replace

from storage.model import Changes, Mailbox, MessageRow
from storage.views import View

BOX = Mailbox(1, 1, "INBOX", 7, 1, 1, 0, 0, 0, 0, 1, None, True)


def row(uid: int, modseq: int) -> MessageRow:
    return MessageRow(uid, modseq, 0, (), 1, 0, 0, uid, str(uid))


def changed(view: View, *rows: MessageRow, gone: tuple[int, ...] = ()) -> View:
    highest = max((view.highest_modseq + 1, *(one.modseq for one in rows)))
    return view.after(replace(BOX, highest_modseq=highest), Changes(highest, 1, rows, gone))


def test_what_changed_is_told_from_any_moment_on() -> None:
    first = View(replace(BOX, highest_modseq=3), [1, 2, 3], [row(1, 1), row(2, 2), row(3, 3)])
    view = changed(changed(first, row(2, 5)), row(1, 6), row(4, 7))
    assert [[one.uid for one in view.changed_since(since)] for since in range(8)] == [
        *([1, 2, 3, 4],) * 3,
        *([1, 2, 4],) * 2,
        [1, 4],
        [4],
        [],
    ]
    assert first.changed_since(3) == []


def test_what_is_gone_did_not_change() -> None:
    first = View(replace(BOX, highest_modseq=3), [1, 2], [row(1, 1), row(2, 2)])
    view = changed(changed(first, row(2, 5), row(3, 6)), gone=(2, 3))
    assert view.changed_since(3) == []
    assert view.at(replace(BOX, highest_modseq=9)).changed_since(3) == []


def test_many_changes_are_looked_for_among_all_rows() -> None:
    rows = [row(uid, 1) for uid in range(1, 1001)]
    view = View(replace(BOX, highest_modseq=1), [one.uid for one in rows], rows)
    for uid in range(1, 1001):
        view = changed(view, row(uid, uid + 1))
    assert [one.uid for one in view.changed_since(990)] == list(range(990, 1001))
    assert len(view.changed_since(1)) == 1000


def test_what_was_computed_of_the_rows_goes_on_with_them() -> None:
    view = View(replace(BOX, unseen=2), [1, 2], [row(1, 1), row(2, 2)])
    assert (view.first_unseen, view.keywords) == (0, frozenset())
    later = view.at(replace(view.mailbox, first_recent=4))
    assert {"first_unseen", "keywords"} <= vars(later).keys()
    assert (later.first_unseen, later.mailbox.first_recent) == (0, 4)
    assert "first_unseen" not in vars(view.at(replace(view.mailbox, unseen=0)))

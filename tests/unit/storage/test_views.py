"""Views of a mailbox: what changed lately, at hand or looked for."""

from __future__ import annotations

import random
from dataclasses import replace

from storage.model import Changes, Mailbox, MessageRow, System
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


def test_a_long_mailbox_of_which_some_change_is_read_like_a_list() -> None:
    rows = [row(2 * place, 1) for place in range(1, 10_001)]
    view = View(replace(BOX, highest_modseq=1), [one.uid for one in rows], rows)
    first, chance = view, random.Random(7)
    model = list(rows)
    for modseq in range(2, 400):
        place = chance.randrange(10_000)
        model[place] = row(2 * (place + 1), modseq)
        view = changed(view, model[place], row(5, modseq))
        low = chance.randrange(10_000)
        high = low + chance.choice((1, 10, 5000))
        assert view.rows[low:high] == model[low:high]
        assert view.rows[place] is view.row(2 * (place + 1)) is model[place]
    assert view.uids is first.uids
    assert (list(view.rows), len(view.rows), view.rows[-3]) == (model, 10_000, model[-3])
    assert (view.rows[::-7], view.rows[:-4:2]) == (model[::-7], model[:-4:2])
    assert list(first.rows) == rows
    later = changed(view, row(30_000, 500), gone=(2,))
    assert list(later.rows) == [*model[1:], row(30_000, 500)]


def test_what_was_computed_goes_on_where_a_change_does_not_touch_it() -> None:
    seen = int(System.SEEN)
    rows = [row(1, 1)._replace(system=seen), row(2, 1), row(3, 1)]
    view = View(replace(BOX, highest_modseq=1, unseen=2), [1, 2, 3], rows)
    assert (view.first_unseen, view.keywords) == (1, frozenset())
    marked = changed(view, row(2, 2)._replace(keywords=("$Junk",)))
    assert {"first_unseen", "keywords"} <= vars(marked).keys()
    assert marked.keywords == {"$Junk"}
    unmarked = changed(marked, row(2, 3))
    assert ("keywords" not in vars(unmarked), unmarked.keywords) == (True, frozenset())
    for change, first in ((row(3, 2)._replace(system=seen), 1), (row(1, 2), 0), (row(2, 2)._replace(system=seen), 2)):
        after = view.after(replace(BOX, highest_modseq=2, unseen=2), Changes(2, 1, (change,), ()))
        assert after.first_unseen == first
    none = View(replace(BOX, highest_modseq=1), [1], rows[:1])
    assert none.first_unseen is None
    assert none.after(replace(BOX, highest_modseq=2, unseen=1), Changes(2, 1, (row(1, 2),), ())).first_unseen == 0

"""Invariants of the retry schedule under any run of answers."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from config.settings import Queue
from delivery.queue.model import Attempt, QueuedMessage, QueuedRecipient, State
from delivery.queue.schedule import JITTER, settle, wait
from message.content import MemoryContent
from message.envelope import Notify

START = 1_700_000_000.0
notifies = st.frozensets(st.sampled_from([Notify.SUCCESS, Notify.FAILURE, Notify.DELAY])) | st.just(
    frozenset({Notify.NEVER})
)
settings_ = st.builds(
    lambda retry, give_up, notice: replace(Queue(), retry=tuple(retry), give_up=give_up, delay_notice=notice),
    st.lists(st.floats(1, 1e5), min_size=1, max_size=8),
    st.floats(60, 1e6),
    st.floats(0, 1e5),
)


@given(st.integers(1, 10_000), st.lists(st.floats(1, 1e6), min_size=1), st.floats(0, 1))
def test_a_wait_stays_near_its_plan(attempts: int, retry: list[float], chance: float):
    planned = retry[min(attempts, len(retry)) - 1]
    assert planned * (1 - JITTER) * 0.999 <= wait(attempts, retry, chance) <= planned * (1 + JITTER) * 1.001


@given(settings_, st.lists(notifies, min_size=1, max_size=4), st.data())
def test_every_recipient_ends_once_and_in_time(settings: Queue, wishes: list[frozenset[Notify]], data: st.DataObject):
    recipients = tuple(QueuedRecipient(f"r{n}@far.example", notify=notify) for n, notify in enumerate(wishes))
    item = QueuedMessage(
        1, "m", "s@ici.example", "far.example", recipients, MemoryContent(b""), START, START, attempts=0
    )
    ended: set[str] = set()
    told: list[str] = []
    delays = 0
    now = START
    while item.waiting():
        waiting = {one.address for one in item.waiting()}
        assert not waiting & ended
        answers = [
            Attempt(address, data.draw(st.sampled_from([250, 421, 451, 550])), "0.0.0", "")
            for address in sorted(waiting)
            if data.draw(st.booleans())
        ]
        result = settle(item, answers, now, settings, data.draw(st.floats(0, 1)))
        ended |= {one.address for one in result.recipients if one.state is not State.WAITING}
        told += [one.address for one in result.failed + result.relayed]
        delays += bool(result.delayed)
        assert (result.due_at is None) == all(one.state is not State.WAITING for one in result.recipients)
        if result.due_at is not None:
            assert now < result.due_at <= max(item.queued_at + settings.give_up, now + 1)
            now = result.due_at
        item = replace(
            item,
            recipients=result.recipients,
            attempts=item.attempts + 1,
            delay_told=result.delay_told,
        )
        assert item.attempts < 1_100_000
        if item.attempts > 30:
            # Many short waits: jump to the end of the message's time.
            now = max(now, item.queued_at + settings.give_up)
    assert ended == {one.address for one in recipients}
    assert len(told) == len(set(told))
    assert delays <= 1

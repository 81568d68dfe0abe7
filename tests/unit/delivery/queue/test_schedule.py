"""The consequences of an attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from config.settings import DAY, HOUR, MINUTE, Queue
from delivery.queue.model import Attempt, QueuedMessage, QueuedRecipient, State
from delivery.queue.schedule import settle, wait
from message.content import MemoryContent
from message.envelope import Notify

SETTINGS = Queue()
NOW = 1_700_000_000.0
ANNA = "anna@far.example"
BRUNO = "bruno@far.example"


def item(*recipients: QueuedRecipient, age: float = 0.0, attempts: int = 0, delay_told: bool = False) -> QueuedMessage:
    return QueuedMessage(
        id=1,
        message_id="m1",
        sender="marie@ici.example",
        destination="far.example",
        recipients=recipients or (QueuedRecipient(ANNA), QueuedRecipient(BRUNO)),
        content=MemoryContent(b"x"),
        queued_at=NOW - age,
        due_at=NOW,
        attempts=attempts,
        delay_told=delay_told,
    )


def said(address: str, code: int, *, dsn: bool = False) -> Attempt:
    return Attempt(address, code, f"{code // 100}.0.0", "words", "mx.far.example", dsn)


def test_all_sent_is_final_and_silent():
    result = settle(item(), [said(ANNA, 250), said(BRUNO, 250)], NOW, SETTINGS, 0.5)
    assert [one.state for one in result.recipients] == [State.SENT, State.SENT]
    assert result.due_at is None
    assert (result.failed, result.delayed, result.relayed) == ((), (), ())


def test_only_those_that_failed_for_the_moment_wait():
    result = settle(item(), [said(ANNA, 250), said(BRUNO, 451)], NOW, SETTINGS, 0.5)
    assert [one.state for one in result.recipients] == [State.SENT, State.WAITING]
    assert result.due_at == NOW + 5 * MINUTE
    assert result.recipients[1].text == "words"
    assert not result.failed


def test_refusal_is_final_and_told():
    result = settle(item(), [said(ANNA, 550), said(BRUNO, 451)], NOW, SETTINGS, 0.5)
    assert [one.address for one in result.failed] == [ANNA]
    assert result.due_at is not None


@pytest.mark.parametrize("code", [0, 150, 354, 421, 450, 499, 600, 999, -1])
def test_what_is_no_clear_answer_counts_as_for_the_moment(code: int):
    result = settle(item(QueuedRecipient(ANNA)), [said(ANNA, code)], NOW, SETTINGS, 0.5)
    assert result.recipients[0].state is State.WAITING


def test_a_recipient_without_result_waits():
    result = settle(item(), [said(ANNA, 250)], NOW, SETTINGS, 0.5)
    assert result.recipients[1].state is State.WAITING


def test_final_recipients_are_left_alone_and_not_told_again():
    done = QueuedRecipient(ANNA, state=State.FAILED, code=550, text="first words")
    result = settle(item(done, QueuedRecipient(BRUNO)), [said(ANNA, 250), said(BRUNO, 250)], NOW, SETTINGS, 0.5)
    assert result.recipients[0] == done
    assert result.failed == ()


def test_gives_up_at_the_end_of_its_time():
    result = settle(item(age=5 * DAY, attempts=9), [said(ANNA, 451), said(BRUNO, 250)], NOW, SETTINGS, 0.5)
    assert [one.state for one in result.recipients] == [State.EXPIRED, State.SENT]
    assert [one.address for one in result.failed] == [ANNA]
    assert result.due_at is None


def test_the_last_attempt_falls_on_the_end():
    result = settle(item(age=5 * DAY - 100, attempts=9), [said(ANNA, 451)], NOW, SETTINGS, 0.5)
    assert result.due_at == NOW + 100


def test_the_delay_is_told_once():
    late = item(age=4 * HOUR)
    first = settle(late, [said(ANNA, 451), said(BRUNO, 250)], NOW, SETTINGS, 0.5)
    assert [one.address for one in first.delayed] == [ANNA]
    assert first.delay_told
    second = settle(replace(late, delay_told=True), [said(ANNA, 451), said(BRUNO, 451)], NOW, SETTINGS, 0.5)
    assert second.delayed == ()
    assert second.delay_told


def test_no_delay_notice_when_switched_off():
    result = settle(item(age=3 * DAY), [said(ANNA, 451)], NOW, replace(SETTINGS, delay_notice=0.0), 0.5)
    assert result.delayed == ()


@pytest.mark.parametrize(
    ("notify", "failed", "delayed", "relayed"),
    [
        (frozenset(), True, True, False),
        (frozenset({Notify.NEVER}), False, False, False),
        (frozenset({Notify.FAILURE}), True, False, False),
        (frozenset({Notify.DELAY}), False, True, False),
        (frozenset({Notify.SUCCESS}), False, False, True),
        (frozenset({Notify.SUCCESS, Notify.FAILURE, Notify.DELAY}), True, True, True),
    ],
)
def test_notify_says_what_the_sender_hears(notify: frozenset[Notify], failed: bool, delayed: bool, relayed: bool):
    late = item(QueuedRecipient(ANNA, notify=notify), age=5 * HOUR)
    assert bool(settle(late, [said(ANNA, 550)], NOW, SETTINGS, 0.5).failed) == failed
    assert bool(settle(late, [said(ANNA, 451)], NOW, SETTINGS, 0.5).delayed) == delayed
    assert bool(settle(late, [said(ANNA, 250)], NOW, SETTINGS, 0.5).relayed) == relayed


def test_a_far_server_with_dsn_reports_success_itself():
    wants = QueuedRecipient(ANNA, notify=frozenset({Notify.SUCCESS}))
    assert settle(item(wants), [said(ANNA, 250, dsn=True)], NOW, SETTINGS, 0.5).relayed == ()


def test_waits_grow_and_the_last_one_repeats():
    waits = [wait(attempts, SETTINGS.retry, 0.5) for attempts in range(1, 12)]
    assert waits[:7] == list(SETTINGS.retry)
    assert set(waits[7:]) == {4 * HOUR}


def test_long_words_are_cut():
    attempt = Attempt(ANNA, 451, "4.0.0", "x" * 100_000)
    assert len(settle(item(), [attempt], NOW, SETTINGS, 0.5).recipients[0].text) == 1000

"""What an attempt changes: the state of each recipient, the next due time, and who is to be told. Pure.

Rules (RFC 5321 section 4.5.4.1): only recipients that failed for the moment are tried again, with growing waits; what
is neither a clear yes nor a clear no counts as "for the moment"; the last words about each recipient are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from config.settings import Queue
from delivery.queue.model import Attempt, QueuedMessage, QueuedRecipient, State
from message.envelope import Notify

#: Share of a wait by which chance may lengthen or shorten it, so that a restart doesn't try everything at once.
JITTER = 0.1

#: Longest text of a far server that is kept, in characters.
TEXT = 1000


@dataclass(frozen=True, slots=True)
class Settlement:
    """The consequences of one attempt.

    ``recipients`` are all of the item's with their new states. ``due_at`` is the next attempt, None when every
    recipient is final. ``failed``, ``delayed`` and ``relayed`` are those of whom the sender wants to hear now
    (RFC 3461 section 4.1).
    """

    recipients: tuple[QueuedRecipient, ...]
    due_at: float | None
    delay_told: bool
    failed: tuple[QueuedRecipient, ...] = ()
    delayed: tuple[QueuedRecipient, ...] = ()
    relayed: tuple[QueuedRecipient, ...] = ()


def wait(attempts: int, retry: Sequence[float], chance: float) -> float:
    """Seconds to wait after ``attempts`` (at least 1) attempts; ``chance`` is a random number in 0..1."""
    planned = retry[min(attempts, len(retry)) - 1]
    return planned * (1 - JITTER + 2 * JITTER * chance)


def settle(item: QueuedMessage, attempts: Sequence[Attempt], now: float, settings: Queue, chance: float) -> Settlement:
    """The consequences of ``attempts``; a waiting recipient without one counts as failed for the moment."""
    said = {attempt.address: attempt for attempt in attempts}
    expired = now >= item.queued_at + settings.give_up
    after = tuple(
        _after(recipient, said.get(recipient.address), expired) if recipient.state is State.WAITING else recipient
        for recipient in item.recipients
    )
    settled = [now for before, now in zip(item.recipients, after, strict=True) if before.state is State.WAITING]
    waiting = tuple(recipient for recipient in settled if recipient.state is State.WAITING)
    late = bool(waiting) and not item.delay_told and 0 < settings.delay_notice <= now - item.queued_at
    return Settlement(
        recipients=after,
        due_at=_due(item, now, settings, chance) if waiting else None,
        delay_told=item.delay_told or late,
        failed=tuple(r for r in settled if r.state in (State.FAILED, State.EXPIRED) and wants_failure(r.notify)),
        delayed=tuple(r for r in waiting if late and wants_delay(r.notify)),
        relayed=tuple(
            r for r in settled if r.state is State.SENT and Notify.SUCCESS in r.notify and not said[r.address].dsn
        ),
    )


def wants_failure(notify: frozenset[Notify]) -> bool:
    """True when a failure is to be reported; it is by default (RFC 3461 section 4.1)."""
    return not notify or Notify.FAILURE in notify


def wants_delay(notify: frozenset[Notify]) -> bool:
    """True when a delay is to be reported; by default it may be, and is (RFC 3461 section 4.1)."""
    return not notify or Notify.DELAY in notify


def _after(recipient: QueuedRecipient, attempt: Attempt | None, expired: bool) -> QueuedRecipient:
    if attempt is None:
        return replace(recipient, state=State.EXPIRED) if expired else recipient
    if 200 <= attempt.code <= 299:
        state = State.SENT
    elif 500 <= attempt.code <= 599:
        state = State.FAILED
    else:
        state = State.EXPIRED if expired else State.WAITING
    return replace(
        recipient,
        state=state,
        code=attempt.code,
        status=attempt.status,
        text=attempt.text[:TEXT],
        remote=attempt.remote,
    )


def _due(item: QueuedMessage, now: float, settings: Queue, chance: float) -> float:
    # The last attempt falls on the end of the message's time, not up to a whole wait after it.
    end = max(item.queued_at + settings.give_up, now + 1)
    return min(now + wait(item.attempts + 1, settings.retry, chance), end)

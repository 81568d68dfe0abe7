"""The seam between the queue and whatever carries a message away."""

from __future__ import annotations

from typing import Protocol

from delivery.queue.model import Attempt, QueuedMessage


class Relay(Protocol):
    """Tries to hand a message over. Blocks; safe from several threads; bounded in time."""

    def attempt(self, item: QueuedMessage) -> tuple[Attempt, ...]:
        """One result per waiting recipient of ``item``, in order. Never raises for what the far side does.

        A recipient is reported 2xx only when the far server answered 2xx to the end of data.
        """
        ...

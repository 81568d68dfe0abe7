"""A mailbox row in the hands of a ledger."""

from __future__ import annotations

from dataclasses import dataclass

from storage.model import SpecialUse, System
from storage.names import HELD

# Of plain integers: flags are combined a thousand times in one command.
_SEEN, _DELETED = int(System.SEEN), int(System.DELETED)


@dataclass(slots=True)
class MailboxState:
    """A mailbox row while it is being changed."""

    id: int
    name: str
    uidvalidity: int
    uidnext: int
    modseq: int
    messages: int
    unseen: int
    deleted: int
    size: int
    first_recent: int
    special_use: SpecialUse | None
    folder: str
    changed: bool = False

    @property
    def counters(self) -> dict[str, int]:
        """What changes of a mailbox, by the names of ``storage.model.Mailbox``."""
        return {
            "uidnext": self.uidnext,
            "highest_modseq": self.modseq,
            "messages": self.messages,
            "unseen": self.unseen,
            "deleted": self.deleted,
            "size": self.size,
            "first_recent": self.first_recent,
        }

    @property
    def charged(self) -> bool:
        """Whether what is in it counts against the quota: nobody can make room among what is held back."""
        return self.name != HELD

    def count(self, system: int, size: int, messages: int) -> None:
        """Add messages with such flags, ``size`` octets in all, to the counters; less than 0 are taken away."""
        self.messages += messages
        self.size += size
        if not system & _SEEN:
            self.unseen += messages
        if system & _DELETED:
            self.deleted += messages
        self.changed = True

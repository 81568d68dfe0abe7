"""What a check of the store may find, in words for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """Kinds of damage, each with what it means and what ``--repair`` does about it."""

    MISSING = "a message without a body"
    DAMAGED = "a body that is not what was kept"
    UNREADABLE = "a body that the disk does not give"
    KEPT = "a removed message that can't be brought back"
    FACTS = "a message without its envelope and structure"
    NAME = "a file whose name shows other flags"
    COUNTERS = "wrong counters of a mailbox"
    QUOTA = "a wrong sum of an account's use"
    ORPHAN = "a body that belongs to no message"
    FOLDER = "a folder that belongs to no mailbox"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: in which account's (its key) mailbox, of which message (``uid``; None: of no single one).

    ``text`` is what is the case, ``repaired`` what was done; empty while nothing was.
    """

    fault: Fault
    account: str
    mailbox: str
    uid: int | None
    text: str
    repaired: str = ""

    def __str__(self) -> str:
        where = " ".join(part for part in (self.account, self.mailbox, self.uid and f"UID {self.uid}") if part)
        return f"{where}: {self.fault.value}: {self.text}" + (f"; {self.repaired}" if self.repaired else "")

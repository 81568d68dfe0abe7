"""Names of objects that hold for good (RFC 8474), made of numbers that the store never gives twice."""

from __future__ import annotations

import hashlib


def email_id(account: int, content: int) -> str:
    """EMAILID: what a message holds, the same for all its copies in an account."""
    return f"E{account}-{content}"


def mailbox_id(account: int, mailbox: int) -> str:
    """MAILBOXID: kept through renames, not given again after a deletion."""
    return f"F{account}-{mailbox}"


def thread_id(account: int, root: str, content: int) -> str:
    """THREADID: that of the message at the root of the conversation, in whatever mailbox, here or not.

    ``root`` is the References field or what stands for it, oldest message first, or else the message's own id. A
    message without any of them is a conversation by itself.
    """
    first = root.partition(" ")[0]
    if not first:
        return f"T{account}-{content}"
    return "T" + hashlib.blake2b(f"{account} {first}".encode(), digest_size=12).hexdigest()

"""Names of objects that hold for good (RFC 8474)."""

from __future__ import annotations

import hashlib


def email_id(digest: bytes, date: int, zone: int) -> str:
    """EMAILID: all of a message that never changes, its octets and its internal date (RFC 8474 section 5.1).

    So it is the same for copies, also in mailboxes of other accounts. ``digest`` is that of the octets, ``date`` in
    seconds since the epoch, ``zone`` in minutes.
    """
    return "E" + hashlib.blake2b(b"%b %d %d" % (digest, date, zone), digest_size=16).hexdigest()


def mailbox_id(account: int, mailbox: int) -> str:
    """MAILBOXID: kept through renames, not given again after a deletion, for the store gives no number twice."""
    return f"F{account}-{mailbox}"


def thread_id(root: str, email: str) -> str:
    """THREADID: that of the message at the root of the conversation, in whatever mailbox, here or not.

    ``root`` is the References field or what stands for it, oldest message first, or else the message's own id. A
    message without any of them is a conversation by itself, named after its EMAILID.
    """
    first = root.partition(" ")[0] or email
    return "T" + hashlib.blake2b(first.encode(), digest_size=12).hexdigest()

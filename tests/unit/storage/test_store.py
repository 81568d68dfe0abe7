"""One message for many people (storage/store.py)."""

from __future__ import annotations

import time
from pathlib import Path

from message.content import MemoryContent
from storage.model import Filing
from storage.store import Store

PEOPLE = 300
LETTER = b"Subject: a\r\n\r\n" + (b"c" * 78 + b"\r\n") * (5 * 1024 * 1024 // 80)


def test_one_message_to_many_is_one_body(store: Store, tmp_path: Path) -> None:
    accounts = [store.open_account(f"person{number}") for number in range(PEOPLE)]
    for expected in (1, 2):
        start = time.process_time()
        kept = store.deliver([Filing(one) for one in accounts], MemoryContent(LETTER), None, time.time())
        # About a second and a half; a body written for each would take far more.
        assert time.process_time() - start < 30
        assert [(account, uid) for account, _, uid in kept] == [(account, expected) for account in accounts]
    files = [path.stat() for path in (tmp_path / "mail").rglob("cur/*")]
    assert len(files) == 2 * PEOPLE
    assert {(one.st_nlink, one.st_size) for one in files} == {(PEOPLE, len(LETTER))}
    assert len({one.st_ino for one in files}) == 2
    assert not list((tmp_path / "mail" / "staging").iterdir())


def test_an_empty_message_is_kept_as_it_is(store: Store) -> None:
    account = store.open_account("marie")
    ((_, mailbox, uid),) = store.deliver([Filing(account)], MemoryContent(b""), None, time.time())
    row = store.view(account, mailbox).some([uid])[0]
    assert row.size == 0
    body = store.body(account, mailbox, row)
    assert body.size == 0
    body.close()

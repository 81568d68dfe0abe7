"""What a search says of messages that went away."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.model import FlagChange, System
from tests.fakes.imap_service import service, signed_in


@pytest.mark.parametrize("command", ["SEARCH ALL", "SORT (ARRIVAL) UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL"])
def test_a_removal_of_which_no_bell_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    with service(tmp_path) as running:
        running.fill("INBOX", 3)
        client = signed_in(running, "INBOX")
        monkeypatch.setattr(running.doorbell, "ring", lambda rings: None)
        box = running.store.mailbox(running.account, "INBOX")
        running.store.store_flags(running.account, box.id, [2], FlagChange.ADD, int(System.DELETED), ())
        running.store.expunge(running.account, box.id, [2])
        found, tagged = client.command(command)
        assert b"2" not in found
        assert b" OK [EXPUNGEISSUED] " in tagged

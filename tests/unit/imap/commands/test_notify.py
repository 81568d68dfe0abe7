"""More accounts than a session may watch (RFC 5465 section 5.8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.imap_service import Client, Service, service, signed_in

SHARED = "NOTIFY SET (subtree user (MessageNew MessageExpunge MailboxName))"


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, notify_accounts=1) as running:
        for login in ("luc", "anne"):
            running.add_account(login)
        yield running


@pytest.fixture
def client(narrow: Service) -> Iterator[Client]:
    one = signed_in(narrow, "INBOX")
    yield one
    one.close()


def test_notify_is_refused(narrow: Service, client: Client) -> None:
    narrow.give("luc", "INBOX", "marie", "lr")
    narrow.give("anne", "INBOX", "marie", "lr")
    assert b" NO [NOTIFICATIONOVERFLOW]" in client.command(SHARED)[-1]
    # Nothing has changed for it: news are told as ever.
    narrow.deliver("INBOX")
    assert b"* 1 EXISTS" in client.ok("NOOP")
    # Notes of one's own mailboxes are told all the same.
    client.ok("ENABLE METADATA")
    other = signed_in(narrow)
    other.ok('SETMETADATA Sent (/private/comment "x")')
    assert client.ok("NOOP") == [b"* METADATA Sent /private/comment"]
    other.close()


def test_notify_ends_when_there_are_more(narrow: Service, client: Client) -> None:
    narrow.give("luc", "INBOX", "marie", "lr")
    client.ok(SHARED)
    narrow.give("anne", "INBOX", "marie", "lr")
    assert client.response().startswith(b"* OK [NOTIFICATIONOVERFLOW]")
    narrow.deliver("INBOX")
    assert client.ok("NOOP") == [], "as after NOTIFY NONE"


def test_enable_metadata_leaves_the_selected_mailbox_alone(narrow: Service, client: Client) -> None:
    client.ok("ENABLE METADATA")
    for login in ("luc", "anne"):
        narrow.give(login, "INBOX", "marie", "lr")
    assert client.ok("NOOP") == []
    narrow.deliver("INBOX")
    assert b"* 1 EXISTS" in client.ok("NOOP")

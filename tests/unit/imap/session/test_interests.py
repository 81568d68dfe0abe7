"""Which mailboxes a filter of NOTIFY means (RFC 5465 section 6)."""

from __future__ import annotations

import pytest

from imap.session.interests import Interests, attention, everything
from imap.wire.commands import Events, Notify
from imap.wire.parser import Limits, parse
from storage.model import Mailbox, SpecialUse

SOME = "(MessageNew MessageExpunge)"
NEW = Events.MESSAGE_NEW | Events.MESSAGE_EXPUNGE


def interests(groups: str) -> Interests:
    command = parse((b"t NOTIFY SET " + groups.encode(),), (), Limits()).command
    assert isinstance(command, Notify)
    assert command.groups is not None
    return Interests(command.groups)


def box(name: str, use: SpecialUse | None = None) -> Mailbox:
    return Mailbox(1, 1, name, 1, 1, 1, 0, 0, 0, 0, 1, use, True)


@pytest.mark.parametrize(
    ("groups", "meant", "not_meant"),
    [
        (f"(mailboxes (INBOX a/b) {SOME})", ["INBOX", "a/b"], ["a", "a/b/c", "Junk", "user/x/a/b"]),
        (f'(mailboxes "a*" {SOME})', ["a*"], ["ab"]),
        (f"(subtree a {SOME})", ["a", "a/b", "a/b/c"], ["ab", "INBOX", "user/x/a"]),
        (f"(subtree user/x {SOME})", ["user/x/a", "user/x"], ["a", "user/xy/a"]),
        (f"(personal {SOME})", ["INBOX", "a/b", "Junk"], ["user/x/a", "shared/y/INBOX"]),
        (f"(inboxes {SOME})", ["INBOX", "Junk"], ["a", "user/x/INBOX"]),
        (f"(selected {SOME})", [], ["INBOX", "a"]),
        ("(personal NONE)", [], ["INBOX", "a"]),
    ],
)
def test_filters(groups: str, meant: list[str], not_meant: list[str]) -> None:
    found = interests(groups)
    for name in (*meant, *not_meant):
        mailbox = box(name.rpartition("/")[2], SpecialUse.JUNK if name == "Junk" else None)
        assert found.of(name, mailbox, subscribed=False) == (NEW if name in meant else Events.NONE), name


def test_groups_add_up() -> None:
    found = interests(f"(mailboxes INBOX {SOME}) (personal (SubscriptionChange)) (subscribed (MailboxName))")
    assert found.of("INBOX", box("INBOX"), subscribed=True) == NEW | Events.SUBSCRIPTION_CHANGE | Events.MAILBOX_NAME
    assert found.of("user/x/a", box("a"), subscribed=True) == Events.MAILBOX_NAME
    assert found.of("user/x/a", box("a"), subscribed=False) == Events.NONE
    assert found.all == NEW | Events.SUBSCRIPTION_CHANGE | Events.MAILBOX_NAME


@pytest.mark.parametrize(
    ("groups", "wide"),
    [
        (f"(personal {SOME}) (inboxes {SOME})", False),
        (f"(subtree (a username) {SOME})", False),
        (f"(subtree user {SOME})", True),
        (f"(mailboxes (a shared/x/INBOX) {SOME})", True),
        (f'(subtree "" {SOME})', True),
        (f"(subscribed {SOME})", True),
    ],
)
def test_accounts_of_others_are_only_watched_when_they_may_be_meant(groups: str, wide: bool) -> None:
    assert interests(groups).wide is wide


def test_of_the_selected_mailbox_nothing_is_told_unasked() -> None:
    command = parse((b"t NOTIFY SET (selected-delayed (MessageNew (BODY[]) MessageExpunge))",), (), Limits()).command
    assert isinstance(command, Notify)
    assert command.groups is not None
    found = attention(command.groups)
    assert (found.events, found.delayed) == (NEW, True)
    assert [getattr(item, "sees", None) for item in found.items] == [False], "what is pushed was not read by anybody"
    assert attention([]).events == Events.NONE
    assert everything(NEW).of("user/x/a", None, subscribed=False) == NEW

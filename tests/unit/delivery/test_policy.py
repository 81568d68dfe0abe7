"""The decision table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from config.settings import MailAuth
from delivery.outcome import Reason
from delivery.policy import Action, Decision, check_header, decide
from mailauth.results import AuthenticationResults, DmarcResult, Outcome, SpfResult
from message.headers import parse_headers
from spamfilter.verdict import Action as Suggestion
from spamfilter.verdict import Verdict


def authentication(outcome: Outcome, policy: str) -> AuthenticationResults:
    return AuthenticationResults(
        spf=SpfResult(Outcome.NONE, "far.example", "mailfrom", ""),
        dkim=(),
        dmarc=DmarcResult(outcome, "far.example", policy),
        note="",
    )


def verdict(action: Suggestion, *, scanned: bool = True) -> Verdict:
    return Verdict(7.5, action, (), None, 6.0, 15.0, scanned=scanned)


ACCEPT = Suggestion.ACCEPT
FAIL = Outcome.FAIL


@pytest.mark.parametrize(
    ("outcome", "policy", "suggestion", "reject_dmarc", "action", "reason"),
    [
        (Outcome.PASS, "reject", ACCEPT, True, Action.ACCEPT, Reason.DELIVERED),
        (FAIL, "none", ACCEPT, True, Action.ACCEPT, Reason.DELIVERED),
        (FAIL, "quarantine", ACCEPT, True, Action.JUNK, Reason.DMARC),
        (FAIL, "reject", ACCEPT, True, Action.REFUSE, Reason.DMARC),
        (FAIL, "reject", ACCEPT, False, Action.JUNK, Reason.DMARC),
        (Outcome.TEMPERROR, "reject", ACCEPT, True, Action.ACCEPT, Reason.DELIVERED),
        (Outcome.NONE, "none", Suggestion.JUNK, True, Action.JUNK, Reason.SPAM),
        (Outcome.NONE, "none", Suggestion.REJECT, True, Action.REFUSE, Reason.SPAM),
        (FAIL, "quarantine", Suggestion.REJECT, True, Action.REFUSE, Reason.SPAM),
    ],
)
def test_decisions(
    outcome: Outcome, policy: str, suggestion: Suggestion, reject_dmarc: bool, action: Action, reason: Reason
):
    settings = replace(MailAuth(), reject_dmarc=reject_dmarc)
    decision = decide(authentication(outcome, policy), verdict(suggestion), settings)
    assert (decision.action, decision.reason) == (action, reason)


def test_judges_that_are_switched_off_have_no_say():
    assert decide(None, None, MailAuth()).action is Action.ACCEPT


def test_what_was_not_scanned_passes():
    assert decide(None, verdict(ACCEPT, scanned=False), MailAuth()).action is Action.ACCEPT


def checked(head: bytes) -> Decision | None:
    return check_header(parse_headers(head + b"\r\nbody\r\n", max_fields=100_000))


FROM = b"From: Anna <anna@far.example>\r\n"


@pytest.mark.parametrize(
    "head",
    [
        FROM,
        b"From: a@x.example, b@y.example\r\nSender: a@x.example\r\n",
        b"From: team: a@x.example, b@y.example;\r\nSender: a@x.example\r\n",
        b"fRoM :\r\n anna@far.example\r\n",
        FROM + b"Received: x\r\n" * 50,
        FROM + b"X-Many: y\r\n" * 5000,
        b"Subject: x\r\n",
        b"From: \r\n",
        b"From: MAILER-DAEMON\r\n",
        b"From: undisclosed:;\r\n",
    ],
)
def test_headers_that_pass(head: bytes):
    assert checked(head) is None


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (FROM + FROM, Reason.BAD_HEADER),
        (FROM + b"X-Many: y\r\n" * 1500 + b"From : other@far.example\r\n", Reason.BAD_HEADER),
        (b"From: " + b"x" * 40_000 + b" <a@x.example>\r\n", Reason.BAD_HEADER),
        (b"From: a@x.example, b@y.example\r\n", Reason.BAD_HEADER),
    ],
)
def test_headers_that_are_refused(head: bytes, reason: Reason):
    decision = checked(head)
    assert decision is not None
    assert decision.action is Action.REFUSE
    assert decision.reason is reason
    assert decision.detail

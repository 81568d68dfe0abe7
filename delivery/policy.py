"""What is done with a message, decided from what is known about it. Pure.

Checks and judges only say what they found; the action is chosen here, with one reason, from the operator's settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from config.settings import MailAuth, Spam
from delivery.antivirus import Scan
from delivery.outcome import Reason
from mailauth.results import AuthenticationResults, Outcome
from message.address import parse_addresses
from message.headers import HeaderBlock
from spamfilter.verdict import Action as Suggestion
from spamfilter.verdict import Verdict

#: Longest field that names an author, in octets: what a parser leaves unread could not be checked.
AUTHOR_LIMIT = 32 * 1024


#: Symbols of files that are dealt with by policy, whatever the score.
PROGRAMS = frozenset(
    (
        "EXECUTABLE_ATTACHMENT",
        "SHORTCUT_ATTACHMENT",
        "ARCHIVED_PROGRAM",
        "DISK_IMAGE",
        "SCRIPT_ATTACHMENT",
        "DOUBLE_EXTENSION",
        "TURNED_NAME",
    )
)
ENCRYPTED = frozenset(("ENCRYPTED_ARCHIVE", "LOCKED_ARCHIVE", "ARCHIVE_BOMB"))
MACROS = frozenset(("MACRO_DOCUMENT", "RTF_OBJECT"))


class Action(Enum):
    """ACCEPT: into INBOX. JUNK: into the Junk folder. HOLD: into the quarantine. REFUSE: the sender keeps it.
    DEFER: it may try again later."""

    ACCEPT = "accept"
    JUNK = "junk"
    HOLD = "hold"
    REFUSE = "refuse"
    DEFER = "defer"


@dataclass(frozen=True, slots=True)
class Decision:
    """An action with its reason; ``detail`` names what was found, in English, for the log and the reply."""

    action: Action
    reason: Reason
    detail: str = ""


def check_header(headers: HeaderBlock) -> Decision | None:
    """The refusal that a header deserves by its form alone, or None.

    At most one From field, and a Sender when it has several addresses (RFC 5322 section 3.6.2): several would let the
    author who is authenticated differ from the one that is shown (RFC 9989). A missing or empty From alone is no reason
    to refuse (RFC 5321 section 3.3): the spam filter counts it.
    """
    if not headers.complete:
        return _bad("the header has too many fields")
    authors = headers.all(b"From")
    if len(authors) > 1:
        return _bad("several From fields")
    if any(field.end - field.start > AUTHOR_LIMIT for field in headers.named(b"From")):
        return _bad("From is too long")
    if authors and len(parse_addresses(authors[0])) > 1 and not headers.all(b"Sender"):
        return _bad("several addresses in From and no Sender")
    return None


def decide_files(verdict: Verdict | None, scan: Scan | None, settings: Spam) -> Decision:
    """What the operator wants done with what is attached. ACCEPT means that files are no reason for anything."""
    if scan is not None and scan.virus:
        return Decision(_WANTED[settings.viruses], Reason.VIRUS, scan.virus)
    if scan is not None and not scan.scanned and settings.clamd_away == "defer":
        return Decision(Action.DEFER, Reason.NOT_SCANNED, scan.note)
    details = {hit.symbol: hit.detail for hit in verdict.hits} if verdict is not None else {}
    decision = Decision(Action.ACCEPT, Reason.DELIVERED)
    for symbols, wanted in (
        (PROGRAMS, settings.programs),
        (ENCRYPTED, settings.encrypted_archives),
        (MACROS, settings.macros),
    ):
        if found := sorted(symbols & details.keys()):
            decision = graver(decision, Decision(_WANTED[wanted], Reason.ATTACHMENT, details[found[0]]))
    return decision


def decide_hold(verdict: Verdict | None, settings: Spam) -> Decision:
    """Whether what the filter found is worse than what people should meet in their Junk folder: HOLD, else ACCEPT."""
    if verdict is not None and verdict.scanned:
        found = f"score {verdict.score:.1f}"
        if verdict.guarded and 0 < settings.hold_impersonation_from <= verdict.score:
            return Decision(Action.HOLD, Reason.IMPERSONATION, found)
        if 0 < settings.hold_from <= verdict.score:
            return Decision(Action.HOLD, Reason.SPAM, found)
    return Decision(Action.ACCEPT, Reason.DELIVERED)


def decide(authentication: AuthenticationResults | None, verdict: Verdict | None, settings: MailAuth) -> Decision:
    """What to do with a message from outside. None means that a judge is switched off; it then has no say."""
    failed_policy = _failed_dmarc_policy(authentication)
    if failed_policy == "reject" and settings.reject_dmarc:
        return Decision(Action.REFUSE, Reason.DMARC, "DMARC policy is reject")
    if verdict is not None and verdict.action is Suggestion.REJECT:
        return Decision(Action.REFUSE, Reason.SPAM, f"score {verdict.score:.1f}")
    if failed_policy in ("reject", "quarantine"):
        return Decision(Action.JUNK, Reason.DMARC, f"DMARC policy is {failed_policy}")
    if verdict is not None and verdict.action is Suggestion.JUNK:
        return Decision(Action.JUNK, Reason.SPAM, f"score {verdict.score:.1f}")
    return Decision(Action.ACCEPT, Reason.DELIVERED)


def _failed_dmarc_policy(authentication: AuthenticationResults | None) -> str:
    if authentication is None or authentication.dmarc.outcome is not Outcome.FAIL:
        return ""
    return authentication.dmarc.policy


def _bad(detail: str) -> Decision:
    return Decision(Action.REFUSE, Reason.BAD_HEADER, detail)


#: What the operator's words for kinds of files mean.
_WANTED = {
    "mark": Action.ACCEPT,
    "strip": Action.ACCEPT,
    "junk": Action.JUNK,
    "hold": Action.HOLD,
    "reject": Action.REFUSE,
}

_GRAVITY = {Action.ACCEPT: 0, Action.JUNK: 1, Action.HOLD: 2, Action.DEFER: 3, Action.REFUSE: 4}


def graver(one: Decision, other: Decision) -> Decision:
    """The decision with the graver action; the first one when they are equal."""
    return other if _GRAVITY[other.action] > _GRAVITY[one.action] else one

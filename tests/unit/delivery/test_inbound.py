"""Mail from outside: where it ends up, what is added and cut, and what is told to whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from config.settings import Store as StoreSettings
from delivery.antivirus import Scan
from delivery.fields import protocol
from delivery.inbound import InboundPipeline
from delivery.judging import Case
from delivery.outcome import Dispositions
from directory.api import Targets
from mailauth.results import AuthenticationResults, DmarcResult, Outcome, SpfResult
from message.content import Buffer, Content, FileContent, MemoryContent
from message.envelope import ClientInfo, Envelope, Notify, Recipient
from message.headers import HeaderBlock, parse_headers
from smtp.errors import disposition_reply
from spamfilter import record
from spamfilter.evidence import Namesake
from spamfilter.rules import RULES
from spamfilter.scores import shipped
from spamfilter.sightings import arrivals_of
from spamfilter.verdict import Action, Hit, Verdict
from storage.errors import DiskFull, Unavailable
from tests.fakes.post_office import LUC, MARIE, PAUL, PostOffice, envelope, letter, outcomes


class Says:
    """An evaluator and a filter that say what they are told to say."""

    def __init__(self) -> None:
        self.dmarc = DmarcResult(Outcome.PASS, "far.example", "none")
        self.action = Action.ACCEPT
        self.score = 3.0
        self.guarded: tuple[str, ...] = ()
        self.sketch = ""
        self.origin: tuple[str, ...] = ()
        self.asked: list[Case] = []

    def evaluate(self, envelope: Envelope, buffer: Buffer, headers: HeaderBlock) -> AuthenticationResults:
        return AuthenticationResults(SpfResult(Outcome.PASS, "far.example", "mailfrom", ""), (), self.dmarc, "")

    def judge(self, case: Case) -> Verdict:
        self.asked.append(case)
        hits = tuple(Hit(symbol, 4.0, "Imitation", "Imitation") for symbol in self.guarded)
        more = {"guarded": self.guarded, "sketch": self.sketch, "origin": self.origin}
        return Verdict(self.score, self.action, hits, None, 6.0, 15.0, **more)  # type: ignore[arg-type]


class Office(PostOffice):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.says = Says()
        self.inbound = InboundPipeline(
            self.store, self.people, self.says, self.says, self.queue, self.settings, namesakes=self.namesakes
        )

    def namesakes(self, name: str) -> tuple[Namesake, ...]:
        return (Namesake("Paul Durand", ("paul@ici.example",)),) if name == "Paul Durand" else ()

    def accept(self, *recipients: str | Recipient, content: Content | None = None, **more: Any) -> Dispositions:
        return self.inbound.accept(envelope(*recipients, **more), content or letter())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


def fill(office: PostOffice, account: object) -> None:
    office.store.set_quota(office.store.open_account(account.key), 10, None)  # type: ignore[attr-defined]


# ------------------------------------------------------------ where it goes


def test_plain_mail_lands_in_the_inbox_byte_for_byte_under_our_fields(office: Office):
    content = letter(body="a\tb  \r\n\r\n.\r\nend without newline")
    result = office.accept("marie@ici.example", content=content)
    assert outcomes(result.each) == [("marie@ici.example", "KEPT", "DELIVERED")]
    assert result.whole is None
    (kept,) = office.mail(MARIE)
    assert kept.endswith(bytes(content.buffer()))
    names = [field.name for field in parse_headers(kept).fields]
    ours = names[: names.index(b"From")]
    assert ours[:3] == [b"Return-Path", b"Received", b"Authentication-Results"]
    assert all(name.startswith(b"X-Spam-") for name in ours[3:])
    assert kept.startswith(b"Return-Path: <anna@far.example>\r\n")


def test_a_guarded_message_bears_a_warning_and_the_keyword(office: Office):
    office.says.guarded = ("LOOKALIKE_DOMAIN",)
    office.accept("marie@ici.example", content=letter(author="Paul Durand <x@far.example>"))
    (kept,) = office.mail(MARIE)
    assert b"\r\nX-Spam-Warning:" in kept
    mailbox = office.mailbox(MARIE)
    view = office.store.view(mailbox.account, mailbox.id)
    row = view.row(view.uids[0])
    assert row is not None
    assert row.keywords == ("$Phishing",)
    (case,) = office.says.asked
    assert [one.name for one in case.namesakes] == ["Paul Durand"]


@pytest.mark.parametrize(
    ("found", "settings", "outcome"),
    [
        (Scan(), {}, ("KEPT", "DELIVERED")),
        (Scan(virus="Eicar"), {}, ("REFUSED", "VIRUS")),
        (Scan(virus="Eicar"), {"viruses": "junk"}, ("KEPT", "JUNKED")),
        (Scan(note="away"), {}, ("KEPT", "DELIVERED")),
        (Scan(note="away"), {"clamd_away": "defer"}, ("LATER", "NOT_SCANNED")),
    ],
)
def test_viruses(office: Office, found: Scan, settings: dict[str, str], outcome: tuple[str, str]):
    class Scanner:
        def scan(self, content: Content) -> Scan:
            return found

    changed = replace(office.settings, spam=replace(office.settings.spam, **settings))
    inbound = InboundPipeline(
        office.store, office.people, office.says, office.says, office.queue, changed, antivirus=Scanner()
    )
    result = inbound.accept(envelope("marie@ici.example"), letter())
    assert outcomes(result.each) == [("marie@ici.example", *outcome)]
    kept = [*office.mail(MARIE), *office.junk(MARIE)]
    assert len(kept) == (outcome[0] == "KEPT")
    status = b"Infected (Eicar)" if found.virus else b"Not scanned" if found.note else b"Clean"
    assert all(b"\r\nX-Virus-Status: " + status + b"\r\n" in octets for octets in kept)


@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [
        ("mark", ("KEPT", "DELIVERED")),
        ("junk", ("KEPT", "JUNKED")),
        ("hold", ("KEPT", "HELD")),
        ("reject", ("REFUSED", "ATTACHMENT")),
    ],
)
@pytest.mark.parametrize(
    ("setting", "symbol"),
    [("programs", "ARCHIVED_PROGRAM"), ("encrypted_archives", "LOCKED_ARCHIVE"), ("macros", "MACRO_DOCUMENT")],
)
def test_files_by_policy(office: Office, setting: str, symbol: str, wanted: str, outcome: tuple[str, str]):
    class Filter:
        def judge(self, case: Case) -> Verdict:
            return Verdict(1.0, Action.ACCEPT, (Hit(symbol, 1.0, "", "", "a.zip: x.exe"),), None, 6.0, 15.0)

    changed = replace(office.settings, spam=replace(office.settings.spam, **{setting: wanted}))
    inbound = InboundPipeline(office.store, office.people, office.says, Filter(), office.queue, changed)
    result = inbound.accept(envelope("marie@ici.example"), letter())
    assert outcomes(result.each) == [("marie@ici.example", *outcome)]
    if wanted == "reject":
        assert result.whole is not None
        assert "x.exe" in result.whole.text


def test_the_record_of_the_verdict_commits_with_the_message(office: Office):
    office.accept("marie@ici.example")
    verdict = record.find(office.database, "m1", shipped(RULES))
    assert verdict is not None
    assert (verdict.score, verdict.action) == (3.0, Action.ACCEPT)


def test_the_record_says_whom_it_was_for_and_what_tells_its_making(office: Office):
    office.says.sketch, office.says.origin = "ab" * 64, ("domain:far.example",)
    office.people.targets["all@ici.example"] = Targets((MARIE, PAUL))
    office.accept("marie@ici.example", "all@ici.example", content=letter("Message-ID: <7@far.example>\r\n"))
    [found] = arrivals_of(office.database, "<7@far.example>")
    assert found == arrivals_of(office.database, "m1")[0]
    assert (found.accounts, found.sketch) == (tuple(sorted((MARIE.key, PAUL.key))), b"\xab" * 64)
    verdict = record.find(office.database, "m1", shipped(RULES))
    assert verdict is not None
    assert verdict.origin == ("domain:far.example",)


def test_the_judge_is_told_of_a_person_only_when_it_is_for_one(office: Office):
    office.people.targets["all@ici.example"] = Targets((MARIE, PAUL))
    office.accept("marie@ici.example")
    office.accept("all@ici.example", id="m2")
    assert [case.person for case in office.says.asked] == [MARIE.key, ""]


def test_each_account_gets_one_copy(office: Office):
    office.people.targets["all@ici.example"] = Targets((MARIE, PAUL))
    result = office.accept("marie@ici.example", "m.curie@ici.example", "all@ici.example")
    assert [fate for _, fate, _ in outcomes(result.each)] == ["KEPT"] * 3
    assert len(office.mail(MARIE)) == 1
    assert len(office.mail(PAUL)) == 1


def test_junk_goes_to_junk(office: Office):
    office.says.action = Action.JUNK
    result = office.accept("marie@ici.example")
    assert outcomes(result.each) == [("marie@ici.example", "KEPT", "JUNKED")]
    assert office.mail(MARIE) == []
    assert len(office.junk(MARIE)) == 1


@pytest.mark.parametrize(
    ("score", "guarded", "place"),
    [(14.9, (), "JUNKED"), (15.0, (), "HELD"), (9.9, ("LOOKALIKE_DOMAIN",), "JUNKED"), (10.0, ("X",), "HELD")],
)
def test_the_worst_is_held_back(office: Office, score: float, guarded: tuple[str, ...], place: str):
    office.says.action, office.says.score, office.says.guarded = Action.JUNK, score, guarded
    result = office.accept("marie@ici.example", "paul@ici.example")
    assert outcomes(result.each) == [(f"{who}@ici.example", "KEPT", place) for who in ("marie", "paul")]
    assert office.mail(MARIE) == []
    held = office.store.held_mail(office.store.open_account(MARIE.key))
    assert (held.messages, len(office.junk(MARIE))) == ((1, 0) if place == "HELD" else (0, 1))


def test_when_very_much_is_held_back_more_goes_to_junk(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("delivery.filing.MOST_HELD", 2)
    office.says.action, office.says.score = Action.JUNK, 20.0
    for n in range(3):
        office.inbound.accept(replace(envelope("marie@ici.example"), id=f"m{n}"), letter())
    assert office.store.held_mail(office.store.open_account(MARIE.key)).messages == 2
    assert len(office.junk(MARIE)) == 1


@pytest.mark.parametrize(
    ("action", "policy", "reason"), [(Action.REJECT, "none", "SPAM"), (Action.ACCEPT, "reject", "DMARC")]
)
def test_what_policy_refuses_is_kept_nowhere(office: Office, action: Action, policy: str, reason: str):
    office.says.action = action
    office.says.dmarc = DmarcResult(Outcome.FAIL, "far.example", policy)
    result = office.accept("marie@ici.example", "paul@ici.example")
    assert [one[1:] for one in outcomes(result.each)] == [("REFUSED", reason)] * 2
    assert result.whole is not None
    assert result.whole.reason.name == reason
    assert result.whole.text.isascii()
    assert office.everything() == 0
    assert office.queue.depth() == 0


def test_an_alias_elsewhere_is_queued_with_the_local_copy(office: Office):
    office.people.targets["list@ici.example"] = Targets((MARIE,), ("out@x.example", "out@x.example"))
    result = office.accept("list@ici.example", "list@ici.example")
    assert [one[1:] for one in outcomes(result.each)] == [("KEPT", "DELIVERED")] * 2
    assert len(office.mail(MARIE)) == 1
    office.work()
    ((address, octets),) = office.relay.sent
    assert address == "out@x.example"
    # Return-Path is for the final server (RFC 5321 section 4.4).
    assert b"Return-Path" not in octets
    assert octets.startswith(b"Received:")


def test_only_elsewhere_is_queued(office: Office):
    office.people.targets["gone@ici.example"] = Targets((), ("out@x.example",))
    assert outcomes(office.accept("gone@ici.example").each) == [("gone@ici.example", "KEPT", "QUEUED")]
    (entry,) = office.queue.entries()
    assert entry.recipients[0].original == "rfc822;gone@ici.example"


def test_forwarded_junk_is_never_reported(office: Office):
    office.says.action = Action.JUNK
    office.people.targets["gone@ici.example"] = Targets((), ("out@x.example",))
    office.relay.answers["out@x.example"] = [550]
    office.accept("gone@ici.example")
    office.work()
    assert office.relay.tried == ["out@x.example"]
    assert office.queue.depth() == 0


def test_what_is_sent_on_has_clean_line_ends(office: Office):
    office.people.targets["gone@ici.example"] = Targets((), ("out@x.example",))
    office.accept("gone@ici.example", content=letter(body="a\n.\nMAIL FROM:<x>\r\n"))
    office.work()
    ((_, octets),) = office.relay.sent
    assert b"a\r\n.\r\nMAIL" in octets


def test_foreign_domains_are_never_relayed(office: Office):
    result = office.accept("someone@far.example")
    assert outcomes(result.each) == [("someone@far.example", "REFUSED", "UNKNOWN_RECIPIENT")]
    assert office.queue.depth() == 0


def test_postmaster_without_domain_is_asked_for(office: Office):
    office.people.targets["postmaster"] = Targets((LUC,))
    assert outcomes(office.accept("postmaster").each) == [("postmaster", "KEPT", "DELIVERED")]


# ------------------------------------------------------------ header


def test_forged_fields_of_ours_are_cut_out_and_nothing_else(office: Office):
    content = letter(
        "Authentication-Results: mx.ici.example; dmarc=pass",
        "Authentication-Results: mx.other.example; dmarc=pass",
        "X-Spam-Status: No, score=-100",
        "x-sPaM-Score : -100",
        "X-Spamtrap: kept",
    )
    office.accept("marie@ici.example", content=content)
    (kept,) = office.mail(MARIE)
    assert b"-100" not in kept
    assert kept.count(b"Authentication-Results: mx.ici.example") == 1
    assert b"Authentication-Results: mx.other.example; dmarc=pass\r\nX-Spamtrap: kept\r\nFrom: Anna" in kept


def test_a_return_path_stays_in_mailboxes_and_goes_no_further(office: Office):
    office.people.targets["marie@ici.example"] = Targets((MARIE,), ("marie@far.example",))
    office.accept("marie@ici.example", content=letter("Return-Path: <list@other.example>"))
    (kept,) = office.mail(MARIE)
    assert kept.startswith(b"Return-Path: <anna@far.example>\r\nReceived: ")
    assert b"\r\nReturn-Path: <list@other.example>\r\n" in kept
    office.work()
    ((_, octets),) = office.relay.sent
    assert b"Return-Path" not in octets


def test_lines_that_continue_nothing_do_not_go_on_with_our_fields(office: Office):
    office.inbound = InboundPipeline(office.store, office.people, office.says, None, office.queue, office.settings)
    content = MemoryContent(b" ;dkim=pass header.d=bank.example\r\n\t x\r\nFrom: a@far.example\r\n\r\n kept\r\n")
    office.accept("marie@ici.example", content=content)
    (kept,) = office.mail(MARIE)
    assert b"bank.example" not in kept
    assert kept.endswith(b"\r\nFrom: a@far.example\r\n\r\n kept\r\n")


def test_a_letter_without_author_is_judged(office: Office):
    result = office.accept("marie@ici.example", content=MemoryContent(b"Subject: scan\r\n\r\npage 1\r\n"))
    assert outcomes(result.each) == [("marie@ici.example", "KEPT", "DELIVERED")]
    assert office.says.asked


def test_several_from_fields_are_refused(office: Office):
    result = office.accept("marie@ici.example", content=letter(author="Anna <anna@far.example>\r\nFrom: b@far.example"))
    assert [one[1:] for one in outcomes(result.each)] == [("REFUSED", "BAD_HEADER")]
    assert office.says.asked == []


def test_delivered_to_the_same_mailbox_is_a_loop_for_it_alone(office: Office):
    content = letter("Delivered-To: MARIE@ici.example")
    result = office.accept("marie@ici.example", "paul@ici.example", content=content)
    assert [one[1:] for one in outcomes(result.each)] == [("REFUSED", "LOOP"), ("KEPT", "DELIVERED")]
    office.work()
    ((address, report),) = office.relay.sent
    assert address == "anna@far.example"
    assert b"Status: 5.4.6" in report
    assert b"paul" not in report


def test_the_judge_knows_names_domains_and_authentication(office: Office):
    office.accept("marie@ici.example", "paul@ici.example")
    (evidence,) = office.says.asked
    assert evidence.names == ("Marie", "Paul")
    assert evidence.local_domains == {"ici.example"}
    assert evidence.authentication is not None


def test_judges_may_be_switched_off(office: Office):
    inbound = InboundPipeline(office.store, office.people, None, None, office.queue, office.settings)
    content = letter("Authentication-Results: mx.ici.example; dmarc=pass")
    result = inbound.accept(envelope("marie@ici.example"), content)
    assert outcomes(result.each) == [("marie@ici.example", "KEPT", "DELIVERED")]
    (kept,) = office.mail(MARIE)
    assert b"Authentication-Results" not in kept
    assert b"X-Spam" not in kept


def test_an_unscanned_message_passes_marked(office: Office):
    class Judge:
        def judge(self, case: Case) -> Verdict:
            return Verdict(0.0, Action.ACCEPT, (), None, 6.0, 15.0, scanned=False, note="filter failed")

    inbound = InboundPipeline(office.store, office.people, None, Judge(), office.queue, office.settings)
    assert inbound.accept(envelope("marie@ici.example"), letter()).each[0].fate.name == "KEPT"
    (kept,) = office.mail(MARIE)
    assert b"X-Spam-Status:" in kept


@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_a_message_in_a_file_is_kept_whole(office: Office, tmp_path: Path, size: int):
    octets = bytes(letter("X-Spam-Flag: NO", body="0123456789\r\n" * (size // 12)).buffer())
    (tmp_path / "spool").write_bytes(octets)
    office.accept("marie@ici.example", content=FileContent(tmp_path / "spool"))
    (kept,) = office.mail(MARIE)
    assert kept.endswith(octets.removeprefix(b"X-Spam-Flag: NO\r\n"))
    assert b"X-Spam-Flag" not in kept


def test_a_message_without_body_or_blank_line(office: Office):
    office.accept("marie@ici.example", content=MemoryContent(b"From: anna@far.example\r\nSubject: only"))
    (kept,) = office.mail(MARIE)
    assert kept.endswith(b"From: anna@far.example\r\nSubject: only")


# ------------------------------------------------------------ some can, some can't


def test_a_full_mailbox_is_put_off_when_it_is_the_only_one(office: Office):
    fill(office, MARIE)
    result = office.accept("marie@ici.example")
    assert outcomes(result.each) == [("marie@ici.example", "LATER", "OVER_QUOTA")]
    assert office.queue.depth() == 0


def test_a_full_mailbox_refuses_for_good_where_that_is_the_rule(tmp_path: Path):
    office = Office(tmp_path, Settings(store=StoreSettings(refuse_when_full=True)))
    fill(office, MARIE)
    result = office.accept("marie@ici.example")
    assert outcomes(result.each) == [("marie@ici.example", "REFUSED", "OVER_QUOTA")]
    reply = disposition_reply(result.each[0])
    assert (reply.code, reply.status) == (552, "5.2.2")
    assert "La boite du destinataire est pleine" in reply.text
    office.close()


def test_who_had_no_room_is_asked_about_before_the_next_message_comes(office: Office):
    inbound, marie = office.inbound, office.store.open_account(MARIE.key)
    assert inbound.refusal("marie@ici.example", 0) is None
    fill(office, MARIE)
    assert not inbound.may_be_full("marie@ici.example")
    office.accept("marie@ici.example")
    assert inbound.may_be_full("marie@ici.example")
    refusal = inbound.refusal("marie@ici.example", 2000)
    assert refusal is not None
    assert (disposition_reply(refusal).code, disposition_reply(refusal).status) == (452, "4.2.2")
    office.store.set_quota(marie, 0, 1)
    office.accept("marie@ici.example")
    office.accept("marie@ici.example")
    assert inbound.refusal("marie@ici.example", 0) is not None
    assert inbound.refusal("paul@ici.example", 10**9) is None
    assert inbound.refusal("nobody@ici.example", 0) is None
    used = office.store.quota(marie).used_bytes
    office.store.set_quota(marie, used + 10_000, None)
    assert inbound.refusal("marie@ici.example", 10_001) is not None
    assert inbound.refusal("marie@ici.example", 10_000) is None
    assert not inbound.may_be_full("marie@ici.example")


def test_what_a_group_shares_counts_before_a_message_comes(office: Office):
    inbound, marie = office.inbound, office.store.open_account(MARIE.key)
    office.store.shared_quotas.set("college", 1, 0, [marie])
    office.accept("marie@ici.example")
    assert inbound.refusal("marie@ici.example", 2000) is not None
    office.store.shared_quotas.set("college", 10**6, 0, [marie])
    assert inbound.refusal("marie@ici.example", 2000) is None


def test_an_address_that_leads_to_room_anywhere_is_never_refused_early(office: Office):
    fill(office, MARIE)
    office.accept("marie@ici.example")
    both = Targets((MARIE, PAUL))
    office.people.resolve = lambda address: both  # type: ignore[method-assign]
    assert office.inbound.refusal("all@ici.example", 0) is None
    outside = Targets((MARIE,), ("marie@far.example",))
    office.people.resolve = lambda address: outside  # type: ignore[method-assign]
    assert office.inbound.refusal("all@ici.example", 0) is None


def test_a_full_mailbox_among_others_is_told_by_mail(office: Office):
    fill(office, MARIE)
    fill(office, LUC)
    result = office.accept("marie@ici.example", "paul@ici.example", "luc@ici.example")
    assert outcomes(result.each) == [
        ("marie@ici.example", "LATER", "OVER_QUOTA"),
        ("paul@ici.example", "KEPT", "DELIVERED"),
        ("luc@ici.example", "LATER", "OVER_QUOTA"),
    ]
    assert len(office.mail(PAUL)) == 1
    office.work()
    ((address, report),) = office.relay.sent
    assert address == "anna@far.example"
    assert report.count(b"Status: 5.2.2") == 2
    assert b"paul@" not in report


@pytest.mark.parametrize("how", ["null sender", "junk", "never"])
def test_some_are_never_told(office: Office, how: str):
    fill(office, MARIE)
    full = Recipient("marie@ici.example", notify=frozenset({Notify.NEVER} if how == "never" else ()))
    if how == "junk":
        office.says.action = Action.JUNK
    office.accept(full, "paul@ici.example", sender="" if how == "null sender" else "anna@far.example")
    assert office.queue.depth() == 0


def test_a_full_member_of_a_group_is_told_though_the_group_got_it(office: Office):
    fill(office, MARIE)
    office.people.targets["all@ici.example"] = Targets((MARIE, PAUL))
    result = office.accept("all@ici.example")
    assert outcomes(result.each) == [("all@ici.example", "KEPT", "DELIVERED")]
    office.work()
    ((_, report),) = office.relay.sent
    assert b"Final-Recipient: rfc822; all@ici.example" in report


def test_success_is_told_when_asked(office: Office):
    office.accept(Recipient("marie@ici.example", notify=frozenset({Notify.SUCCESS})), envid="e7")
    office.work()
    ((address, report),) = office.relay.sent
    assert address == "anna@far.example"
    assert b"Action: delivered" in report
    assert b"Original-Envelope-Id: e7" in report


def test_a_recipient_that_vanished_after_rcpt(office: Office):
    result = office.accept("ghost@ici.example", "marie@ici.example")
    assert [one[1:] for one in outcomes(result.each)] == [("REFUSED", "UNKNOWN_RECIPIENT"), ("KEPT", "DELIVERED")]
    office.work()
    assert b"Status: 5.1.1" in office.relay.sent[0][1]


# ------------------------------------------------------------ trouble


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("away"), "UNAVAILABLE"),
        (DiskFull("full"), "NO_SPACE"),
        (ZeroDivisionError("secret path /var/lib"), "UNAVAILABLE"),
        (RecursionError(), "UNAVAILABLE"),
    ],
)
def test_any_failure_puts_off_and_keeps_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
):
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(office.store, "deliver", fail)
    result = office.accept("marie@ici.example")
    assert [one[1:] for one in outcomes(result.each)] == [("LATER", reason)]
    assert result.whole is not None
    assert "secret" not in result.whole.text
    assert office.everything() == 0


def test_a_directory_that_is_away_puts_off(office: Office):
    office.people.away = True
    result = office.accept("marie@ici.example")
    assert [one[1:] for one in outcomes(result.each)] == [("LATER", "UNAVAILABLE")]


@pytest.mark.parametrize(
    ("client", "utf8", "expected"),
    [
        (ClientInfo("192.0.2.1"), False, "ESMTP"),
        (ClientInfo("192.0.2.1", esmtp=False), False, "SMTP"),
        (ClientInfo("192.0.2.1", tls="TLSv1.3"), False, "ESMTPS"),
        (ClientInfo("192.0.2.1", tls="TLSv1.3", account="k"), False, "ESMTPSA"),
        (ClientInfo("192.0.2.1", tls="TLSv1.3"), True, "UTF8SMTPS"),
    ],
)
def test_transmission_types(client: ClientInfo, utf8: bool, expected: str):
    assert protocol(replace(envelope("a@ici.example"), client=client, smtputf8=utf8)) == expected


@pytest.mark.parametrize(
    ("score", "action", "folders"),
    [
        (5.5, Action.ACCEPT, ["Junk", "INBOX"]),
        (6.4, Action.JUNK, ["Junk", "INBOX"]),
        (4.0, Action.ACCEPT, ["INBOX", "INBOX"]),
        (8.0, Action.JUNK, ["Junk", "Junk"]),
    ],
)
def test_lessons_of_a_person_turn_a_near_verdict_for_that_person(
    office: Office, score: float, action: Action, folders: list[str]
) -> None:
    asked: list[set[str]] = []

    def offsets(keys: Collection[str]) -> dict[str, float]:
        asked.append(set(keys))
        return {MARIE.key: 1.0, PAUL.key: -1.0}

    office.says.action, office.says.score = action, score
    office.inbound = InboundPipeline(
        office.store, office.people, office.says, office.says, office.queue, office.settings, offsets=offsets
    )
    office.accept("marie@ici.example", "paul@ici.example")
    found = ["INBOX" if office.mail(account) else "Junk" for account in (MARIE, PAUL)]
    assert found == folders
    assert asked == ([{MARIE.key, PAUL.key}] if abs(score - 6.0) < 1.5 else []), "only a near thing is looked up"


def test_no_lesson_releases_an_imitation(office: Office) -> None:
    office.says.action, office.says.score, office.says.guarded = Action.JUNK, 6.1, ("NAME_OF_OURS",)
    office.inbound = InboundPipeline(
        office.store, office.people, office.says, office.says, office.queue, office.settings,
        offsets=lambda keys: dict.fromkeys(keys, -1.4),
    )  # fmt: skip
    office.accept("paul@ici.example")
    assert len(office.junk(PAUL)) == 1

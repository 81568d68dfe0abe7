"""Mail from outside, from its last octet to the answer: one straight line in one worker thread.

1 header and routes  2 authentication  3 spam  4 policy  5 trace fields  6 filing, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Protocol

import structlog

from config.settings import Settings
from delivery.antivirus import Scan
from delivery.dsn import ReportWriter
from delivery.fields import ALL_FIELDS, ours, protocol, virus_header, without_fields
from delivery.filing import Filer, Letter, Route, refuse, route
from delivery.full_boxes import FullBoxes
from delivery.guard import for_all, guarded
from delivery.judging import Case
from delivery.outcome import Disposition, Dispositions, Fate, Reason
from delivery.policy import Action, Decision, check_header, decide, decide_files, decide_hold, graver
from delivery.queue.store import QueueStore
from delivery.stripping import stripped, wanted_out
from delivery.texts import say
from directory.api import Recipients
from mailauth import results
from mailauth.results import AuthenticationResults
from message import trace
from message.address import parse_addresses
from message.content import Buffer, Content, PrefixedContent
from message.envelope import Envelope
from message.headers import HeaderBlock, parse_headers
from message.summary import message_id
from spamfilter import personal, record
from spamfilter.evidence import Namesake
from spamfilter.people import NO_STANDING, Standing
from spamfilter.report import verdict_headers
from spamfilter.verdict import Verdict
from storage.api import MailStore
from storage.database import NewRow
from storage.errors import Unavailable
from storage.model import PHISHING

log = structlog.get_logger()


#: Recipients up to which it is asked whether all of them know the author.
MANY = 50
#: Held messages in which one that comes again is looked for, and octets by which its trace fields may differ.
NEWEST_HELD, TRACE_VARIES = 50, 512


class Evaluator(Protocol):
    """Checks SPF, DKIM and DMARC; bounded in time, never raises for what DNS or the message does."""

    def evaluate(self, envelope: Envelope, buffer: Buffer, headers: HeaderBlock) -> AuthenticationResults: ...


class Judge(Protocol):
    """Judges messages; bounded in time, never raises for what the filter or the message does."""

    def judge(self, case: Case) -> Verdict: ...


class Antivirus(Protocol):
    """Scans for viruses; bounded in time, never raises for what the scanner or the message does."""

    def scan(self, content: Content) -> Scan: ...


class InboundPipeline:
    """What happens to a message from another server. Blocks; safe from any thread."""

    def __init__(
        self,
        store: MailStore,
        recipients: Recipients,
        evaluator: Evaluator | None,
        judge: Judge | None,
        queue: QueueStore,
        settings: Settings,
        ring: Callable[[], None] = lambda: None,
        namesakes: Callable[[str], tuple[Namesake, ...]] = lambda name: (),
        offsets: Callable[[Collection[str]], Mapping[str, float]] = lambda keys: {},
        antivirus: Antivirus | None = None,
        standing: Callable[[str, Sequence[str]], Standing] = lambda author, accounts: NO_STANDING,
    ) -> None:
        """None for ``evaluator``, ``judge`` or ``antivirus`` leaves that step out. ``ring`` wakes the queue's runner.
        ``namesakes`` are the people of the site who bear a display name, ``offsets`` the points that accounts' own
        lessons add, ``standing`` is how an author stands with accounts."""
        self._offsets = offsets
        self._namesakes = namesakes
        self._antivirus = antivirus
        self._standing = standing
        self._directory = recipients
        self._evaluator = evaluator
        self._judge = judge
        self._settings = settings
        self._hostname = settings.site.hostname
        self._language = settings.site.language
        self._domains = frozenset(domain.lower() for domain in settings.site.domains)
        self._store = store
        reports = ReportWriter(settings.site, settings.queue)
        fate = Fate.REFUSED if settings.store.refuse_when_full else Fate.LATER
        self._full = FullBoxes(store, recipients, self._language, fate)
        self._filer = Filer(store, queue, reports, settings.site, ring, fate, self._full.note)

    def may_be_full(self, address: str) -> bool:
        """False when ``refusal`` would not refuse; never blocks."""
        return self._full.may_be_full(address)

    def refusal(self, address: str, octets: int) -> Disposition | None:
        """Why a message of so many octets (0: of unknown size) for a local address need not come: nobody has room."""
        return self._full.refusal(address, octets)

    def accept(self, envelope: Envelope, content: Content) -> Dispositions:
        """Keep, refuse or put off a message; returns one disposition per recipient of the envelope, in order.

        KEPT means durable. Never raises: what nobody foresaw is put off, and logged with an id.
        """
        return guarded(envelope, content, self._language, lambda: self._accept(envelope, content))

    def _accept(self, envelope: Envelope, content: Content) -> Dispositions:
        buffer = content.buffer()
        headers = parse_headers(buffer, max_fields=ALL_FIELDS)
        refusal = check_header(headers)
        if refusal is not None:
            return self._refused(envelope, refusal)
        routes = self._routes(envelope, headers)
        if all(one.refusal is not None for one in routes):
            return Dispositions(tuple(one.refusal for one in routes if one.refusal is not None))
        authentication = self._evaluator.evaluate(envelope, buffer, headers) if self._evaluator is not None else None
        with self._store.coming():
            return self._judged(envelope, content, headers, authentication, routes)

    def _judged(
        self,
        envelope: Envelope,
        content: Content,
        headers: HeaderBlock,
        authentication: AuthenticationResults | None,
        routes: tuple[Route, ...],
    ) -> Dispositions:
        verdict = self._verdict(envelope, content, headers, authentication, routes)
        scan = self._antivirus.scan(content) if self._antivirus is not None else None
        findings = (
            decide(authentication, verdict, self._settings.mailauth),
            decide_hold(verdict, self._settings.spam),
            decide_files(verdict, scan, self._settings.spam),
        )
        decision = reduce(graver, findings)
        self._log(envelope, content, decision, authentication, verdict)
        if decision.action is Action.REFUSE:
            return self._refused(envelope, decision)
        if decision.action is Action.DEFER:
            log.info("inbound.put_off", id=envelope.id, reason=decision.reason.value, detail=decision.detail)
            return for_all(envelope, Fate.LATER, decision.reason, say(decision.reason, self._language))
        shown, decision = self._without_files(content, headers, verdict, decision)
        whole, remote = self._traced(envelope, content, headers, authentication, verdict, scan)
        local = whole
        try:
            if shown is not None and self._kept_whole(envelope, routes, whole, remote):
                its_headers = parse_headers(shown.buffer(), max_fields=ALL_FIELDS)
                local, _ = self._traced(envelope, shown, its_headers, authentication, verdict, scan)
            elif shown is not None:
                decision = Decision(Action.JUNK, Reason.ATTACHMENT, "no room for the whole message")
            held = decision.action is Action.HOLD
            junk = held or decision.action is Action.JUNK
            keywords = (PHISHING,) if verdict is not None and verdict.guarded else ()
            contrary = self._contrary(decision, verdict, routes)
            letter = Letter(
                envelope,
                routes,
                local,
                remote,
                junk,
                held,
                contrary,
                reports=not junk,
                keywords=keywords,
                rows=self._recorded(envelope, headers, verdict, routes),
            )
            return Dispositions(self._filer.keep(letter))
        finally:
            whole.close()

    def _without_files(
        self, content: Content, headers: HeaderBlock, verdict: Verdict | None, decision: Decision
    ) -> tuple[Content | None, Decision]:
        """What people are shown when policy takes files out, else None; Junk for what can't be cut safely."""
        if decision.action is not Action.ACCEPT:
            return None, decision
        out = wanted_out(verdict, self._settings.spam)
        if out == {}:
            return None, decision
        shown = stripped(content, headers, out, self._language) if out is not None else None
        if shown is None:
            return None, Decision(Action.JUNK, Reason.ATTACHMENT, "a file that can't be taken out safely")
        return shown, decision

    def _kept_whole(self, envelope: Envelope, routes: Sequence[Route], whole: Content, remote: Content) -> bool:
        """Hold the message as it came before a part of it is shown; False when not all have room.

        A sender that was put off after this comes again: whoever has it already gets no second one.
        """
        lacking = (
            replace(one, elsewhere=(), accounts=tuple(a for a in one.accounts if not self._has_whole(a.key, whole)))
            for one in routes
        )
        local = tuple(one for one in lacking if one.accounts)
        kept = self._filer.keep(Letter(envelope, local, whole, remote, junk=True, held=True, reports=False))
        return all(one.fate is Fate.KEPT for one in kept)

    def _has_whole(self, key: str, whole: Content) -> bool:
        """True when this very message, but for our trace fields, is held for the account."""
        account = self._store.open_account(key)
        box = self._store.held_mail(account)
        octets = whole.buffer()
        fields = parse_headers(octets, max_fields=ALL_FIELDS)
        body = octets[fields.body_start :]
        rows = self._store.view(account, box.id).rows[-NEWEST_HELD:] if box.messages else ()
        for row in rows:
            if abs(row.size - whole.size) > TRACE_VARIES:
                continue
            other = self._store.body(account, box.id, row).buffer()
            its = parse_headers(other, max_fields=ALL_FIELDS)
            if other[its.body_start :] == body and message_id(its) == message_id(fields):
                return True
        return False

    def _recorded(
        self, envelope: Envelope, headers: HeaderBlock, verdict: Verdict | None, routes: Sequence[Route]
    ) -> tuple[NewRow, ...]:
        """The record of the verdict commits along with the message."""
        if verdict is None:
            return ()
        accounts = sorted({account.key for one in routes for account in one.accounts})
        return (record.row(envelope.id, verdict, envelope.received_at, message_id(headers), accounts),)

    def _routes(self, envelope: Envelope, headers: HeaderBlock) -> tuple[Route, ...]:
        """Where each recipient leads; one whose mailbox has had this message already is refused as a loop."""
        delivered_to = {
            address.spec.lower() for value in headers.all(b"Delivered-To") for address in parse_addresses(value)
        }
        routes = []
        for recipient in envelope.recipients:
            found = route(self._directory, recipient, self._language, relay=False)
            if recipient.address.lower() in delivered_to:
                found = refuse(recipient, Reason.LOOP, self._language)
            routes.append(found)
        return tuple(routes)

    def _verdict(
        self,
        envelope: Envelope,
        content: Content,
        headers: HeaderBlock,
        authentication: AuthenticationResults | None,
        routes: Sequence[Route],
    ) -> Verdict | None:
        if self._judge is None:
            return None
        names = tuple(account.name for one in routes for account in one.accounts)
        authors = parse_addresses(headers.first(b"From") or b"", limit=5)
        namesakes = next((found for one in authors if (found := self._namesakes(one.name))), ())
        author = next((one.spec for one in authors if one.domain), "")
        accounts = sorted({account.key for one in routes for account in one.accounts})
        standing = self._stands(author, accounts) if author and len(accounts) <= MANY else NO_STANDING
        person = accounts[0] if len(accounts) == 1 else ""
        case = Case.of(envelope, content, authentication, self._domains, names, namesakes, standing, person)
        return self._judge.judge(case)

    def _stands(self, author: str, accounts: Sequence[str]) -> Standing:
        try:
            return self._standing(author, accounts)
        except Unavailable as error:
            # What people think of an author is worth no delay.
            log.warning("inbound.standing.unreadable", error=str(error))
            return NO_STANDING

    def _contrary(self, decision: Decision, verdict: Verdict | None, routes: Sequence[Route]) -> frozenset[str]:
        """The accounts whose own lessons turn the verdict, when it is a near thing and nothing but the score counts."""
        if verdict is None or not verdict.scanned or verdict.guarded:
            return frozenset()
        distance = verdict.score - verdict.junk_from
        if decision.reason not in (Reason.SPAM, Reason.DELIVERED) or abs(distance) >= personal.LARGEST:
            return frozenset()
        keys = {account.key for one in routes for account in one.accounts}
        junk = decision.action in (Action.JUNK, Action.HOLD)
        try:
            return frozenset(key for key, points in self._offsets(keys).items() if (distance + points >= 0) is not junk)
        except Unavailable as error:
            # What a person prefers is worth no delay.
            log.warning("inbound.offsets.unreadable", error=str(error))
            return frozenset()

    def _traced(
        self,
        envelope: Envelope,
        content: Content,
        headers: HeaderBlock,
        authentication: AuthenticationResults | None,
        verdict: Verdict | None,
        scan: Scan | None,
    ) -> tuple[PrefixedContent, PrefixedContent]:
        """The message for mailboxes and for other servers: our trace fields on top, forged ones of ours cut out.

        A Return-Path of somebody else's stays below ours in mailboxes, as it came; it goes no further (RFC 5321
        section 4.4).
        """
        fields = [trace.received(envelope, self._hostname, protocol(envelope))]
        if authentication is not None:
            fields.append(results.header(authentication, self._hostname))
        if verdict is not None:
            fields.append(verdict_headers(verdict, self._language))
        if scan is not None:
            fields.append(virus_header(scan))
        top = b"".join(fields)
        forged = [*results.foreign(headers, self._hostname), *ours(headers)]
        local = remote = without_fields(headers, forged)
        if paths := headers.named(b"Return-Path"):
            remote = without_fields(headers, [*forged, *paths])
        return (
            PrefixedContent(trace.return_path(envelope.sender) + top + local, content, headers.body_start),
            PrefixedContent(top + remote, content, headers.body_start),
        )

    def _refused(self, envelope: Envelope, decision: Decision) -> Dispositions:
        detail = decision.detail if decision.reason in (Reason.BAD_HEADER, Reason.ATTACHMENT, Reason.VIRUS) else ""
        text = say(decision.reason, self._language, detail)
        log.info("inbound.refused", id=envelope.id, reason=decision.reason.value, detail=decision.detail)
        return for_all(envelope, Fate.REFUSED, decision.reason, text)

    def _log(
        self,
        envelope: Envelope,
        content: Content,
        decision: Decision,
        authentication: AuthenticationResults | None,
        verdict: Verdict | None,
    ) -> None:
        log.info(
            "inbound.judged",
            id=envelope.id,
            sender=envelope.sender,
            client=envelope.client.address,
            recipients=len(envelope.recipients),
            size=content.size,
            action=decision.action.value,
            reason=decision.reason.value,
            detail=decision.detail,
            spf=authentication.spf.outcome.value if authentication is not None else None,
            dmarc=authentication.dmarc.outcome.value if authentication is not None else None,
            score=round(verdict.score, 2) if verdict is not None else None,
            scanned=verdict.scanned if verdict is not None else None,
            symbols=[hit.symbol for hit in verdict.hits[:12]] if verdict is not None else None,
        )

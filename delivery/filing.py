"""What "accepted" means: bodies on disk first, then one transaction with everything that follows from a message.

That transaction holds the message rows of all local recipients, the queue rows of the remote ones, and the queue rows
of what the sender must be told. It commits whole or not at all; only after it the sender is told that we have the
message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from config.settings import Site
from delivery.dsn import Action, Reported, ReportWriter
from delivery.lines import with_line_ends
from delivery.outcome import Disposition, Fate, Reason
from delivery.queue.model import Outgoing
from delivery.queue.schedule import wants_failure
from delivery.queue.store import QueueStore, Staged
from delivery.texts import say
from directory.api import Recipients
from directory.model import Account
from message.content import Content
from message.envelope import Envelope, Notify, Recipient
from message.summary import summarise
from storage.api import AlongWith, MailStore
from storage.database import NewRow
from storage.errors import OverQuota
from storage.model import Filing, SpecialUse
from storage.names import HELD, INBOX

log = structlog.get_logger()

#: Messages held back for one person at a time; what comes after them goes to Junk.
MOST_HELD = 1000

#: Places and addresses of one message that the log names.
LOGGED = 20


@dataclass(frozen=True, slots=True)
class Route:
    """Where one recipient of the envelope leads. With a ``refusal`` it leads nowhere."""

    recipient: Recipient
    accounts: tuple[Account, ...] = ()
    elsewhere: tuple[str, ...] = ()
    refusal: Disposition | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that is to be kept.

    ``local`` is what mailboxes get, ``remote`` what other servers get. ``junk`` files it in the Junk folder, with
    ``held`` in the quarantine, but for accounts (by key) in ``contrary`` it is the other way round. With ``reports``
    the sender may be told by mail (RFC 3461); never set it for spam. ``keywords`` mark the local copies,
    ``rows`` are kept along with them.
    """

    envelope: Envelope
    routes: tuple[Route, ...]
    local: Content
    remote: Content
    junk: bool = False
    held: bool = False
    contrary: frozenset[str] = frozenset()
    reports: bool = True
    keywords: tuple[str, ...] = ()
    rows: tuple[NewRow, ...] = ()


#: Makes the rows that commit along with a letter, from the dispositions that the commit will make true.
Also = Callable[[tuple[Disposition, ...]], AlongWith]


def route(directory: Recipients, recipient: Recipient, language: str, *, relay: bool) -> Route:
    """Where ``recipient`` leads; addresses of other sites are refused unless ``relay``. Raises DirectoryUnavailable."""
    local, at, domain = recipient.address.rpartition("@")
    if at and not directory.is_local_domain(domain):
        if relay and local:
            return Route(recipient, elsewhere=(recipient.address,))
    elif (targets := directory.resolve(recipient.address)) is not None:
        return Route(recipient, targets.accounts, targets.elsewhere)
    return refuse(recipient, Reason.UNKNOWN_RECIPIENT, language)


def refuse(recipient: Recipient, reason: Reason, language: str) -> Route:
    """A route that leads nowhere."""
    return Route(recipient, refusal=Disposition(recipient.address, Fate.REFUSED, reason, say(reason, language)))


class Filer:
    """Keeps letters. Blocks; safe from any thread."""

    def __init__(
        self,
        store: MailStore,
        queue: QueueStore,
        reports: ReportWriter,
        site: Site,
        ring: Callable[[], None],
        when_full: Fate = Fate.LATER,
        noted: Callable[[str], None] = lambda address: None,
    ) -> None:
        """``ring`` wakes the queue's runner after a commit that queued something; it must not block or raise.

        ``when_full`` is the fate of mail for a full mailbox; ``noted`` is told the addresses behind which nobody had
        room.
        """
        self._when_full = when_full
        self._noted = noted
        self._store = store
        self._queue = queue
        self._reports = reports
        self._language = site.language
        self._ring = ring

    def keep(self, letter: Letter, also: Also | None = None) -> tuple[Disposition, ...]:
        """Keep the letter for everybody who has room; returns one disposition per route, in order.

        When nobody can take it nothing is kept and ``also`` is not called. Raises what the store raises except
        OverQuota; after such an error nothing was kept, as far as anybody knows.
        """
        numbers = self._store.open_accounts(account.key for one in letter.routes for account in one.accounts)
        summary = summarise(letter.local.buffer()) if numbers else None
        full: set[int] = set()
        while True:
            plan = _plan(letter, numbers, full, self._places(letter, numbers), self._when_full, self._language)
            if not plan.filings and not plan.forwards:
                return plan.dispositions
            staged = [self._queue.stage(outgoing) for outgoing in self._outgoing(letter, plan)]
            along = self._along(staged, also(plan.dispositions) if also is not None else None)
            try:
                kept = self._store.deliver(
                    plan.filings, letter.local, summary, letter.envelope.received_at, along, letter.rows
                )
            except OverQuota as error:
                # The one error after which it is certain that no row names the staged bodies. After any other the
                # commit may have happened, and the sweep finds out.
                self._queue.discard(staged)
                if error.accounts <= full:
                    raise
                full |= error.accounts
                for one in letter.routes:
                    if one.accounts and not one.elsewhere and all(numbers[each.key] in full for each in one.accounts):
                        self._noted(one.recipient.address)
                continue
            if staged:
                self._ring()
            self._log(letter, numbers, kept, plan)
            return plan.dispositions

    def _places(self, letter: Letter, numbers: Mapping[str, int]) -> dict[int, tuple[str, SpecialUse | None]]:
        """Mailbox and use of each account (by number) for its copy."""
        places: dict[int, tuple[str, SpecialUse | None]] = {}
        for key, number in numbers.items():
            if letter.junk is (key in letter.contrary):
                places[number] = INBOX, None
            elif letter.held and self._store.held_mail(number).messages < MOST_HELD:
                places[number] = HELD, None
            else:
                places[number] = INBOX, SpecialUse.JUNK
        return places

    def _log(self, letter: Letter, numbers: Mapping[str, int], kept: list[tuple[int, int, int]], plan: _Plan) -> None:
        """Where the message is from now on: the end of its way in the log."""
        keys = {number: key for key, number in numbers.items()}
        log.info(
            "filing.kept",
            id=letter.envelope.id,
            filed=[f"{keys[account]}/{mailbox}/{uid}" for account, mailbox, uid in kept[:LOGGED]],
            copies=len(kept),
            queued=[recipient.address for recipient in plan.forwards[:LOGGED]],
        )

    def _along(self, staged: list[Staged], extra: AlongWith | None) -> AlongWith | None:
        if not staged and extra is None:
            return None

        def along(connection: Connection) -> None:
            for one in staged:
                self._queue.enqueue(connection, one)
            if extra is not None:
                extra(connection)

        return along

    def _outgoing(self, letter: Letter, plan: _Plan) -> list[Outgoing]:
        envelope = letter.envelope
        outgoing = []
        if plan.forwards:
            outgoing.append(
                Outgoing(
                    message_id=envelope.id,
                    sender=envelope.sender,
                    recipients=plan.forwards,
                    content=with_line_ends(letter.remote),
                    queued_at=envelope.received_at,
                    smtputf8=envelope.smtputf8,
                    eight_bit=not all(block.isascii() for block in letter.remote.blocks()),
                    ret=envelope.ret,
                    envid=envelope.envid,
                )
            )
        if plan.notices and letter.reports:
            notice = self._reports.write(
                message_id=envelope.id,
                sender=envelope.sender,
                envid=envelope.envid,
                ret=envelope.ret,
                arrived_at=envelope.received_at,
                now=envelope.received_at,
                recipients=plan.notices,
                original=letter.remote,
            )
            if notice is not None:
                outgoing.append(notice)
            log.info("filing.notice", id=envelope.id, recipients=len(plan.notices), sent=notice is not None)
        return outgoing


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is about to be committed."""

    filings: tuple[Filing, ...]
    forwards: tuple[Recipient, ...]
    dispositions: tuple[Disposition, ...]
    notices: tuple[Reported, ...]


def _plan(
    letter: Letter,
    numbers: Mapping[str, int],
    full: set[int],
    places: Mapping[int, tuple[str, SpecialUse | None]],
    when_full: Fate,
    language: str,
) -> _Plan:
    """One copy an account however many recipients lead to it, and one an outside address."""
    filings: dict[int, Filing] = {}
    forwards: dict[str, Recipient] = {}
    dispositions: list[Disposition] = []
    notices: list[Reported] = []
    for one in letter.routes:
        wanted = [numbers[account.key] for account in one.accounts]
        have_room = [number for number in wanted if number not in full]
        filings.update((number, Filing(number, *places[number], keywords=letter.keywords)) for number in have_room)
        for address in one.elsewhere:
            forwards.setdefault(address, _forwarded(one.recipient, address, letter.junk))
        disposition = _disposition(one, bool(have_room), letter, when_full, language)
        dispositions.append(disposition)
        notices.extend(_notices(one, disposition, len(have_room) < len(wanted)))
    return _Plan(tuple(filings.values()), tuple(forwards.values()), tuple(dispositions), tuple(notices))


def _forwarded(recipient: Recipient, address: str, junk: bool) -> Recipient:
    """The recipient of a forwarded copy; reports name the address that the sender wrote to (RFC 3461 section 5.2.7)."""
    # The senders of spam are forged: a report would reach somebody who has nothing to do with it.
    notify = frozenset({Notify.NEVER}) if junk else recipient.notify
    original = recipient.original
    if address != recipient.address and original is None:
        original = f"rfc822;{recipient.address}"
    return Recipient(address, original, notify)


def _disposition(one: Route, filed: bool, letter: Letter, when_full: Fate, language: str) -> Disposition:
    if one.refusal is not None:
        return one.refusal
    if filed:
        reason = Reason.HELD if letter.held else Reason.JUNKED if letter.junk else Reason.DELIVERED
        return Disposition(one.recipient.address, Fate.KEPT, reason)
    if one.elsewhere:
        return Disposition(one.recipient.address, Fate.KEPT, Reason.QUEUED)
    return Disposition(one.recipient.address, when_full, Reason.OVER_QUOTA, say(Reason.OVER_QUOTA, language))


def _notices(one: Route, disposition: Disposition, some_full: bool) -> list[Reported]:
    """What the sender is told of a recipient when others were kept: one SMTP answer can't say it."""
    recipient = one.recipient
    if disposition.fate is not Fate.KEPT or some_full:
        if not wants_failure(recipient.notify):
            return []
        status = _STATUS[Reason.OVER_QUOTA if some_full else disposition.reason]
        return [Reported(recipient.address, recipient.original, Action.FAILED, status)]
    if disposition.reason is Reason.DELIVERED and not one.elsewhere and Notify.SUCCESS in recipient.notify:
        return [Reported(recipient.address, recipient.original, Action.DELIVERED, "2.0.0")]
    return []


#: Enhanced status codes of failures that are told by mail (RFC 3463).
_STATUS = {
    Reason.OVER_QUOTA: "5.2.2",
    Reason.UNKNOWN_RECIPIENT: "5.1.1",
    Reason.LOOP: "5.4.6",
}

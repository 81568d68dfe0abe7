"""One session: checks each command against the table, runs it, and always gives a tagged answer. No I/O of its own."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import structlog

from imap import errors
from imap.commands.basic import capability_names
from imap.commands.fetch import fetch
from imap.errors import Refused
from imap.session.context import RETRY, Context, MailboxGone
from imap.session.steps import BLOCKS, WISHES, Blocks, CommandSteps, HangUp, Steps, WhenTold, Wish
from imap.session.table import TABLE, News, Row
from imap.wire import commands as c
from imap.wire.commands import Command, Request
from imap.wire.encoder import encode
from imap.wire.responses import Kind, Status, ok
from imap.wire.sets import NumberSet, ranges_of

log = structlog.get_logger()


class Session:
    """The way from a request to the octets and wishes that answer it."""

    def __init__(self, context: Context) -> None:
        self.context = context
        #: Commands answered with BAD, since the last one after sign-in that was carried out.
        self.bad = 0

    def greeting(self) -> bytes:
        """RFC 3501 section 7.1.1, with the capabilities in it."""
        names = b" ".join(capability_names(self.context))
        return encode(Status(Kind.OK, "Bonjour / Hello", b"CAPABILITY " + names))

    def run(self, request: Request) -> Steps:
        """The answer to a request, up to and including its tagged response."""
        command, tag = request.command, request.tag
        row = TABLE[type(command)]
        self.context.left_out = None
        if self.context.state not in row.states:
            self.bad += 1
            yield encode(Status(Kind.BAD, f"Not allowed when {self.context.state.value}", b"CLIENTBUG", tag))
            return
        if self.context.uid_only and _names_by_number(row, command):
            self.bad += 1
            yield encode(Status(Kind.BAD, "With UIDONLY there are no message numbers", b"UIDREQUIRED", tag))
            return
        # A selected mailbox tells its mod-sequence with the first command that asks for them (RFC 7162 section 3.1).
        tells_modseq = not self.context.condstore and not isinstance(command, c.Select)
        if row.blocks:
            yield BLOCKS
        try:
            if row.news is News.NO_REMOVALS:
                # So that the command sees what the client is told of.
                yield from self.news(expunge=False)
            answer = yield from self._answer(row, tag, command)
            if row.news is not News.NOTHING:
                yield from self.news(expunge=row.news is News.ALL or (command.uid and not command.numbered))
        except MailboxGone:
            yield from self._gone()
            return
        if tells_modseq and self.context.condstore and self.context.selected is not None:
            yield encode(ok("CONDSTORE is on", b"HIGHESTMODSEQ %d" % self.context.selected.settled))
        status = answer.status.answer() if isinstance(answer.status, WhenTold) else answer.status
        if self.context.left_out is not None:
            status = yield from self._partial(status, self.context.left_out)
        self.bad += status.kind is Kind.BAD
        if status.kind is Kind.OK and self.context.account is not None:
            self.bad = 0
        yield encode(status, self.context.utf8)
        if answer.then is not None:
            yield answer.then

    def _partial(self, status: Status, code: bytes) -> Generator[bytes, None, Status]:
        """The answer to a command that worked on a part only; where it has a code already, it is told before."""
        text = "Done for a part: there are more messages than one command works on"
        if status.kind is Kind.OK and status.code is None:
            return Status(status.kind, text, code, status.tag)
        yield encode(Status(Kind.NO, text, code), self.context.utf8)
        return status

    def _answer(self, row: Row, tag: bytes, command: Command) -> Generator[bytes | Wish, bytes | None, Answer]:
        """Yield a command's own steps; return its tagged answer."""
        try:
            answer = yield from _encoded(self.context, row.run(self.context, tag, command), tag)
        except MailboxGone:
            raise
        except Exception as error:
            return Answer(errors.tagged(error, tag, type(command).__name__))
        return answer or Answer(Status(Kind.OK, "Done", None, tag))

    def news(self, *, expunge: bool) -> Generator[bytes | Wish, bytes | None, None]:
        """What others did, as far as it may be told now. Raises MailboxGone.

        When the store can't tell, the command is answered all the same, and the next one looks again.
        """
        try:
            for response in self.context.news(expunge=expunge):
                yield response if isinstance(response, (bytes, Blocks)) else encode(response, self.context.utf8)
            yield from self._arrivals()
        except MailboxGone:
            raise
        except Exception:
            log.exception("imap.no_news", account=self.context.number)
            self.context.look_again(RETRY)

    def _arrivals(self) -> Generator[bytes | Wish, bytes | None, None]:
        """What NOTIFY asked to be fetched of new messages (RFC 5465 section 5.2)."""
        context = self.context
        uids, context.arrived = context.arrived, ()
        if not uids or context.attention is None or not context.attention.items:
            return
        numbers = NumberSet(tuple(ranges_of(uids)))
        command = c.Fetch(numbers, context.attention.items, None, uid=True)
        try:
            for step in fetch(context, b"*", command):
                assert isinstance(step, (bytes, Blocks))
                yield step
        except Refused:
            # What can't be read is left out: the client finds out when it asks for it.
            return

    def idle_news(self) -> Steps:
        """The same, while the client waits in IDLE."""
        try:
            yield from self.news(expunge=True)
        except MailboxGone:
            yield from self._gone()

    def pushed_news(self) -> Steps:
        """The same, between commands, for a client that asked for it (RFC 5465); removals if it can take them."""
        attention = self.context.attention
        try:
            yield from self.news(expunge=attention is not None and not attention.delayed)
        except MailboxGone:
            yield from self._gone()

    def _gone(self) -> Steps:
        self.context.unselect()
        yield encode(Status(Kind.BYE, "The selected mailbox is gone: connect again", b"NONEXISTENT"))
        yield HangUp()


def _names_by_number(row: Row, command: Command) -> bool:
    """True for what RFC 9586 section 3 keeps from clients that gave message numbers up."""
    if isinstance(command, c.Select):
        return command.resync is not None and bool(command.resync.pairs)
    by_number = row.news is News.NO_REMOVALS or isinstance(command, (c.Copy, c.Move, c.Replace))
    return command.numbered or (by_number and not command.uid)


@dataclass(frozen=True, slots=True)
class Answer:
    """The tagged response, and what is to be done when it is sent."""

    status: Status | WhenTold
    then: Wish | None = None


def _encoded(context: Context, steps: CommandSteps, tag: bytes) -> Generator[bytes | Wish, bytes | None, Answer | None]:
    """A command's steps, encoded. Its own tagged response is held back, with a wish after it, and returned."""
    answer: Answer | None = None
    value: bytes | None = None
    try:
        while True:
            try:
                step = steps.send(value)
            except StopIteration:
                return answer
            value = None
            if isinstance(step, WhenTold) or (isinstance(step, Status) and step.tag == tag):
                answer = Answer(step)
            elif isinstance(step, WISHES) and answer is not None:
                answer = Answer(answer.status, step)
            elif isinstance(step, (bytes, *WISHES)):
                value = yield step
            else:
                yield encode(step, context.utf8)
    finally:
        steps.close()

"""Delivery status notifications: what senders are told by mail (RFC 3461, RFC 3464).

They go to the envelope sender only, with the null reverse path, and never for a message that has it itself (RFC 5321
section 4.5.5, RFC 3834): so reports never answer reports. They enter the world through the queue, in the transaction of
what they report; for senders of ours the queue's runner files them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from config.settings import Queue, Site
from delivery.queue.model import Outgoing, QueuedMessage, QueuedRecipient, State
from delivery.queue.schedule import Settlement
from message.compose import delivery_report
from message.content import Content, MemoryContent
from message.envelope import Notify, Recipient
from message.headers import parse_headers
from message.trace import rfc5322_date

#: Longest value of a field that others gave us, in characters.
VALUE = 500


class Action(StrEnum):
    """What became of a recipient (RFC 3464 section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class Reported:
    """One recipient of a report. ``status`` is an enhanced status code (RFC 3463).

    ``code`` and ``text`` are an SMTP reply, ``remote`` the server that gave it; None and empty where there was none.
    """

    address: str
    original: str | None
    action: Action
    status: str
    text: str = ""
    remote: str = ""
    code: int | None = None


class ReportWriter:
    """Writes reports in French and English."""

    def __init__(self, site: Site, settings: Queue) -> None:
        self._site = site
        self._settings = settings

    def write(
        self,
        *,
        message_id: str,
        sender: str,
        envid: str | None,
        ret: str | None,
        arrived_at: float,
        now: float,
        recipients: Sequence[Reported],
        original: Content,
        retry_until: float | None = None,
    ) -> Outgoing | None:
        """The report to ``sender`` about ``recipients``, or None when nobody wants one.

        ``envid`` and ``ret`` are the sender's wishes, ``retry_until`` the end of trying for those that are delayed.
        """
        if not sender or not recipients:
            return None
        failed = any(one.action is Action.FAILED for one in recipients)
        excerpt, whole = self._excerpt(original, ret, failed)
        octets = delivery_report(
            sender=f"MAILER-DAEMON@{self._site.hostname}",
            sender_name=_pick(self._site.language, "Service de messagerie", "Mail delivery system"),
            recipient=sender,
            subject=_subject(recipients, self._site.language),
            text=_text(recipients, self._site),
            message_fields=_message_fields(self._site.hostname, envid, arrived_at),
            recipient_fields=[_recipient_fields(one, now, retry_until) for one in recipients],
            original=excerpt,
            whole=whole,
            date=now,
            message_id=f"{secrets.token_hex(16)}@{self._site.hostname}",
        )
        return Outgoing(
            message_id=f"{message_id}-report",
            sender="",
            recipients=(Recipient(sender, notify=frozenset({Notify.NEVER})),),
            content=MemoryContent(octets),
            queued_at=now,
            smtputf8=not sender.isascii(),
            eight_bit=not octets.isascii(),
        )

    def _excerpt(self, original: Content, ret: str | None, failed: bool) -> tuple[bytes, bool]:
        """What of the original goes back, and whether that is all of it: only failures return bodies (RFC 3461 4.3)."""
        try:
            if failed and ret != "HDRS" and original.size <= self._settings.bounce_text:
                return b"".join(original.blocks()), True
            headers = parse_headers(original.buffer())
            return bytes(headers.buffer[headers.start : headers.body_start][: self._settings.bounce_text]), False
        except OSError:
            # The body is gone or unreadable: the sender must hear of the failure all the same.
            return b"", False


def notice_of(
    reports: ReportWriter, item: QueuedMessage, settlement: Settlement, now: float, give_up: float
) -> Outgoing | None:
    """The one report that an attempt at a queued message gives rise to, if any."""
    recipients = [
        *(_reported(one, Action.FAILED) for one in settlement.failed),
        *(_reported(one, Action.DELAYED) for one in settlement.delayed),
        *(_reported(one, Action.RELAYED) for one in settlement.relayed),
    ]
    return reports.write(
        message_id=item.message_id,
        sender=item.sender,
        envid=item.envid,
        ret=item.ret,
        arrived_at=item.queued_at,
        now=now,
        recipients=recipients,
        original=item.content,
        retry_until=item.queued_at + give_up,
    )


def _reported(one: QueuedRecipient, action: Action) -> Reported:
    status = one.status or "4.0.0"
    if one.state is State.EXPIRED:
        # A failure that lasted is for good now: for its own reason where it told one (RFC 3463 section 3.5).
        status = "5.4.7" if status.endswith(".0.0") else "5" + status[1:]
    return Reported(one.address, one.original, action, status, one.text, one.remote, one.code)


def _message_fields(hostname: str, envid: str | None, arrived_at: float) -> list[tuple[str, str]]:
    """Per-message fields (RFC 3464 section 2.2)."""
    fields = [("Original-Envelope-Id", _clean(envid))] if envid else []
    return [*fields, ("Reporting-MTA", f"dns; {hostname}"), ("Arrival-Date", rfc5322_date(arrived_at))]


def _recipient_fields(one: Reported, now: float, retry_until: float | None) -> list[tuple[str, str]]:
    """Per-recipient fields (RFC 3464 section 2.3; addresses beyond ASCII: RFC 6533 section 3)."""
    fields = []
    if one.original:
        fields.append(("Original-Recipient", _clean(one.original)))
    kind = "rfc822" if one.address.isascii() else "utf-8"
    fields += [
        ("Final-Recipient", f"{kind}; {_clean(one.address)}"),
        ("Action", one.action.value),
        ("Status", _clean(one.status)),
    ]
    if one.remote:
        fields.append(("Remote-MTA", f"dns; {_clean(one.remote)}"))
    if one.code is not None:
        fields.append(("Diagnostic-Code", f"smtp; {one.code} {_clean(one.status)} {_clean(one.text)}".rstrip()))
    fields.append(("Last-Attempt-Date", rfc5322_date(now)))
    if one.action is Action.DELAYED and retry_until is not None:
        fields.append(("Will-Retry-Until", rfc5322_date(retry_until)))
    return fields


def _clean(value: str) -> str:
    """A stranger's value on one line: ORCPT, ENVID and replies can hold any octet (RFC 3461 section 4)."""
    return "".join(character if character.isprintable() else "?" for character in value[:VALUE])


def _pick(language: str, french: str, english: str) -> str:
    return english if language == "en" else french


_SUBJECTS = {
    Action.FAILED: ("Message non remis", "Undelivered message"),
    Action.DELAYED: ("Message retardé", "Delayed message"),
    Action.RELAYED: ("Message transmis", "Message relayed"),
    Action.DELIVERED: ("Message remis", "Message delivered"),
}

_FRENCH = {
    Action.FAILED: "Votre message n'a pas pu être remis aux destinataires suivants. Il ne sera plus réessayé :",
    Action.DELAYED: (
        "Votre message n'a pas encore pu être remis aux destinataires suivants. Les essais continuent, "
        "vous n'avez rien à faire :"
    ),
    Action.RELAYED: (
        "Votre message a été transmis au serveur des destinataires suivants, qui n'annoncera pas la remise :"
    ),
    Action.DELIVERED: "Votre message a été remis aux destinataires suivants :",
}

_ENGLISH = {
    Action.FAILED: "Your message could not be delivered to the following recipients. It will not be tried again:",
    Action.DELAYED: (
        "Your message could not be delivered to the following recipients so far. It is tried again, "
        "you need not do anything:"
    ),
    Action.RELAYED: (
        "Your message was handed to the server of the following recipients, which will not report its delivery:"
    ),
    Action.DELIVERED: "Your message was delivered to the following recipients:",
}


#: What a status means and what to do, by its subject and detail (RFC 3463 section 3), in French and English.
_MEANINGS: dict[str, tuple[str, str]] = {
    "1.1": (
        "Cette adresse n'existe pas : vérifiez son orthographe.",
        "This address does not exist: check its spelling.",
    ),
    "1.2": (
        "Ce domaine n'existe pas : vérifiez ce qui suit le signe @.",
        "This domain does not exist: check what follows the @ sign.",
    ),
    "1.10": (
        "Ce domaine ne reçoit pas de courrier : vérifiez l'adresse.",
        "This domain takes no mail: check the address.",
    ),
    "2.2": (
        "La boîte du destinataire est pleine : joignez-le autrement ou réessayez plus tard.",
        "The recipient's mailbox is full: reach its owner by other means or try again later.",
    ),
    "3.4": (
        "Le message est trop volumineux : réduisez les pièces jointes ou partagez-les autrement.",
        "The message is too big: make its attachments smaller or share them by other means.",
    ),
    "4.1": (
        "Le serveur du destinataire ne répond pas.",
        "The recipient's server does not answer.",
    ),
    "4.6": (
        "Le message tourne en boucle entre des serveurs : prévenez l'assistance.",
        "The message goes round between servers: tell support.",
    ),
    "4.7": (
        "Le délai de remise est dépassé : vérifiez l'adresse, puis renvoyez le message.",
        "The time for delivery is over: check the address, then send the message again.",
    ),
    "7.1": (
        "Le serveur du destinataire refuse ce message : joignez le destinataire autrement.",
        "The recipient's server refuses this message: reach the recipient by other means.",
    ),
}


def _subject(recipients: Sequence[Reported], language: str) -> str:
    """The gravest news make the subject."""
    present = {one.action for one in recipients}
    return _pick(language, *next(texts for action, texts in _SUBJECTS.items() if action in present))


def _text(recipients: Sequence[Reported], site: Site) -> str:
    """The part for people: French and English, the site's language first."""
    texts = [_paragraphs(recipients, _FRENCH, 0), _paragraphs(recipients, _ENGLISH, 1)]
    if site.language == "en":
        texts.reverse()
    return "\n\n----\n\n".join(texts) + f"\n\n{site.hostname}\n"


def _paragraphs(recipients: Sequence[Reported], sentences: dict[Action, str], tongue: int) -> str:
    paragraphs = []
    for action, sentence in sentences.items():
        lines = [_line(one, tongue) for one in recipients if one.action is action]
        if lines:
            paragraphs.append("\n".join((sentence, "", *lines)))
    return "\n\n".join(paragraphs)


def _line(one: Reported, tongue: int) -> str:
    lines = [f"  <{_clean(one.address)}>"]
    meaning = _MEANINGS.get(one.status.partition(".")[2])
    if meaning is not None:
        lines.append(f"    {meaning[tongue]}")
    if one.code is not None:
        place = f" ({_clean(one.remote)})" if one.remote else ""
        lines.append(f"    {one.code} {_clean(one.status)} {_clean(one.text)}{place}")
    return "\n".join(lines)

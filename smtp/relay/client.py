"""One mail transaction as a client: what to say to a server that offers this and that, and what became of each
recipient.

RFC 5321 section 3.3, RFC 1870, RFC 6152, RFC 6531, RFC 3461 section 5.
"""

from __future__ import annotations

from delivery.queue.model import Attempt, QueuedMessage, QueuedRecipient, State
from smtp.relay.connection import Connection, FarReply, HostFailed
from smtp.wire.extensions import Offer
from smtp.wire.params import to_xtext

DATA_TIME = 600.0


class Results:
    """One result per waiting recipient; what is set first stays."""

    def __init__(self, item: QueuedMessage) -> None:
        self.recipients = [one for one in item.recipients if one.state is State.WAITING]
        self._attempts: dict[str, Attempt] = {}

    def set(self, recipient: QueuedRecipient, reply: FarReply, remote: str, *, dsn: bool = False) -> None:
        """The result of one recipient; ``dsn``: the server offers DSN, so that success is reported by its side."""
        attempt = Attempt(recipient.address, reply.code, reply.status, reply.text, remote, dsn and reply.positive)
        self._attempts.setdefault(recipient.address, attempt)

    def set_rest(self, reply: FarReply, remote: str, *, dsn: bool = False) -> None:
        """The result of all recipients that have none yet."""
        for recipient in self.recipients:
            self.set(recipient, reply, remote, dsn=dsn)

    def all(self) -> tuple[Attempt, ...]:
        """In the order of the item's recipients."""
        return tuple(self._attempts[one.address] for one in self.recipients)


def unfit(item: QueuedMessage, octets: bytes, offer: Offer) -> FarReply | None:
    """Why the message can't be given to a server with this offer, or None.

    Content is never converted: it may be signed, and 8-bit text that a server can't take goes back to its sender
    (RFC 6152 section 3 leaves that choice).
    """
    if offer.size is not None and len(octets) > offer.size:
        return FarReply(552, "5.3.4", f"the server takes messages of at most {offer.size} octets")
    if needs_utf8(item, octets) and "SMTPUTF8" not in offer:
        return FarReply(553, "5.6.7", "the server does not take addresses or header fields beyond ASCII (SMTPUTF8)")
    if "8BITMIME" not in offer and not octets.isascii():
        return FarReply(554, "5.6.3", "the server does not take 8-bit text (8BITMIME)")
    return None


def needs_utf8(item: QueuedMessage, octets: bytes) -> bool:
    """True when addresses are beyond ASCII, or the sender said so and the header is (RFC 6531 section 3.4)."""
    waiting = (one.address for one in item.recipients if one.state is State.WAITING)
    if not item.sender.isascii() or not all(address.isascii() for address in waiting):
        return True
    if not item.smtputf8:
        return False
    end = octets.find(b"\r\n\r\n")
    return not octets[: end if end >= 0 else len(octets)].isascii()


def mail_words(item: QueuedMessage, octets: bytes, offer: Offer) -> list[bytes]:
    """The MAIL command with the parameters that the server knows."""
    words = [f"FROM:<{item.sender}>"]
    if "SIZE" in offer:
        words.append(f"SIZE={len(octets)}")
    if "8BITMIME" in offer and not octets.isascii():
        words.append("BODY=8BITMIME")
    if needs_utf8(item, octets):
        words.append("SMTPUTF8")
    if "DSN" in offer:
        if item.ret:
            words.append(f"RET={item.ret}")
        if item.envid:
            words.append(f"ENVID={to_xtext(item.envid)}")
    return [b"MAIL", *(word.encode() for word in words)]


def rcpt_words(recipient: QueuedRecipient, offer: Offer) -> list[bytes]:
    """The RCPT command with the parameters that the server knows."""
    words = [f"TO:<{recipient.address}>"]
    if "DSN" in offer:
        if recipient.notify:
            words.append("NOTIFY=" + ",".join(sorted(recipient.notify)))
        if recipient.original:
            kind, _, address = recipient.original.partition(";")
            words.append(f"ORCPT={kind};{to_xtext(address)}")
    return [b"RCPT", *(word.encode() for word in words)]


async def transact(connection: Connection, item: QueuedMessage, octets: bytes, results: Results, remote: str) -> None:
    """Carry out the transaction and set all results.

    Raises HostFailed when the host turned away before it had its say about any recipient: another may be tried.
    """
    refused = unfit(item, octets, connection.offer)
    if refused is not None:
        results.set_rest(refused, remote)
        return
    reply = await connection.command(*mail_words(item, octets, connection.offer))
    if reply.code == 421:
        raise HostFailed(reply.code, reply.status, reply.text)
    if not reply.positive:
        results.set_rest(reply, remote)
        return
    accepted = []
    try:
        for recipient in results.recipients:
            reply = await connection.command(*rcpt_words(recipient, connection.offer))
            if reply.positive:
                accepted.append(recipient)
            else:
                results.set(recipient, _not_too_many(reply), remote)
                if reply.code == 421:
                    results.set_rest(reply, remote)
                    return
        if accepted:
            reply = await connection.data(octets, DATA_TIME)
            results.set_rest(reply, remote, dsn="DSN" in connection.offer)
    except HostFailed as error:
        results.set_rest(error.reply, remote)


def _not_too_many(reply: FarReply) -> FarReply:
    """552 for too many recipients is meant as 452 (RFC 5321 section 4.5.3.1.10)."""
    if reply.code == 552 and reply.status == "5.5.3":
        return FarReply(452, "4.5.3", reply.text)
    return reply

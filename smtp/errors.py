"""One table from what happened in the lower rooms to the reply that tells it.

RFC 3463 (enhanced codes), RFC 4954 section 6 (AUTH). Whatever is not in the table is temporary: 451 4.3.0 with an id
under which the log has the whole story; the client never sees an exception's text.
"""

from __future__ import annotations

import errno
import secrets

import structlog

from delivery.outcome import Disposition, Dispositions, Fate, Reason
from directory.api import DirectoryUnavailable
from directory.model import Outcome
from smtp.wire.reply import Reply

log = structlog.get_logger()

ACCEPTED = Reply(250, "2.0.0", "OK")
NO_SPACE = Reply(452, "4.3.1", "Not enough space at the moment, try again later")
DIRECTORY_AWAY = Reply(451, "4.4.3", "The directory can't be asked at the moment, try again later")

_REFUSED: dict[Reason, Reply] = {
    Reason.SPAM: Reply(550, "5.7.1", "This message looks like spam and was not taken"),
    Reason.ATTACHMENT: Reply(550, "5.7.1", "Attachments of this type are not taken"),
    Reason.VIRUS: Reply(550, "5.7.1", "A virus was found in this message"),
    Reason.DMARC: Reply(550, "5.7.1", "The domain in From does not allow this sender (DMARC)"),
    Reason.BAD_HEADER: Reply(550, "5.6.0", "The message header is malformed"),
    Reason.LOOP: Reply(554, "5.4.6", "This message goes in circles"),
    Reason.OVER_QUOTA: Reply(552, "5.2.2", "The mailbox is full"),
    Reason.UNKNOWN_RECIPIENT: Reply(550, "5.1.1", "No such address here"),
    Reason.NOT_SENDER: Reply(550, "5.7.1", "The sender address is not yours"),
}
_LATER: dict[Reason, Reply] = {
    Reason.OVER_QUOTA: Reply(452, "4.2.2", "The mailbox is full, try again later"),
    Reason.RATE_LIMIT: Reply(450, "4.7.1", "Too many messages in the last hour, try again later"),
    Reason.NO_SPACE: NO_SPACE,
    Reason.NOT_SCANNED: Reply(451, "4.7.1", "The virus scanner is not available, try again later"),
    Reason.UNAVAILABLE: Reply(451, "4.3.0", "Not possible at the moment, try again later"),
}

SIGNED_IN = Reply(235, "2.7.0", "Authentication succeeded")
_SIGN_IN_LATER = Reply(454, "4.7.0", "Temporary authentication failure")
SIGN_IN_REFUSED = Reply(535, "5.7.8", "Authentication credentials invalid")


def disposition_reply(disposition: Disposition) -> Reply:
    """The reply for one disposition. What is put off never gets a 5xx, whatever its reason."""
    if disposition.fate is Fate.KEPT:
        return ACCEPTED
    later = _LATER.get(disposition.reason)
    if disposition.fate is Fate.REFUSED and later is not None and disposition.reason not in _REFUSED:
        reply = later  # a shortage of ours is never a reason to refuse for good
    elif disposition.fate is Fate.REFUSED:
        reply = _REFUSED.get(disposition.reason, _LATER[Reason.UNAVAILABLE])
    else:
        reply = later or _LATER[Reason.UNAVAILABLE]
    return reply.saying(disposition.text) if disposition.text else reply


def final_reply(dispositions: Dispositions, envelope_id: str) -> Reply:
    """The one answer after the end of data.

    250 when the message was kept for anybody: delivery takes care of the others. Nothing kept: put off when it was
    put off for anybody, since a later attempt may do better; else refused.
    """
    if dispositions.whole is not None:
        fates = [dispositions.whole]
    else:
        fates = list(dispositions.each)
    for fate in (Fate.KEPT, Fate.LATER, Fate.REFUSED):
        for disposition in fates:
            if disposition.fate is fate:
                if fate is Fate.KEPT:
                    return ACCEPTED.saying(f"OK id={envelope_id}")
                reply = disposition_reply(disposition)
                return reply.saying(f"{reply.text} (id={envelope_id})")
    raise ValueError("no disposition for any recipient")


def sign_in_reply(outcome: Outcome) -> Reply:
    """OK, later, or one same refusal for everything else."""
    if outcome is Outcome.OK:
        return SIGNED_IN
    if outcome is Outcome.UNAVAILABLE:
        return _SIGN_IN_LATER
    return SIGN_IN_REFUSED


def failure_reply(error: BaseException) -> Reply:
    """The reply to an exception; logs what nobody foresaw, with an id that the reply names."""
    if isinstance(error, DirectoryUnavailable):
        log.warning("smtp.directory_unavailable", error=str(error))
        return DIRECTORY_AWAY
    incident = secrets.token_hex(4)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        log.error("smtp.no_space", error=str(error), incident=incident)
        return NO_SPACE
    log.error("smtp.failure", incident=incident, exc_info=error)
    return Reply(451, "4.3.0", f"Local error, try again later (incident {incident})")


_FRENCH: dict[str, str] = {
    "Authentication succeeded": "Authentification réussie",
    "Authentication credentials invalid": "Identifiant ou mot de passe incorrect",
    "Temporary authentication failure": "Authentification momentanément impossible, réessayez plus tard",
    "Authentication required": "Authentification requise : configurez l'identifiant pour l'envoi",
    "Must issue a STARTTLS command first": "Connexion chiffrée requise : choisissez STARTTLS ou SSL/TLS",
    "Message too big": "Message trop volumineux",
    "Message header too big": "En-tête du message trop volumineux",
    "The sender address is not yours": "L'adresse d'expéditeur n'est pas la vôtre",
    "No such address here": "Cette adresse n'existe pas ici",
    "Too many recipients": "Trop de destinataires : envoyez en plusieurs fois",
    "Too many messages in the last hour, try again later": "Trop de messages en une heure, réessayez plus tard",
    "Too many recipients in the last hour, try again later": (
        "Trop de destinataires en une heure, réessayez plus tard"
    ),
    "Not enough space at the moment, try again later": "Espace insuffisant pour le moment, réessayez plus tard",
    "The directory can't be asked at the moment, try again later": (
        "Annuaire momentanément indisponible, réessayez plus tard"
    ),
    "Syntax error: an address stands between < and >": "Adresse mal formée",
    "The domain of this address is malformed": "Le domaine de cette adresse est mal formé",
}


def localised(reply: Reply, language: str) -> Reply:
    """The reply in the users' language, for the listeners that people's mail programs talk to.

    Mail programs show these words as they are. Replies that only engineers see stay English.
    """
    if language != "fr":
        return reply
    words = _FRENCH.get(reply.text)
    return reply.saying(words) if words else reply

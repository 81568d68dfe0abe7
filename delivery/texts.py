"""What people read in a refusal, by reason, in French and English.

Replies go out as ASCII (RFC 5321 section 4.2), so the French here does without accents.
"""

from __future__ import annotations

from delivery.outcome import Reason

_TEXTS: dict[Reason, tuple[str, str]] = {
    Reason.SPAM: (
        "Message refuse : il ressemble a un courrier indesirable. Ecrivez autrement ou contactez le destinataire.",
        "Message refused: it looks like spam. Write it differently or contact the recipient another way.",
    ),
    Reason.ATTACHMENT: (
        "Message refuse : les fichiers joints de ce type ne sont pas acceptes. Envoyez-les en PDF ou par un lien",
        "Message refused: attachments of this type are not taken. Send them as PDF or by a link",
    ),
    Reason.VIRUS: (
        "Message refuse : un virus y a ete trouve. Verifiez votre ordinateur",
        "Message refused: a virus was found in it. Check your computer",
    ),
    Reason.NOT_SCANNED: (
        "L'antivirus n'est pas disponible pour le moment. Reessayez plus tard.",
        "The virus scanner is not available for the moment. Try again later.",
    ),
    Reason.DMARC: (
        "Message refuse : le domaine de l'expediteur demande de refuser ce qu'il n'a pas authentifie (DMARC).",
        "Message refused: the sender's domain asks to refuse what it did not authenticate (DMARC).",
    ),
    Reason.BAD_HEADER: (
        "Message refuse : son en-tete n'est pas conforme",
        "Message refused: its header does not conform",
    ),
    Reason.LOOP: (
        "Message refuse : il tourne en boucle entre des serveurs. Verifiez les redirections.",
        "Message refused: it loops between servers. Check the forwarding.",
    ),
    Reason.OVER_QUOTA: (
        "La boite du destinataire est pleine, ce message n'y entre pas. Prevenez-le autrement, ou reessayez plus tard.",
        "The recipient's mailbox is full, this message does not fit. Tell them another way, or try again later.",
    ),
    Reason.UNKNOWN_RECIPIENT: (
        "Adresse inconnue ici. Verifiez son orthographe.",
        "No such address here. Check its spelling.",
    ),
    Reason.NOT_SENDER: (
        "Cette adresse d'expedition n'est pas la votre. Choisissez l'une de vos adresses",
        "This sender address is not yours. Choose one of your own",
    ),
    Reason.RATE_LIMIT: (
        "Trop de messages en une heure. Reessayez plus tard.",
        "Too many messages in an hour. Try again later.",
    ),
    Reason.NO_SPACE: (
        "Plus de place sur le serveur. Reessayez plus tard.",
        "No room left on the server. Try again later.",
    ),
    Reason.UNAVAILABLE: (
        "Service indisponible pour le moment. Reessayez plus tard.",
        "Service not available for the moment. Try again later.",
    ),
}


def say(reason: Reason, language: str, detail: str = "") -> str:
    """One line for people, with ``detail`` (printable ASCII is kept of it) behind the sentence."""
    french, english = _TEXTS[reason]
    sentence = english if language == "en" else french
    if not detail:
        return sentence
    shown = "".join(character if " " <= character <= "~" else "?" for character in detail[:200])
    return f"{sentence.rstrip('.')} : {shown}" if language != "en" else f"{sentence.rstrip('.')}: {shown}"

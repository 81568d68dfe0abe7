"""How mail is written for other programs, and the text that goes with it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping

from storage.model import DELIMITER, MessageRow, System

#: For the person: French, as all that people here read.
README = """\
Vos données de messagerie

Cette archive contient ce que le serveur de messagerie conserve sur {name}, au {date}
(droit d'accès et droit à la portabilité, articles 15 et 20 du RGPD).

courrier/       Vos messages, au format {form}.
                maildir : un fichier par message, exactement comme il a été reçu ; les marques (lu, répondu,
                important...) sont dans le nom du fichier, vos étiquettes dans les fichiers dovecot-keywords.
                mbox : un fichier par dossier, que Thunderbird (extension ImportExportTools NG), Apple Mail et
                d'autres savent importer ; les marques sont dans les champs Status, X-Status et X-Keywords.
donnees/        Ce qui est conservé à part des messages, un fichier JSON par sujet :
                directory_account, directory_address, directory_member, directory_target : votre compte, vos
                adresses, vos groupes, les alias qui mènent à vous ;
                sign_in_origin, sign_in_failure, sign_in_lock : les réseaux d'où vous vous connectez, les échecs,
                les blocages ;
                spam_wishes, spam_correspondents, spam_learnt, spam_reputations : vos souhaits pour le filtre, les
                adresses auxquelles vous avez écrit, ce que vous avez appris au filtre ;
                mailbox, subscription, acl, annotation : vos dossiers, vos abonnements, vos partages, vos notes ;
                event : vos déplacements récents de messages.
manifeste.json  La liste de tous les fichiers, avec leur taille et leur empreinte SHA-256.

Les messages que vous avez supprimés ne sont pas dans l'archive ; le serveur les garde encore quelque temps pour pouvoir
vous les rendre : demandez à les retrouver (mailserver restore), puis une nouvelle archive.

Le mot de passe n'est pas dans l'archive : le serveur n'en garde qu'une empreinte. Cette archive contient des données
personnelles, les vôtres et celles de vos correspondants : conservez-la en lieu sûr.
"""

#: In the order that Maildir wants: letters by ASCII.
_MAILDIR = (
    ("D", System.DRAFT),
    ("F", System.FLAGGED),
    ("R", System.ANSWERED),
    ("S", System.SEEN),
    ("T", System.DELETED),
)
_X_STATUS = (("A", System.ANSWERED), ("F", System.FLAGGED), ("T", System.DRAFT), ("D", System.DELETED))
_FROM = re.compile(rb"^(?=>*From )", re.M)

#: What no file system of a person's computer takes in a name.
_UNSAFE = re.compile(r'[<>:"\\|?*%\x00-\x1f]|[. ]\Z')


def maildir_name(row: MessageRow, letters: Mapping[str, str]) -> str:
    """A file name with the marks of a message; ``letters`` are those of keywords."""
    flags = "".join(letter for letter, flag in _MAILDIR if row.system & flag)
    words = "".join(sorted(letters[word] for word in row.keywords if word in letters))
    return f"{row.internal_date}.U{row.uid}.export,S={row.size}:2,{flags}{words}"


def mbox_path(name: str, taken: set[str]) -> str:
    """A file for a mailbox, in folders for the levels of its name; ``taken`` grows."""
    levels = [_UNSAFE.sub(lambda match: f"%{ord(match[0]):02x}", level) for level in name.split(DELIMITER)]
    base = "/".join(levels)[:200]
    path, number = f"{base}.mbox", 1
    # Many file systems hold names equal that differ in case.
    while path.casefold() in taken:
        number += 1
        path = f"{base} ({number}).mbox"
    taken.add(path.casefold())
    return path


def mbox_piece(row: MessageRow, octets: bytes) -> Iterator[bytes]:
    """A message as mboxrd (RFC 4155): its "From " line, its marks as fields, its octets with LF alone."""
    yield f"From MAILER-DAEMON {time.asctime(time.gmtime(row.internal_date))}\n".encode()
    yield f"Status: {'R' if row.system & System.SEEN else ''}O\n".encode()
    marks = "".join(letter for letter, flag in _X_STATUS if row.system & flag)
    if marks:
        yield f"X-Status: {marks}\n".encode()
    if row.keywords:
        yield f"X-Keywords: {' '.join(row.keywords)}\n".encode()
    text = _FROM.sub(b">", octets.replace(b"\r\n", b"\n"))
    yield text
    yield b"\n" if text.endswith(b"\n") else b"\n\n"

"""Mailbox names: which are allowed, and the folder on disk that each becomes."""

from __future__ import annotations

import hashlib
import unicodedata
from urllib.parse import unquote

from storage.errors import InvalidName
from storage.model import DELIMITER

INBOX = "INBOX"

#: Mailbox of mail that is held back. ``canonical`` allows no such name: no client can ask for it or make it.
HELD = "/held"

#: Octets of one level of a name.
LEVEL_OCTETS = 255

#: Octets of a folder's name on disk (a directory entry has at most 255).
_FOLDER_OCTETS = 240

#: What folders begin with whose names are too long for the disk.
_LONG = ".\\long-"


def canonical(name: str, *, octets: int, depth: int) -> str:
    """The name as it is kept: NFC, INBOX in capitals. Raises InvalidName with the reason.

    Control characters, wildcards and the levels ``.`` and ``..`` are refused (RFC 9051 section 5.1 allows it): no
    client can handle them and some would take them for paths.
    """
    name = unicodedata.normalize("NFC", name)
    if not name:
        raise InvalidName("a mailbox name is needed")
    if len(name.encode()) > octets:
        raise InvalidName(f"the name is longer than {octets} octets")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        raise InvalidName("control characters are not allowed in a name")
    if any(c in "*%" for c in name):
        raise InvalidName("* and % are not allowed in a name")
    levels = name.split(DELIMITER)
    if len(levels) > depth:
        raise InvalidName(f"a name may have {depth} levels")
    for level in levels:
        if not level:
            raise InvalidName("a level of the name is empty")
        if level in (".", ".."):
            raise InvalidName("a level of the name is . or ..")
        if len(level.encode()) > LEVEL_OCTETS:
            raise InvalidName(f"a level of the name is longer than {LEVEL_OCTETS} octets")
    if levels[0].upper() == INBOX:
        levels[0] = INBOX
    return DELIMITER.join(levels)


def parents(name: str) -> list[str]:
    """Names above a mailbox, the top one first."""
    levels = name.split(DELIMITER)
    return [DELIMITER.join(levels[:n]) for n in range(1, len(levels))]


def folder(name: str) -> str:
    """Folder of a mailbox in the account's Maildir++ tree; ``""`` for INBOX.

    Levels are joined by dots, in UTF-8; a dot or backslash within a level is written as Dovecot's listescape plug-in
    does.
    A name too long for a directory entry becomes a hash; the full name stands in the folder's ``mailbox-name`` file.
    """
    if name == INBOX:
        return ""
    escaped = [level.replace("\\", "\\5c").replace(".", "\\2e") for level in name.split(DELIMITER)]
    folder = "." + ".".join(escaped)
    if len(folder.encode()) > _FOLDER_OCTETS:
        return _LONG + hashlib.sha256(name.encode()).hexdigest()
    return folder


def attic(mailbox: int) -> str:
    """Folder of the bodies that went away from a mailbox: no mailbox has it, no other reader of the tree shows it."""
    return f"kept/{mailbox}"


def unfolded(folder: str) -> str | None:
    """The mailbox name of a folder, the reverse of ``folder``; None for one that only its label tells."""
    if not folder:
        return INBOX
    if folder.startswith(_LONG):
        return None
    levels = folder[1:].split(".")
    return DELIMITER.join(level.replace("\\2e", ".").replace("\\5c", "\\") for level in levels)


def account_key(folder: str) -> str:
    """The account key of an account's folder name, the reverse of ``account_folder``."""
    return unquote(folder)


def account_folder(key: str) -> str:
    """Path of an account's Maildir below the mail root: two hex digits to spread, then the key, escaped."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@"
    safe = "".join(chr(octet) if octet in plain else f"%{octet:02x}" for octet in key.encode())
    digest = hashlib.sha256(key.encode()).hexdigest()
    if len(safe) > _FOLDER_OCTETS:
        safe = digest
    return f"{digest[:2]}/{safe}"

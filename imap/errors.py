"""What a command's failure becomes on the wire: the one table of errors (RFC 5530, RFC 3501 section 7.1)."""

from __future__ import annotations

import secrets

import structlog

from directory.api import DirectoryUnavailable
from imap.wire.errors import BadName, ParseError
from imap.wire.responses import Kind, Status
from storage import errors as e

log = structlog.get_logger()


class Refused(Exception):
    """A command says NO of its own accord, with a response code if there is one for it."""

    def __init__(self, text: str, code: bytes | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


#: Error, response code, text (None: the error's own). The first row that fits counts, so special ones come first.
_TABLE: tuple[tuple[type[Exception], bytes | None, str | None], ...] = (
    (e.DiskFull, b"UNAVAILABLE", "The disk is full, nothing was kept: try again later"),
    (e.Unavailable, b"UNAVAILABLE", "The mail store is away for the moment: try again later"),
    (e.NoSuchMailbox, b"NONEXISTENT", "There is no such mailbox"),
    (e.MailboxExists, b"ALREADYEXISTS", "There is a mailbox of that name already"),
    (e.InvalidName, b"CANNOT", None),
    (e.NotPermitted, b"CANNOT", None),
    (e.QuotaTaken, b"CANNOT", None),
    (e.UseRefused, b"USEATTR", None),
    (e.LimitReached, b"LIMIT", None),
    (e.OverQuota, b"OVERQUOTA", "Quota atteint / The quota is reached, nothing was kept"),
    (e.TooBig, b"TOOBIG", "The message is too big"),
    (e.NoSuchMessage, b"EXPUNGEISSUED", "Some of the messages have been deleted"),
    (e.AnnotationTooBig, b"TOOBIG", None),
    (e.Damaged, b"CORRUPTION", "The message can't be read; the administrators are told"),
    (e.NoSuchAccount, b"UNAVAILABLE", "The mail store is away for the moment: try again later"),
    (DirectoryUnavailable, b"UNAVAILABLE", "The directory is away for the moment: try again later"),
    (BadName, b"CANNOT", None),
)


def tagged(error: Exception, tag: bytes, command: str) -> Status:
    """The answer to a command that ended with ``error``. An unknown one is logged with an id that the answer names."""
    if isinstance(error, Refused):
        return Status(Kind.NO, error.text, error.code, tag)
    if isinstance(error, ParseError):
        return Status(Kind.BAD, error.text, None, tag)
    for kind, code, text in _TABLE:
        if isinstance(error, kind):
            if isinstance(error, (e.Damaged, e.Unavailable)):
                log.error("imap.store_failed", command=command, error=str(error))
            return Status(Kind.NO, text or str(error), code, tag)
    incident = secrets.token_hex(4)
    log.error("imap.unknown_failure", command=command, incident=incident, exc_info=error)
    return Status(Kind.NO, f"Internal error {incident}: try again, or tell the administrators", b"SERVERBUG", tag)

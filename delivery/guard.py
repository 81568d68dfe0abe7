"""The last line between a message and whatever goes wrong: it is put off, never lost, never refused for our fault."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import structlog

from delivery.outcome import Disposition, Dispositions, Fate, Reason
from delivery.texts import say
from directory.api import DirectoryUnavailable
from message.content import Content
from message.envelope import Envelope
from storage.errors import DiskFull, StoreError

log = structlog.get_logger()


def guarded(envelope: Envelope, content: Content, language: str, accept: Callable[[], Dispositions]) -> Dispositions:
    """Run ``accept``; whatever goes wrong puts the message off: a failure of ours is no refusal and no acceptance."""
    try:
        return accept()
    except DiskFull as error:
        log.error("delivery.disk_full", id=envelope.id, error=str(error))
        return for_all(envelope, Fate.LATER, Reason.NO_SPACE, say(Reason.NO_SPACE, language))
    except (StoreError, DirectoryUnavailable) as error:
        log.error("delivery.unavailable", id=envelope.id, error=str(error))
        return for_all(envelope, Fate.LATER, Reason.UNAVAILABLE, say(Reason.UNAVAILABLE, language))
    except Exception:
        incident = uuid.uuid4().hex[:12]
        log.exception("delivery.failed", id=envelope.id, incident=incident)
        return for_all(envelope, Fate.LATER, Reason.UNAVAILABLE, say(Reason.UNAVAILABLE, language, incident))
    finally:
        content.close()


def for_all(envelope: Envelope, fate: Fate, reason: Reason, text: str) -> Dispositions:
    """The same disposition for the message as such and for each recipient."""
    each = tuple(Disposition(recipient.address, fate, reason, text) for recipient in envelope.recipients)
    return Dispositions(each, Disposition("", fate, reason, text))

"""CAPABILITY, NOOP, CHECK, LOGOUT, ID, ENABLE: commands that need nothing but the session."""

from __future__ import annotations

import structlog

from directory.sasl import MECHANISMS
from imap.errors import Refused
from imap.session.context import Context
from imap.session.interests import Interests, everything
from imap.session.observer import Overflow
from imap.session.rights import NOTES
from imap.session.states import State
from imap.session.steps import CommandSteps, Compress, HangUp
from imap.wire import commands as c
from imap.wire.commands import METADATA, EventGroup
from imap.wire.errors import ParseError
from imap.wire.responses import Capabilities, Enabled, Kind, ServerId, Status

log = structlog.get_logger()

_ALWAYS = (b"IMAP4rev1", b"IMAP4rev2", b"LITERAL+", b"SASL-IR", b"ID", b"ENABLE")

_SIGNED_IN = (
    *(b"IDLE", b"NAMESPACE", b"UIDPLUS", b"MOVE", b"UNSELECT", b"CHILDREN", b"LIST-EXTENDED", b"LIST-STATUS"),
    *(
        b"SPECIAL-USE",
        b"CREATE-SPECIAL-USE",
        b"ESEARCH",
        b"SEARCHRES",
        b"WITHIN",
        b"PARTIAL",
        b"MULTIAPPEND",
        b"STATUS=SIZE",
    ),
    *(b"SORT", b"SORT=DISPLAY", b"ESORT", b"THREAD=ORDEREDSUBJECT", b"THREAD=REFERENCES", b"THREAD=REFS"),
    *(b"SEARCH=FUZZY", b"MULTISEARCH", b"I18NLEVEL=1"),
    *(b"CONDSTORE", b"QRESYNC", b"UTF8=ACCEPT", b"BINARY", b"COMPRESS=DEFLATE", b"UNAUTHENTICATE"),
    *(b"OBJECTID", b"SAVEDATE", b"PREVIEW", b"CATENATE", b"REPLACE", b"UIDONLY", b"UIDBATCHES", b"INPROGRESS"),
    *(b"ACL", b"RIGHTS=kxte", b"LIST-MYRIGHTS", b"METADATA", b"LIST-METADATA", b"NOTIFY"),
    *(b"QUOTA", b"QUOTA=RES-STORAGE", b"QUOTA=RES-MESSAGE"),
)

#: Capabilities that ENABLE turns on (RFC 5161 section 3.1).
_SWITCHES = {
    name.decode().upper(): name
    for name in (b"CONDSTORE", b"QRESYNC", b"IMAP4rev2", b"UTF8=ACCEPT", b"UIDONLY", b"METADATA")
}


def capability_names(context: Context) -> tuple[bytes, ...]:
    """What is offered in the present state (RFC 3501 section 6.1.1)."""
    if context.state is not State.NOT_AUTHENTICATED:
        names = [*_ALWAYS, *_SIGNED_IN, b"APPENDLIMIT=%d" % context.settings.append_limit]
        if context.settings.message_limit:
            names.append(b"MESSAGELIMIT=%d" % context.settings.message_limit)
        if context.is_operator:
            names.append(b"QUOTASET")
        return tuple(names)
    names = list(_ALWAYS)
    if context.services.tls and not context.tls:
        names.append(b"STARTTLS")
    if context.may_sign_in:
        names += [b"AUTH=" + name.encode() for name in MECHANISMS]
    else:
        names.append(b"LOGINDISABLED")
    return tuple(names)


def capability(context: Context, tag: bytes, command: c.Capability) -> CommandSteps:
    yield Capabilities(capability_names(context))


def noop(context: Context, tag: bytes, command: c.Noop | c.Check) -> CommandSteps:
    """Nothing of its own: the session tells the news."""
    yield from ()


def logout(context: Context, tag: bytes, command: c.Logout) -> CommandSteps:
    context.close()
    yield Status(Kind.BYE, "Au revoir / Goodbye")
    yield Status(Kind.OK, "Logged out", None, tag)
    yield HangUp()


def identify(context: Context, tag: bytes, command: c.Id) -> CommandSteps:
    """RFC 2971. The version is nobody's business."""
    log.debug("imap.client", address=context.address, fields=dict(command.fields))
    yield ServerId((("name", "mailserver"),))


def compress(context: Context, tag: bytes, command: c.Compress) -> CommandSteps:
    """RFC 4978 section 3."""
    if command.mechanism != "DEFLATE":
        raise ParseError("The mechanism is DEFLATE")
    if context.compressed:
        raise Refused("DEFLATE is active already", b"COMPRESSIONACTIVE")
    context.compressed = True
    yield Status(Kind.OK, "DEFLATE is active", None, tag)
    yield Compress()


def enable(context: Context, tag: bytes, command: c.Enable) -> CommandSteps:
    """RFC 5161; unknown names are ignored. QRESYNC brings CONDSTORE (RFC 7162 section 3.2.3)."""
    new = [name for name in command.capabilities if name in _SWITCHES and name not in context.enabled]
    if "METADATA" in new and context.attention is None:
        # After NOTIFY it is that command which says what is told (RFC 5465 sections 5.6 and 5.7).
        try:
            context.listen(everything(METADATA), NOTES)
        except Overflow:
            context.listen(Interests([EventGroup("PERSONAL", (), METADATA)]), NOTES)
    context.enable(new)
    yield Enabled(tuple(_SWITCHES[name] for name in new))

"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one root for all mailboxes of an account, and one of its group if any.

The root of the session's own account has no name; that of another is called what its mailboxes' names begin with. A
quota that a group of accounts shares is called ``group/`` and the group's name.
"""

from __future__ import annotations

import structlog

from imap.errors import Refused
from imap.session.context import Context
from imap.session.places import OTHERS, SHARED, Owner
from imap.session.rights import Rights
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import QuotaData, QuotaRoots
from storage.errors import NoSuchMailbox
from storage.model import DELIMITER, Quota, SharedQuota

log = structlog.get_logger()

#: Highest limit that is taken: beyond it lie more octets than can be counted.
_HIGHEST = 2**52

#: What names of groups' roots begin with.
_GROUP = f"group{DELIMITER}"


def get(context: Context, tag: bytes, command: c.GetQuota) -> CommandSteps:
    if command.root.startswith(_GROUP):
        shared = context.store.shared_quotas.of(context.number)
        if shared is None or command.root != _GROUP + shared.name:
            raise _no_root()
        yield QuotaData(command.root, _resources(shared))
        return
    yield _quota(context, _owner(context, command.root))


def roots(context: Context, tag: bytes, command: c.GetQuotaRoot) -> CommandSteps:
    """Also for names of our own that don't exist yet (RFC 9208 section 4.1.2): they would have the same root."""
    name, owner = command.mailbox, context.names.own
    if name.startswith((OTHERS, SHARED)):
        place = context.place(name, Rights.READ)
        name, owner = place.name, place.owner
    shared = context.store.shared_quotas.of(owner.number) if owner is context.names.own else None
    if shared is None:
        yield QuotaRoots(name, (_root(owner),))
        yield _quota(context, owner)
    else:
        root = _GROUP + shared.name
        yield QuotaRoots(name, (_root(owner), root))
        yield _quota(context, owner)
        yield QuotaData(root, _resources(shared))


def set_(context: Context, tag: bytes, command: c.SetQuota) -> CommandSteps:
    """Resources that are not named have no limit any more (RFC 9208 section 4.1.3)."""
    if not context.is_operator:
        raise Refused("Only the administrators set quotas", b"NOPERM")
    owner = _owner(context, command.root)
    limits = dict(command.limits)
    if limits.keys() - {"STORAGE", "MESSAGE"}:
        raise Refused("There are quotas of STORAGE and MESSAGE only", b"CANNOT")
    if any(limit > _HIGHEST for limit in limits.values()):
        raise Refused("That limit is too high to be counted", b"LIMIT")
    octets, messages = limits.get("STORAGE"), limits.get("MESSAGE")
    # In the store 0 is no limit: a limit under the smallest message lets nothing in either.
    octets = 0 if octets is None else octets * 1024 or 1
    if messages == 0:
        octets, messages = 1, None
    context.store.set_quota(owner.number, octets, messages or 0)
    log.info("imap.quota_set", by=context.names.own.account.key, account=owner.account.key, limits=limits)
    yield _quota(context, owner)


def _owner(context: Context, root: str) -> Owner:
    """The account of a root: one's own, one that shares something to be read, for administrators any."""
    if not root:
        return context.names.own
    if context.is_operator:
        try:
            return context.names.somebody(root)
        except NoSuchMailbox:
            raise _no_root() from None
    for owner, places in context.names.others():
        if _root(owner) == root and any(Rights.READ in place.rights for place in places):
            return owner
    raise _no_root()


def _no_root() -> Refused:
    return Refused("There is no such quota root", b"NONEXISTENT")


def _root(owner: Owner) -> str:
    return owner.prefix.rstrip(DELIMITER)


def _quota(context: Context, owner: Owner) -> QuotaData:
    return QuotaData(_root(owner), _resources(context.store.quota(owner.number)))


def _resources(quota: Quota | SharedQuota) -> tuple[tuple[bytes, int, int], ...]:
    """Those without a limit are left out (RFC 9208 section 3); STORAGE counts 1024 octets as one (5.1)."""
    resources: list[tuple[bytes, int, int]] = []
    if quota.limit_bytes is not None:
        resources.append((b"STORAGE", -(-quota.used_bytes // 1024), quota.limit_bytes // 1024))
    if quota.limit_messages is not None:
        resources.append((b"MESSAGE", quota.used_messages, quota.limit_messages))
    return tuple(resources)

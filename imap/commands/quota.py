"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one root without a name for all mailboxes of the account."""

from __future__ import annotations

from imap.errors import Refused
from imap.session.context import Context
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import QuotaData, QuotaRoots

ROOT = ""


def get(context: Context, tag: bytes, command: c.GetQuota) -> CommandSteps:
    if command.root != ROOT:
        raise Refused("There is no such quota root", b"NONEXISTENT")
    yield _quota(context)


def roots(context: Context, tag: bytes, command: c.GetQuotaRoot) -> CommandSteps:
    """Also for names that don't exist yet (RFC 9208 section 4.1.2): they would have the same root."""
    yield QuotaRoots(command.mailbox, (ROOT,))
    yield _quota(context)


def set_(context: Context, tag: bytes, command: c.SetQuota) -> CommandSteps:
    raise Refused("Only the administrators set quotas", b"NOPERM")
    yield


def _quota(context: Context) -> QuotaData:
    """Resources without a limit are left out (RFC 9208 section 3); STORAGE counts 1024 octets as one (5.1)."""
    quota = context.store.quota(context.number)
    resources: list[tuple[bytes, int, int]] = []
    if quota.limit_bytes is not None:
        resources.append((b"STORAGE", -(-quota.used_bytes // 1024), quota.limit_bytes // 1024))
    if quota.limit_messages is not None:
        resources.append((b"MESSAGE", quota.used_messages, quota.limit_messages))
    return QuotaData(ROOT, tuple(resources))

"""Which command is allowed in which state, what it may tell of others' changes, and the function that carries it out.

A new command is a type in ``wire/commands.py``, a rule in ``wire/parser.py``, a function in ``commands/``, a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from imap.commands import (
    acl,
    append,
    authenticate,
    basic,
    batches,
    copy,
    fetch,
    folders,
    idle,
    listing,
    metadata,
    multisearch,
    notify,
    quota,
    search,
    select,
    store,
)
from imap.session.context import Context
from imap.session.states import State
from imap.session.steps import CommandSteps
from imap.wire import commands as c


class News(Enum):
    """What of others' changes is told before the tagged answer (RFC 3501 sections 5.5, 7.4.1)."""

    NOTHING = "nothing"
    #: Everything, removals included: message numbers may change.
    ALL = "all"
    #: No removals, for the command names messages by number; its UID form tells all.
    NO_REMOVALS = "no removals"


@dataclass(frozen=True, slots=True)
class Row:
    """One command. ``blocks`` is false when its function says itself where it begins to wait, if it does."""

    states: frozenset[State]
    news: News
    run: Callable[[Context, bytes, Any], CommandSteps]
    blocks: bool = True


_BEFORE = frozenset({State.NOT_AUTHENTICATED})
_SIGNED_IN = frozenset({State.AUTHENTICATED, State.SELECTED})
_SELECTED = frozenset({State.SELECTED})
_ANY = _BEFORE | _SIGNED_IN

TABLE: dict[type[c.Command], Row] = {
    c.Capability: Row(_ANY, News.NOTHING, basic.capability, blocks=False),
    c.Noop: Row(_ANY, News.ALL, basic.noop, blocks=False),
    c.Logout: Row(_ANY, News.NOTHING, basic.logout, blocks=False),
    c.Id: Row(_ANY, News.NOTHING, basic.identify, blocks=False),
    c.StartTls: Row(_BEFORE, News.NOTHING, authenticate.starttls, blocks=False),
    c.Authenticate: Row(_BEFORE, News.NOTHING, authenticate.authenticate, blocks=False),
    c.Login: Row(_BEFORE, News.NOTHING, authenticate.login, blocks=False),
    c.Enable: Row(_SIGNED_IN, News.NOTHING, basic.enable),
    c.Compress: Row(_SIGNED_IN, News.NOTHING, basic.compress, blocks=False),
    c.Unauthenticate: Row(_SIGNED_IN, News.NOTHING, authenticate.unauthenticate, blocks=False),
    c.Select: Row(_SIGNED_IN, News.NOTHING, select.select, blocks=False),
    c.Create: Row(_SIGNED_IN, News.ALL, folders.create),
    c.Delete: Row(_SIGNED_IN, News.ALL, folders.delete),
    c.Rename: Row(_SIGNED_IN, News.ALL, folders.rename),
    c.Subscribe: Row(_SIGNED_IN, News.ALL, folders.subscribe),
    c.Status: Row(_SIGNED_IN, News.ALL, listing.status, blocks=False),
    c.List: Row(_SIGNED_IN, News.ALL, listing.list_),
    c.Lsub: Row(_SIGNED_IN, News.ALL, listing.lsub),
    c.Namespace: Row(_SIGNED_IN, News.ALL, listing.namespace, blocks=False),
    c.Append: Row(_SIGNED_IN, News.ALL, append.append),
    c.Idle: Row(_SIGNED_IN, News.ALL, idle.idle, blocks=False),
    c.SetAcl: Row(_SIGNED_IN, News.ALL, acl.set_),
    c.DeleteAcl: Row(_SIGNED_IN, News.ALL, acl.delete),
    c.GetAcl: Row(_SIGNED_IN, News.ALL, acl.get),
    c.ListRights: Row(_SIGNED_IN, News.ALL, acl.list_rights),
    c.MyRights: Row(_SIGNED_IN, News.ALL, acl.my_rights),
    c.Notify: Row(_SIGNED_IN, News.ALL, notify.notify),
    c.GetMetadata: Row(_SIGNED_IN, News.ALL, metadata.get),
    c.SetMetadata: Row(_SIGNED_IN, News.ALL, metadata.set_),
    c.GetQuota: Row(_SIGNED_IN, News.ALL, quota.get),
    c.GetQuotaRoot: Row(_SIGNED_IN, News.ALL, quota.roots),
    c.SetQuota: Row(_SIGNED_IN, News.ALL, quota.set_),
    c.Replace: Row(_SELECTED, News.ALL, append.replace),
    c.Check: Row(_SELECTED, News.ALL, basic.noop, blocks=False),
    c.Close: Row(_SELECTED, News.NOTHING, select.close),
    c.Unselect: Row(_SELECTED, News.NOTHING, select.unselect, blocks=False),
    c.Expunge: Row(_SELECTED, News.ALL, copy.expunge),
    c.UidBatches: Row(_SELECTED, News.ALL, batches.uid_batches, blocks=False),
    c.Search: Row(_SELECTED, News.NO_REMOVALS, search.search),
    c.Sort: Row(_SELECTED, News.NO_REMOVALS, search.sort),
    c.MakeThreads: Row(_SELECTED, News.NO_REMOVALS, search.make_threads),
    c.MultiSearch: Row(_SIGNED_IN, News.ALL, multisearch.multi_search),
    c.Fetch: Row(_SELECTED, News.NO_REMOVALS, fetch.fetch, blocks=False),
    c.Store: Row(_SELECTED, News.NO_REMOVALS, store.store),
    c.Copy: Row(_SELECTED, News.ALL, copy.copy),
    c.Move: Row(_SELECTED, News.ALL, copy.move),
}

"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 section 3).

Identifiers are logins or addresses of accounts, ``group:NAME`` for groups of the directory, and ``anyone``, who is
everybody with an account, for nobody else comes in. A ``-`` before one takes rights away.
"""

from __future__ import annotations

from directory.model import Role
from imap.errors import Refused
from imap.session.context import Context
from imap.session.places import Place, identifier_of, identifier_of_group, key_of
from imap.session.rights import ALL, ANYONE, OWNERS, SHOWS, Rights, letters_of, of_letters, shown
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.responses import Acl, GrantableRights, OwnRights
from storage.errors import NoSuchMailbox
from storage.model import FlagChange

_GROUP = "group:"


def set_(context: Context, tag: bytes, command: c.SetAcl) -> CommandSteps:
    """The owner's own rights never go below what ``OWNERS`` has, whatever is asked."""
    try:
        rights = of_letters(command.rights)
    except ValueError:
        raise ParseError("there is no such right") from None
    place = context.place(command.mailbox, Rights.ADMIN)
    identifier = _resolved(context, command.identifier)
    if identifier == ANYONE and rights and command.change is not FlagChange.REMOVE:
        _check_anyone(context, place)
    owner = identifier == place.owner.identifier

    def combined(before: str | None) -> str | None:
        have = of_letters(before) if before is not None else ALL if owner else Rights.NONE
        match command.change:
            case FlagChange.ADD:
                have |= rights
            case FlagChange.REMOVE:
                have &= ~rights
            case FlagChange.REPLACE:
                have = rights
        if owner:
            have |= OWNERS
        return letters_of(have) or None

    context.store.sharing.change_acl(place.account, place.id, identifier, combined)
    context.look_again()
    yield from ()


def delete(context: Context, tag: bytes, command: c.DeleteAcl) -> CommandSteps:
    """Without an entry of their own, owners have all rights again."""
    place = context.place(command.mailbox, Rights.ADMIN)
    identifier = _resolved(context, command.identifier)
    context.store.sharing.change_acl(place.account, place.id, identifier, lambda before: None)
    context.look_again()
    yield from ()


def get(context: Context, tag: bytes, command: c.GetAcl) -> CommandSteps:
    """The owner comes first, listed or not. Entries of accounts that are gone say nothing to anybody."""
    place = context.place(command.mailbox, Rights.ADMIN)
    entries = {grant.identifier: grant.rights for grant in context.store.sharing.acl(place.account, place.id)}
    first = entries.pop(place.owner.identifier, letters_of(ALL))
    listed = [(place.owner.account.login, shown(of_letters(first)))]
    for identifier, name in _spelled(context, entries).items():
        listed.append((name, shown(of_letters(entries[identifier]))))
    yield Acl(place.name, tuple(listed))


def list_rights(context: Context, tag: bytes, command: c.ListRights) -> CommandSteps:
    """All rights can be given to anybody, each by itself; the owner's two are always there."""
    place = context.place(command.mailbox, Rights.ADMIN)
    required = OWNERS if _resolved(context, command.identifier) == place.owner.identifier else Rights.NONE
    yield GrantableRights(place.name, command.identifier, letters_of(required), tuple(shown(ALL & ~required)))


def my_rights(context: Context, tag: bytes, command: c.MyRights) -> CommandSteps:
    """Of mailboxes that the session may know of by any right that shows them (RFC 4314 section 4)."""
    place = context.names.find(command.mailbox)
    if not place.rights & SHOWS:
        raise NoSuchMailbox(command.mailbox)
    yield OwnRights(place.name, shown(place.rights))


# ---------------------------------------------------------------- identifiers


def _resolved(context: Context, written: str) -> str:
    """An identifier as the store keeps it. Refused when there is nobody of that name."""
    sign, name = ("-", written[1:]) if written.startswith("-") else ("", written)
    if name.casefold() == ANYONE:
        return sign + ANYONE
    people = context.services.people
    if name.casefold().startswith(_GROUP):
        group = people.group(name[len(_GROUP) :])
        found = None if group is None else identifier_of_group(group)
    else:
        account = people.find(name)
        found = None if account is None else identifier_of(account)
    if found is None:
        raise Refused("There is nobody of that name; groups are written group:NAME", b"CANNOT")
    return sign + found


def _spelled(context: Context, identifiers: dict[str, str]) -> dict[str, str]:
    """Identifiers of the store, each as it is written for people; those of accounts that are gone are left out."""
    keys = {one: key for one in identifiers if (key := key_of(one.removeprefix("-"))) is not None}
    people = context.services.people.by_keys(keys.values())
    spelled: dict[str, str] = {}
    for one in identifiers:
        if one not in keys:
            spelled[one] = one
        elif keys[one] in people:
            spelled[one] = ("-" if one.startswith("-") else "") + people[keys[one]].login
    return spelled


def _check_anyone(context: Context, place: Place) -> None:
    shared = place.owner.account.role is Role.SHARED
    if not shared and not context.settings.share_with_anyone:
        raise Refused("Le partage avec tous est fermé / Sharing with everybody is switched off here", b"NOPERM")

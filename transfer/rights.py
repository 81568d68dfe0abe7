"""Access control lists of other systems as ours (RFC 4314)."""

from __future__ import annotations

from collections.abc import Mapping

from directory.api import People
from imap.session.places import identifier_of, identifier_of_group
from imap.session.rights import ANYONE, letters_of, of_letters

_GROUPS = ("group:", "$")

#: Letters that other systems have beyond the standard: notes of messages (Cyrus), rights of its sites.
_FOREIGN = "n0123456789"


def translate(
    grants: Mapping[str, str], people: People, owner: str, *, with_anyone: bool
) -> tuple[dict[str, str], list[str]]:
    """Rights by our identifiers, and in words what can't be given here. ``owner`` is the identifier of the account.

    People are found by their login or one of their addresses. Raises DirectoryUnavailable.
    """
    found: dict[str, str] = {}
    refused: list[str] = []
    for written, rights in grants.items():
        sign, name = ("-", written[1:]) if written.startswith("-") else ("", written)
        identifier = _identifier(name, people)
        if identifier is None:
            refused.append(f"nobody is called {name} here: the rights {rights} were not given")
            continue
        if identifier == ANYONE and not sign and not with_anyone:
            refused.append(f"sharing with everybody is switched off here: the rights {rights} were not given")
            continue
        try:
            letters = letters_of(of_letters(rights.translate(dict.fromkeys(map(ord, _FOREIGN)))))
        except ValueError as error:
            refused.append(f"{name} has a right {error} there that is none here: nothing was given")
            continue
        if letters and identifier != owner:
            found[sign + identifier] = letters
    return found, refused


def _identifier(name: str, people: People) -> str | None:
    if name.casefold() in (ANYONE, "authenticated"):
        return ANYONE
    for prefix in _GROUPS:
        if name.casefold().startswith(prefix):
            group = people.group(name[len(prefix) :])
            return None if group is None else identifier_of_group(group)
    account = people.find(name)
    return None if account is None else identifier_of(account)

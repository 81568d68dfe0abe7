"""Flags and keywords of other systems as ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass

from storage.model import OWN_KEYWORDS, System
from transfer.source import SourceMessage

SYSTEM: dict[str, System] = {
    "\\seen": System.SEEN,
    "\\answered": System.ANSWERED,
    "\\flagged": System.FLAGGED,
    "\\deleted": System.DELETED,
    "\\draft": System.DRAFT,
}

#: An atom that is a keyword (RFC 9051 section 9, flag-keyword).
_ATOM = re.compile(r"[\x21\x23\x24\x26\x27\x2b-\x5b\x5e-\x7a\x7c\x7d\x7e]+\Z")


def of_flags(flags: Iterable[str]) -> tuple[int, tuple[str, ...]]:
    r"""System flags and keywords of flags as IMAP writes them; \Recent is a matter of sessions."""
    system = 0
    keywords: dict[str, str] = {}
    for flag in flags:
        if flag.startswith("\\"):
            system |= SYSTEM.get(flag.lower(), System.NONE)
        else:
            keywords.setdefault(flag.lower(), flag)
    return int(system), tuple(sorted(keywords.values()))


@dataclass(frozen=True, slots=True)
class Limits:
    """Of keywords, as ``config.settings.Store`` has them."""

    keywords: int
    length: int


def keep(
    messages: list[SourceMessage], there: Set[str], limits: Limits
) -> tuple[list[SourceMessage], list[tuple[str, int]]]:
    """The messages with those keywords that a mailbox can have, and the others with how many messages have each.

    ``there`` are the keywords that the mailbox has already.
    """
    known = {keyword.casefold() for keyword in there}
    refused: dict[str, int] = {}
    kept: list[SourceMessage] = []
    for one in messages:
        good: list[str] = []
        for keyword in one.keywords:
            folded = keyword.casefold()
            fits = folded in known or len(known) < limits.keywords
            if _ATOM.match(keyword) and len(keyword) <= limits.length and folded not in OWN_KEYWORDS and fits:
                known.add(folded)
                good.append(keyword)
            else:
                refused[keyword] = refused.get(keyword, 0) + 1
        kept.append(one if len(good) == len(one.keywords) else one._replace(keywords=tuple(good)))
    return kept, sorted(refused.items())

"""DMARC: does the domain that people see in From stand behind the message? (RFC 9989, which replaces RFC 7489.)

Policies and organizational domains are found by walking up the DNS tree; there is no list of public suffixes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from mailauth.resolver import LookupFailed, NotFound, Resolver
from mailauth.results import DkimResult, DmarcResult, Outcome, SpfResult
from message.address import ascii_domain, parse_addresses
from message.headers import HeaderBlock

_POLICIES = ("none", "quarantine", "reject")
_TREE_QUERIES = 8
_LONGEST_RECORD = 4096
# A message with more domains in From, or a longer field, wants to hide one of them: it is judged as failed.
_AUTHORS = 3
_LONGEST_FIELD = 32 * 1024
_BADNESS = (Outcome.PASS, Outcome.NONE, Outcome.PERMERROR, Outcome.TEMPERROR, Outcome.FAIL)


@dataclass(frozen=True, slots=True)
class Record:
    """A policy record and the ``domain`` where it was found, with the tags of RFC 9989 section 4.7."""

    domain: str
    tags: dict[str, str] = field(hash=False)

    def policy(self, *names: str) -> str:
        """The first of these tags with a policy in it; ``"none"`` without any, lowered one step in test mode (t=y)."""
        wanted = next((self.tags[name] for name in names if self.tags.get(name) in _POLICIES), "none")
        if self.tags.get("t") == "y":
            return _POLICIES[max(_POLICIES.index(wanted) - 1, 0)]
        return wanted

    def strict(self, name: str) -> bool:
        """Whether ``adkim`` or ``aspf`` asks for equal domains."""
        return self.tags.get(name) == "s"


@dataclass(frozen=True, slots=True)
class _Tree:
    """What a walk from ``start`` to the root found."""

    start: str
    records: dict[str, Record]

    @property
    def organization(self) -> str:
        """The organizational domain (RFC 9989 section 4.10.2)."""
        for domain, record in self.records.items():
            if record.tags.get("psd") == "n":
                return domain
            if record.tags.get("psd") == "y" and domain != self.start:
                return ".".join(self.start.split(".")[-domain.count(".") - 2 :])
        return min(self.records, key=lambda domain: domain.count("."), default=self.start)

    @property
    def record(self) -> Record | None:
        """The policy that holds for ``start``: its own, its organization's, or the public suffix's (section 4.10.1)."""
        own = self.records.get(self.start) or self.records.get(self.organization)
        if own is not None:
            return own
        return next((record for record in self.records.values() if record.tags.get("psd") == "y"), None)


def evaluate(
    headers: HeaderBlock, spf: SpfResult, dkim: tuple[DkimResult, ...], resolver: Resolver, deadline: float
) -> DmarcResult:
    """The result for the author's domain; with several domains in From, the worst of all of theirs (section 4.4.1)."""
    fields = headers.named(b"From")
    domains = author_domains(headers)
    if not domains:
        return DmarcResult(Outcome.PERMERROR if fields else Outcome.NONE)
    if len(domains) > _AUTHORS or any(field.end - field.value_start > _LONGEST_FIELD for field in fields):
        return DmarcResult(Outcome.FAIL, domains[0], "reject")
    walks = _Walks(resolver, deadline)
    return max((_of_author(domain, spf, dkim, walks) for domain in domains), key=_badness)


def _badness(result: DmarcResult) -> tuple[int, int]:
    failed = result.outcome not in (Outcome.PASS, Outcome.NONE)
    return _POLICIES.index(result.policy) if failed else -1, _BADNESS.index(result.outcome)


def author_domains(headers: HeaderBlock) -> list[str]:
    """The different domains of all addresses in all From fields, in A-labels."""
    domains = (
        ascii_domain(address.domain).rstrip(".") for value in headers.all(b"From") for address in parse_addresses(value)
    )
    return list(dict.fromkeys(filter(None, domains)))


def look_ahead(authors: list[str], resolver: Resolver, deadline: float) -> None:
    """Bring the policies of the authors into the resolver's memory.

    To be done first: names that a sender chooses (SPF, DKIM keys) must not use up the time for them, or silent name
    servers of his own would save him from the policy of the domain that he forges.
    """
    walks = _Walks(resolver, deadline)
    for domain in authors[:_AUTHORS]:
        with suppress(LookupFailed):
            walks.of(domain)


class _Walks:
    """Tree walks of one message, each made once."""

    def __init__(self, resolver: Resolver, deadline: float) -> None:
        self._resolver = resolver
        self._deadline = deadline
        self._trees: dict[str, _Tree] = {}

    def of(self, domain: str) -> _Tree:
        """The walk from ``domain`` up. Raises LookupFailed."""
        tree = self._trees.get(domain)
        if tree is None:
            tree = self._trees[domain] = _Tree(domain, dict(self._climb(domain)))
        return tree

    def exists(self, domain: str) -> bool:
        """Whether the name exists in the DNS, with or without records (RFC 8020). Raises LookupFailed."""
        try:
            self._resolver.a(domain, self._deadline)
        except NotFound:
            return False
        return True

    def _climb(self, start: str) -> Iterator[tuple[str, Record]]:
        for domain in _steps(start):
            record = self._record(domain)
            if record is not None:
                yield domain, record
                if record.tags.get("psd") in ("y", "n"):
                    return

    def _record(self, domain: str) -> Record | None:
        try:
            texts = self._resolver.txt(f"_dmarc.{domain}", self._deadline)
        except NotFound:
            return None
        records = [record for text in texts if (record := parse(domain, text)) is not None]
        return records[0] if len(records) == 1 else None


def _steps(start: str) -> Iterable[str]:
    """The domains to ask, at most eight: the start, then from seven labels down to one (section 4.10)."""
    labels = start.split(".")
    yield start
    for count in range(min(len(labels) - 1, _TREE_QUERIES - 1), 0, -1):
        yield ".".join(labels[-count:])


def parse(domain: str, text: bytes) -> Record | None:
    """A TXT record as a policy record; None for anything that does not begin with ``v=DMARC1`` (section 4.7)."""
    if len(text) > _LONGEST_RECORD:
        return None
    first, *others = text.decode("latin-1").split(";")
    name, _, version = first.partition("=")
    if name.strip() != "v" or version.strip() != "DMARC1":
        return None
    tags: dict[str, str] = {}
    for tag in others:
        key, _, value = tag.partition("=")
        tags.setdefault(key.strip().lower(), value.strip().lower())
    return Record(domain, tags)


def _of_author(author: str, spf: SpfResult, dkim: tuple[DkimResult, ...], walks: _Walks) -> DmarcResult:
    try:
        record = walks.of(author).record
        if record is None:
            return DmarcResult(Outcome.NONE, author)
        policy = _policy(author, record, walks)
    except LookupFailed:
        return DmarcResult(Outcome.TEMPERROR, author)
    return DmarcResult(_alignment(author, record, spf, dkim, walks), author, policy)


def _policy(author: str, record: Record, walks: _Walks) -> str:
    """p= for the domain of the record itself; below it np= for names that do not exist, and sp= (section 4.7)."""
    if record.domain == author:
        return record.policy("p")
    if "np" in record.tags and not walks.exists(author):
        return record.policy("np", "sp", "p")
    return record.policy("sp", "p")


def _alignment(author: str, record: Record, spf: SpfResult, dkim: tuple[DkimResult, ...], walks: _Walks) -> Outcome:
    """Pass by one aligned pass; a temporary error when an aligned one could still have been a pass (section 4.4)."""
    identifiers = [(spf.outcome, spf.domain, record.strict("aspf"))]
    identifiers += [(one.outcome, one.domain, record.strict("adkim")) for one in dkim if one.whole]
    undecided = False
    for outcome, domain, strict in identifiers:
        if outcome not in (Outcome.PASS, Outcome.TEMPERROR) or not domain:
            continue
        try:
            aligned = _aligned(author, domain, strict, walks)
        except LookupFailed:
            undecided = True
            continue
        if aligned and outcome is Outcome.PASS:
            return Outcome.PASS
        undecided = undecided or aligned
    return Outcome.TEMPERROR if undecided else Outcome.FAIL


def _aligned(author: str, domain: str, strict: bool, walks: _Walks) -> bool:
    """Equal domains, or in relaxed mode the same organization (RFC 9989 section 4.4). Raises LookupFailed."""
    if author == domain:
        return True
    if strict:
        return False
    organization = walks.of(author).organization
    # The organization of a name is one of its own ends, so most strangers are known without a walk.
    if not f".{domain}".endswith(f".{organization}"):
        return False
    return walks.of(domain).organization == organization

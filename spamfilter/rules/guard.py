"""The guard against false colleagues and false officials: who the author claims to be, against who we know.

The directory's names come with the evidence. A name alone proves little, because namesakes and private addresses are
honest: rules here speak through composites together with what the mail wants. Those marked ``guard`` in the data files
make a message a guarded one, with a banner that names the real person.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mailauth.results import Outcome
from spamfilter.domains import lookalike, official, unicode_form, within_any
from spamfilter.evidence import Namesake
from spamfilter.lexicon import ACADEMIES, FREEMAIL, OFFICIALS, SCHOOL_TOOLS, TOOL_MAKERS
from spamfilter.registry import Finding, rule
from spamfilter.rules.authentication import dkim_author_pass, own_domain_unauthenticated
from spamfilter.rules.urls import link_lookalike
from spamfilter.views import Views
from spamfilter.words import skeleton

_TITLES = tuple((f" {title} ", title) for title in OFFICIALS)
_TOOLS = tuple((f" {name} ", name) for name in SCHOOL_TOOLS)
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")


def _outside(views: Views) -> bool:
    """True when the author's address is none of ours, or one of ours that nothing vouches for."""
    return views.author_domain != "" and (
        not views.is_ours(views.author_domain) or bool(own_domain_unauthenticated(views))
    )


def _told(namesake: Namesake) -> str:
    return f"{namesake.name[:60]} <{namesake.addresses[0][:60]}>" if namesake.addresses else namesake.name[:60]


def _is_own(views: Views, namesake: Namesake) -> bool:
    """True when the author's address is one of the person's, outside ones that lead here included."""
    return views.author is not None and views.author.spec.lower() in (a.lower() for a in namesake.addresses)


@rule("COLLEAGUE_NAME")
def colleague_name(views: Views) -> Finding:
    """The name of somebody here, on an address that is not theirs."""
    if not _outside(views):
        return None
    return next((_told(one) for one in views.evidence.namesakes if not _is_own(views, one)), None)


@rule("COLLEAGUE_ADDRESS_SHOWN")
def colleague_address_shown(views: Views) -> Finding:
    """An address of ours as display name, on an address from outside."""
    if not _outside(views):
        return None
    found = _ADDRESS.findall(views.author_name[:300].lower())
    return next((one[:80] for one in found if views.is_ours(one.rpartition("@")[2])), None)


@rule("OFFICIAL_ADDRESS_SHOWN")
def official_address_shown(views: Views) -> Finding:
    """An address of an academy or a ministry as display name, on another address."""
    found = _ADDRESS.findall(views.author_name[:300].lower())
    hosts = ((one, one.rpartition("@")[2]) for one in found)
    return next((one[:80] for one, host in hosts if official(host) and not views.is_authors(host)), None)


@rule("OFFICIAL_NAME")
def official_name(views: Views) -> Finding:
    """The title of somebody in office, on an address that is neither ours nor of the state."""
    domain = views.author_domain
    if not domain or official(domain) or not _outside(views):
        return None
    name = views.folded_author_name
    return next((title for padded, title in _TITLES if padded in name), None)


@rule("SCHOOL_TOOL_NAME")
def school_tool_name(views: Views) -> Finding:
    """The name of a tool of the school as display name, on an address of neither us, the state nor its maker."""
    domain = views.author_domain
    if not domain or official(domain) or within_any(domain, TOOL_MAKERS) or not _outside(views):
        return None
    return next((name for padded, name in _TOOLS if padded in views.folded_author_name), None)


@rule("SITE_IN_LOCAL_PART")
def site_in_local_part(views: Views) -> Finding:
    """ "rectorat.ac-lyon@gmail.com": our name or an academy's in front of the @ of another site."""
    if views.author is None or not _outside(views) or official(views.author_domain):
        return None
    local = skeleton(views.author.local[:64].replace("_", "-").replace(".", "-"))
    return next((name for name, seen in _names_of_sites(views.evidence.local_domains) if seen in local), None)


@lru_cache(maxsize=16)
def _names_of_sites(local_domains: frozenset[str]) -> list[tuple[str, str]]:
    """First labels of our domains and the academies', and how they look at a glance."""
    ours = {domain.partition(".")[0] for domain in local_domains}
    return [(name, skeleton(name)) for name in sorted(ours | ACADEMIES) if len(name) >= 6]


@rule("COLLEAGUE_ANSWERS_ELSEWHERE")
def colleague_answers_elsewhere(views: Views) -> Finding:
    """One of us by address, and answers go to a freemail account or an imitation of ours."""
    if not views.is_ours(views.author_domain):
        return None
    ours = views.evidence.local_domains
    return next(
        (a.spec[:80] for a in views.answers_to if a.domain in FREEMAIL or lookalike(a.domain[:253], ours)), None
    )


@rule("ANSWERS_TO_NAMESAKE")
def answers_to_namesake(views: Views) -> Finding:
    """Answers go to a freemail account in the author's name, while the author's own address is of another site."""
    if views.author_domain in FREEMAIL or not views.evidence.namesakes:
        return None
    return next((a.spec[:80] for a in views.answers_to if a.domain in FREEMAIL), None)


@rule("SENDS_TO_LOOKALIKE")
def sends_to_lookalike(views: Views) -> Finding:
    """A link to an imitation of the very site that the author claims to be of."""
    return link_lookalike(views) if views.is_ours(views.author_domain) or official(views.author_domain) else None


@rule("LOOKALIKE_UNICODE")
def lookalike_unicode(views: Views) -> Finding:
    """An imitation by letters of other scripts: nobody writes such a name by mistake."""
    domain = unicode_form(views.author_domain)
    imitated = lookalike(views.author_domain, views.evidence.local_domains)
    return imitated is not None and not domain.isascii() and f"{domain[:60]} ~ {imitated}"


@rule("OFFICIAL_DOMAIN_UNAUTHENTICATED")
def official_domain_unauthenticated(views: Views) -> Finding:
    """An academy or a ministry in From, and every check says that it was not they."""
    results = views.authentication
    if results is None or not official(views.author_domain) or views.is_ours(views.author_domain):
        return None
    failed = results.dmarc.outcome is Outcome.FAIL or (
        results.spf.outcome in (Outcome.FAIL, Outcome.SOFTFAIL) and results.dmarc.outcome is not Outcome.PASS
    )
    return failed and views.author_domain[:60]


@rule("FOREIGN_LINK")
def foreign_link(views: Views) -> Finding:
    """A link to a site that is neither ours nor official."""
    hosts = views.link_hosts
    return next((h[:60] for h in hosts if not views.is_ours(h) and not official(h)), None)


@rule("KNOWN_CORRESPONDENT")
def known_correspondent(views: Views) -> Finding:
    """Everybody who gets this has written to the author, whose address is authenticated."""
    results = views.authentication
    return views.evidence.known and (results is None or results.dmarc.outcome is not Outcome.FAIL)


def vouched_for(views: Views) -> bool:
    """True when DMARC passes; without it, when the author's site has signed."""
    results = views.authentication
    return results is not None and (results.dmarc.outcome is Outcome.PASS or bool(dkim_author_pass(views)))


@rule("OURS_AUTHENTICATED")
def ours_authenticated(views: Views) -> Finding:
    return views.is_ours(views.author_domain) and vouched_for(views)


@rule("OFFICIAL_AUTHENTICATED")
def official_authenticated(views: Views) -> Finding:
    """An academy, a ministry or a public service writes, and it is they."""
    return official(views.author_domain) and not views.is_ours(views.author_domain) and vouched_for(views)


@rule("SENDER_WANTED")
def sender_wanted(views: Views) -> Finding:
    """On the recipients' own list of those they always want; what is forged isn't meant."""
    return views.evidence.wanted and (views.authentication is None or vouched_for(views))


@rule("SENDER_UNWANTED")
def sender_unwanted(views: Views) -> Finding:
    return views.evidence.unwanted

"""Rules on who claims to write, and to whom answers go."""

from __future__ import annotations

from spamfilter.domains import lookalike, site, unicode_form, within
from spamfilter.lexicon import BRANDS, FREEMAIL, OFFICES
from spamfilter.registry import Finding, rule
from spamfilter.views import Views
from spamfilter.words import folded, mixed_scripts, readable, splits_words, styled_letters


def _name(views: Views) -> str:
    return folded(views.author_name[:200])


@rule("FROM_NAME_HAS_ADDRESS")
def from_name_has_address(views: Views) -> Finding:
    """An address of another site inside the display name is what most programs show instead of the true one."""
    for word in views.author_name.replace("<", " ").replace(">", " ").replace("(", " ").split()[:30]:
        local, at, domain = word.strip("\"'(),;:[]").lower().rpartition("@")
        if at and local and "." in domain and not views.is_authors(domain):
            return f"{local}@{domain}"[:100]
    return None


@rule("FROM_NO_NAME")
def from_no_name(views: Views) -> Finding:
    return views.author is not None and not views.author_name


@rule("FROM_MALFORMED")
def from_malformed(views: Views) -> Finding:
    """Pieces that are no addresses stand beside the author's."""
    return any(author.domain for author in views.authors) and not all(author.domain for author in views.authors)


@rule("FROM_FREEMAIL")
def from_freemail(views: Views) -> Finding:
    return views.author_domain in FREEMAIL


@rule("FROM_DIGITS")
def from_digits(views: Views) -> Finding:
    local = views.author.local[:64] if views.author else ""
    return sum(c.isdigit() for c in local) >= 6


@rule("FROM_SPLIT_NAME")
def from_split_name(views: Views) -> Finding:
    return views.author is not None and splits_words(views.author.name[:1000])


@rule("FROM_MIXED_SCRIPTS")
def from_mixed_scripts(views: Views) -> Finding:
    return mixed_scripts(views.author_name)


@rule("FROM_STYLED_LETTERS")
def from_styled_letters(views: Views) -> Finding:
    return views.author is not None and styled_letters(views.author.name[:1000])


@rule("FROM_IS_TO")
def from_is_to(views: Views) -> Finding:
    if views.author is None or not views.author.domain:
        return None
    author = (views.author.local.lower(), views.author.domain)
    return len(views.recipients) == 1 and author == (views.recipients[0].local.lower(), views.recipients[0].domain)


@rule("FROM_IS_RECIPIENT_NAME")
def from_is_recipient_name(views: Views) -> Finding:
    """The display name is the recipient's own, the address is not ours."""
    name = sorted(_name(views).split())
    if len(name) < 2 or views.is_ours(views.author_domain):
        return None
    return any(name == sorted(folded(ours).split()) for ours in views.evidence.names)


@rule("BRAND_IMPERSONATION")
def brand_impersonation(views: Views) -> Finding:
    name = _name(views)
    for brand, sites in BRANDS.items():
        if f" {brand} " in name and not any(within(views.author_domain, own) for own in sites):
            return f"{views.author_name[:40]} <{views.author_domain[:60]}>"
    return None


@rule("OFFICE_FREEMAIL")
def office_freemail(views: Views) -> Finding:
    name = _name(views)
    return views.author_domain in FREEMAIL and any(f" {office} " in name for office in OFFICES)


@rule("LOOKALIKE_DOMAIN")
def lookalike_domain(views: Views) -> Finding:
    domains = [views.author_domain, *(address.domain[:253] for address in views.answers_to[:5])]
    for domain in dict.fromkeys(domains):
        if imitated := lookalike(domain, views.evidence.local_domains):
            return f"{unicode_form(domain)[:60]} ~ {imitated}"
    return None


@rule("REPLY_TO_FREEMAIL")
def reply_to_freemail(views: Views) -> Finding:
    if views.author_domain in FREEMAIL:
        return None
    return next((a.domain for a in views.answers_to if a.domain in FREEMAIL), None)


@rule("REPLY_TO_OTHER_DOMAIN")
def reply_to_other_domain(views: Views) -> Finding:
    if not views.author_domain:
        return None
    return next((a.domain[:60] for a in views.answers_to if a.domain and not views.is_authors(a.domain)), None)


@rule("REPLY_TO_OTHER_FREEMAIL")
def reply_to_other_freemail(views: Views) -> Finding:
    """Written from one freemail account, answers to another: the first one will be closed soon."""
    if views.author is None or views.author_domain not in FREEMAIL:
        return None
    author = (views.author.local.lower(), views.author_domain)
    others = (a for a in views.answers_to if a.domain in FREEMAIL and (a.local.lower(), a.domain) != author)
    return next((f"{a.local[:40]}@{a.domain}" for a in others), None)


@rule("SENDER_OTHER_DOMAIN")
def sender_other_domain(views: Views) -> Finding:
    domain = views.evidence.envelope.sender.rpartition("@")[2].lower()
    return bool(domain and views.author_domain) and site(domain) != site(views.author_domain) and domain[:60]


@rule("MANY_RECIPIENTS_SHOWN")
def many_recipients_shown(views: Views) -> Finding:
    return len(views.recipients) >= 50


@rule("GREETS_BY_ADDRESS")
def greets_by_address(views: Views) -> Finding:
    """ "Bonjour p.durand@exemple.fr," is written by machines that know nothing but the address."""
    start = readable(views.body[:100]).lower()
    addresses = [r.address.lower() for r in views.evidence.envelope.recipients[:10]]
    return any(address in start for address in addresses)

"""Rules on who claims to write, and to whom answers go."""

from __future__ import annotations

import re

from spamfilter.domains import is_address, lookalike, official, one_edit, site, unicode_form, within_any
from spamfilter.lexicon import BRANDS, CHEAP_TLDS, FREEMAIL, OFFICES, RISKY_TLDS, TENANTS
from spamfilter.registry import Finding, rule
from spamfilter.views import Views
from spamfilter.words import folded, meaningless, mixed_scripts, readable, skeleton, splits_words, styled_letters

_BRAND_NAMES = tuple((f" {brand} ", sites) for brand, sites in BRANDS.items())
_LONG_BRANDS = tuple((brand, skeleton(brand)) for brand in BRANDS if brand.isalpha() and len(brand) >= 6)
_WORD = re.compile(r"\w+")
_OFFICE_NAMES = tuple((f" {office} ", office) for office in OFFICES)


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
    name = sorted(views.folded_author_name.split())
    if len(name) < 2 or views.is_ours(views.author_domain):
        return None
    return any(name == sorted(folded(ours).split()) for ours in views.evidence.names)


@rule("BRAND_IMPERSONATION")
def brand_impersonation(views: Views) -> Finding:
    for brand, sites in _BRAND_NAMES:
        if brand in views.folded_author_name and not within_any(views.author_domain, sites):
            return f"{views.author_name[:40]} <{views.author_domain[:60]}>"
    return None


@rule("OFFICE_FREEMAIL")
def office_freemail(views: Views) -> Finding:
    return views.author_domain in FREEMAIL and bool(_office_name(views))


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


_SITE_NAME = re.compile(r"(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,4}(?:fr|com|org|net|eu|gouv\.fr)(?![\w.-])")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55]")


@rule("FROM_NAME_HAS_SITE")
def from_name_has_site(views: Views) -> Finding:
    """A web site as display name ("impots.gouv.fr") that is not the site of the address."""
    name = views.author_name[:200].lower()
    return next((host[:60] for host in _SITE_NAME.findall(name) if not views.is_authors(host)), None)


@rule("FROM_NAME_LONG")
def from_name_long(views: Views) -> Finding:
    return len(views.author_name) > 80


@rule("FROM_EMOJI")
def from_emoji(views: Views) -> Finding:
    return bool(_EMOJI.search(views.author_name[:200]))


@rule("FROM_RANDOM")
def from_random(views: Views) -> Finding:
    """The part before the @ is no word of any language: six consonants in a row, or letters and digits in turns."""
    return views.author is not None and meaningless(views.author.local[:64].lower())


@rule("FROM_RANDOM_DOMAIN")
def from_random_domain(views: Views) -> Finding:
    """The author's site has a name that is no word of any language."""
    domain = views.author_domain
    return not is_address(domain) and meaningless(site(domain).partition(".")[0], 8) and domain[-60:]


@rule("FROM_MANY_LABELS")
def from_many_labels(views: Views) -> Finding:
    return views.author_domain.count(".") >= 4 and not is_address(views.author_domain) and views.author_domain[:60]


@rule("FROM_CHEAP_TLD")
def from_cheap_tld(views: Views) -> Finding:
    return views.author_domain.rpartition(".")[2] in CHEAP_TLDS and views.author_domain[-60:]


@rule("FROM_NAME_NEAR_BRAND")
def from_name_near_brand(views: Views) -> Finding:
    """A name that is a known one but for letters that look alike, or for one letter: "PayPaI", "DocSign"."""
    name = views.folded_author_name
    if any(brand in name for brand, _ in _BRAND_NAMES):
        return None
    for word in _WORD.findall(readable(views.author_name[:200]).lower()):
        if len(word) < 6:
            continue
        seen = skeleton(word)
        for brand, its in _LONG_BRANDS:
            if seen == its or (len(brand) >= 8 and one_edit(word, brand)):
                return f"{word[:40]} ~ {brand}"
    return None


@rule("FROM_RISKY_TLD")
def from_risky_tld(views: Views) -> Finding:
    return views.author_domain.rpartition(".")[2] in RISKY_TLDS and views.author_domain[-60:]


@rule("FROM_DOMAIN_DIGITS")
def from_domain_digits(views: Views) -> Finding:
    domain = views.author_domain
    return domain not in FREEMAIL and not is_address(domain) and sum(c.isdigit() for c in site(domain)) >= 4


@rule("FROM_PUNYCODE")
def from_punycode(views: Views) -> Finding:
    return ("xn--" in views.author_domain or not views.author_domain.isascii()) and unicode_form(views.author_domain)[
        :60
    ]


@rule("FROM_TENANT")
def from_tenant(views: Views) -> Finding:
    """A domain that a cloud service gives to everybody who opens a test account."""
    return within_any(views.author_domain, TENANTS) and views.author_domain[-60:]


@rule("FROM_NO_HOST")
def from_no_host(views: Views) -> Finding:
    """The domain can't receive an answer: an IP address, or a name without a dot."""
    domain = views.author_domain
    return domain != "" and (domain.startswith("[") or is_address(domain) or "." not in domain)


@rule("FROM_NAME_OFFICE")
def from_name_office(views: Views) -> Finding:
    """The name of an office, on an address that is neither ours nor of the state, nor freemail (another rule)."""
    domain = views.author_domain
    if not domain or domain in FREEMAIL or views.is_ours(domain) or official(domain):
        return None
    return _office_name(views)


def _office_name(views: Views) -> str | None:
    name = views.folded_author_name
    return next((office for padded, office in _OFFICE_NAMES if padded in name), None)


@rule("REPLY_TO_SAME_NAME")
def reply_to_same_name(views: Views) -> Finding:
    """Answers go to the same name at another site: only the address behind it was exchanged."""
    name = views.folded_author_name.strip()
    return name != "" and next(
        (a.spec[:80] for a in views.answers_to if folded(a.name[:200]).strip() == name and a.domain
         and not views.is_authors(a.domain)),
        None,
    )  # fmt: skip


@rule("REPLY_TO_MANY")
def reply_to_many(views: Views) -> Finding:
    return len(views.answers_to) >= 3


@rule("RECIPIENTS_SORTED")
def recipients_sorted(views: Views) -> Finding:
    """Six recipients or more of one domain in the order of the alphabet: they come from a list that was collected."""
    addresses = [a for a in views.recipients if a.domain]
    names = [a.local.lower() for a in addresses]
    return len(set(names)) >= 6 and len({a.domain for a in addresses}) == 1 and names == sorted(names)

"""Rules on the subject line."""

from __future__ import annotations

import re

from spamfilter.domains import within_any
from spamfilter.lexicon import BRANDS
from spamfilter.registry import Finding, rule
from spamfilter.views import Views
from spamfilter.words import mixed_scripts, splits_words, styled_letters

_MONEY = re.compile(r"[$€£]\s?\d|\d\s?(?:[$€£]|euros?\b|eur\b|usd\b|dollars?\b|million)", re.IGNORECASE)
_URGENT = (
    "urgent", "action requise", "action required", "derniere relance", "dernier rappel", "dernier avertissement",
    "final notice", "last warning", "final warning", "immediate attention", "reponse immediate", "sous 24h",
    "sous 24 heures", "within 24 hours", "suspension imminente", "mise en demeure", "votre compte sera",
    "your account will", "account suspended", "compte suspendu", "compte bloque", "important : votre compte",
    "avis d'expulsion",
)  # fmt: skip


@rule("SUBJECT_EMPTY")
def subject_empty(views: Views) -> Finding:
    return not views.subject.strip()


@rule("SUBJECT_ALL_CAPS")
def subject_all_caps(views: Views) -> Finding:
    letters = [c for c in views.subject[:200] if c.isalpha()]
    return len(letters) >= 12 and " " in views.subject.strip() and all(c.isupper() for c in letters)


@rule("SUBJECT_GAPPY")
def subject_gappy(views: Views) -> Finding:
    """ "V I A G R A", "c.r.e.d.i.t": five or more single letters in a row."""
    pieces = re.split(r"[ ._*-]", views.subject[:200])
    run = 0
    for piece in pieces:
        run = run + 1 if len(piece) == 1 and piece.isalpha() else 0
        if run >= 5:
            return True
    return None


@rule("SUBJECT_MANY_MARKS")
def subject_many_marks(views: Views) -> Finding:
    return views.subject.count("!") >= 3 or views.subject.count("?") >= 4 or "$$" in views.subject


@rule("SUBJECT_MONEY")
def subject_money(views: Views) -> Finding:
    return bool(_MONEY.search(views.subject[:500]))


@rule("SUBJECT_SPLIT_WORDS")
def subject_split_words(views: Views) -> Finding:
    return splits_words(views.raw_subject)


@rule("SUBJECT_MIXED_SCRIPTS")
def subject_mixed_scripts(views: Views) -> Finding:
    return mixed_scripts(views.subject)


@rule("SUBJECT_STYLED_LETTERS")
def subject_styled_letters(views: Views) -> Finding:
    return styled_letters(views.raw_subject)


@rule("SUBJECT_HAS_RECIPIENT")
def subject_has_recipient(views: Views) -> Finding:
    """The recipient's address, or the part before the @ as a word of its own."""
    subject = views.subject.lower()
    for recipient in views.evidence.envelope.recipients[:10]:
        address = recipient.address.lower()
        local = address.rpartition("@")[0]
        if address in subject or (len(local) >= 5 and local in subject.replace(",", " ").split()):
            return True
    return None


@rule("SUBJECT_URGENT")
def subject_urgent(views: Views) -> Finding:
    return next((phrase for phrase in _URGENT if f" {phrase}" in views.folded_subject), None)


@rule("SUBJECT_TRAILING_CODE")
def subject_trailing_code(views: Views) -> Finding:
    """Far behind the words or in a last word of its own stands a code that makes each copy different."""
    subject = views.subject.rstrip()
    if "     " in subject:
        return True
    last = subject.rpartition(" ")[2]
    return len(last) >= 8 and last.isalnum() and last.isascii() and any(c.isdigit() for c in last) and last.islower()


_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55]")
_DECORATION = re.compile(r"^\s{0,5}[*#=~►▶➤●■★>|_-]{2,}")
_DISCOUNT = re.compile(r"(?:-\s?\d{2}|\b100)\s?%|\b\d{2}\s?% (?:off|de r)", re.IGNORECASE)
_REFERENCE = re.compile(r"(?:ref|n°|no|id|ticket|case|dossier|invoice|facture)[ .:#°-]{0,4}[a-z]{0,4}-?\d{5,}|#\d{5,}")
_ACCOUNT = (
    "mot de passe", "votre compte", "votre boite", "votre messagerie", "vos identifiants", "your account", "password",
    "mailbox", "webmail", "quota", "your email", "sign-in", "votre acces",
)  # fmt: skip
_PAYMENT = (
    "facture", "paiement", "virement", "invoice", "payment", "remittance", "remboursement", "releve bancaire", "wire",
    "swift", "rib ", "iban", "payroll", "bulletin de paie", "fiche de paie",
)  # fmt: skip
_FREE = ("gratuit", "offert", "cadeau", "free ", "promo", "soldes", "discount", "bon d'achat", "voucher", "gift")


@rule("SUBJECT_EMOJI")
def subject_emoji(views: Views) -> Finding:
    return bool(_EMOJI.search(views.subject[:500]))


@rule("SUBJECT_LONG")
def subject_long(views: Views) -> Finding:
    return len(views.subject) > 200


@rule("SUBJECT_HAS_LINK")
def subject_has_link(views: Views) -> Finding:
    return "http://" in views.folded_subject or "https://" in views.folded_subject or " www." in views.folded_subject


@rule("SUBJECT_DECORATED")
def subject_decorated(views: Views) -> Finding:
    """Stars, arrows and lines in front of the words."""
    return bool(_DECORATION.match(views.subject[:50]))


@rule("SUBJECT_DISCOUNT")
def subject_discount(views: Views) -> Finding:
    return bool(_DISCOUNT.search(views.subject[:500]))


@rule("SUBJECT_REFERENCE")
def subject_reference(views: Views) -> Finding:
    """A long number that makes the subject look like business."""
    return bool(_REFERENCE.search(views.folded_subject[:500]))


@rule("SUBJECT_ACCOUNT")
def subject_account(views: Views) -> Finding:
    return next((phrase for phrase in _ACCOUNT if phrase in views.folded_subject), None)


@rule("SUBJECT_PAYMENT")
def subject_payment(views: Views) -> Finding:
    return next((phrase.strip() for phrase in _PAYMENT if phrase in views.folded_subject), None)


@rule("SUBJECT_FREE")
def subject_free(views: Views) -> Finding:
    return next((phrase.strip() for phrase in _FREE if f" {phrase}" in views.folded_subject), None)


_BRANDS = tuple((f" {name} ", name, sites) for name, sites in BRANDS.items())


@rule("SUBJECT_BRAND")
def subject_brand(views: Views) -> Finding:
    """The subject names a bank, carrier or service, and neither the author nor any link is of it."""
    hosts = (views.author_domain, *views.link_hosts)
    for padded, name, sites in _BRANDS:
        if padded in views.folded_subject and not any(within_any(host, sites) for host in hosts):
            return name
    return None


@rule("SUBJECT_CAPITAL_FOR_SMALL")
def subject_capital_for_small(views: Views) -> Finding:
    """A capital I where a small l belongs, or the other way round: "Iog in", "User lD"."""
    return next((word[:40] for word in _WORDS.findall(views.subject[:300]) if _EXCHANGED.match(word)), None)


# No word of French or English begins with I and one of these, or has an l before a capital.
_EXCHANGED = re.compile(
    r"I(?:og|ast|ess|eft|ink|imi|ist|oca|oss|oad|ock|ong|ook|etz|es\b|a\b|e\b|eur)|l[A-Z]|[a-z]+I[a-z]"
)
_WORDS = re.compile(r"[A-Za-z]+")

"""A message as a set of tokens for the classifier. Pure and deterministic.

A token says what was seen and where: "s:facture" is not "facture", "h:exemple.top" a link host. Words of the text
count in their accented and in their plain form (people leave accents out, campaigns too), without elided articles (l',
d', qu'). What our own server adds on the way in gives no token: a message must look alike when it is judged and when
it is learnt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, islice

from spamfilter.bayes.header_tokens import host_tokens
from spamfilter.links import Link, shown_host
from spamfilter.views import Views
from spamfilter.words import Exchange, unaccented

MAX_TOKENS = 800
#: Characters of text that are read for words, and words of the subject.
TEXT_READ = 8 * 1024
SUBJECT_WORDS = 40

SHORTEST, LONGEST = 3, 24

_WORD = re.compile(r"[\w'’$€£%!-]+")
_WORDS = Exchange(lambda letter: letter.lower() if _WORD.match(letter.lower()) else " ")
_ELISION = re.compile(r"(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quelqu)['’]")
_NAME_PIECE = re.compile(r"[^\W_]+")


def tokens(views: Views) -> list[str]:
    """The distinct tokens of a message, at most ``MAX_TOKENS``: what is hard to vary first, the words of the text
    last."""
    found = [*_header_tokens(views), *_subject_tokens(views), *_shape_tokens(views)]
    for link in views.links:
        found += _link_tokens(link)
    found += _attachment_tokens(views)
    found += chain.from_iterable(map(_forms, _words(views.body)))
    return list(dict.fromkeys(found))[:MAX_TOKENS]


def _header_tokens(views: Views) -> Iterator[str]:
    if views.author is not None:
        yield from host_tokens("f:", views.author_domain)
        yield f"fa:{views.author.local[:64].lower()}@{views.author_domain}"
        for piece in _NAME_PIECE.findall(unaccented(views.author_name[:200])):
            yield f"fn:{piece[:LONGEST]}"
    for address in views.answers_to[:3]:
        yield from host_tokens("r:", address.domain[:253])
    for name in (b"x-mailer", b"user-agent"):
        for word in _words(views.headers.text(name)[:100]):
            yield f"x:{word}"
    yield f"ct:{views.evidence.root.main}/{views.evidence.root.sub}"[:60]


def _subject_tokens(views: Views) -> Iterator[str]:
    for word in islice(_words(views.subject[:1000]), SUBJECT_WORDS):
        for form in _forms(word):
            yield "s:" + form


def _shape_tokens(views: Views) -> Iterator[str]:
    """How the message is built, in coarse steps."""
    kinds = {part.main + "/" + part.sub for part in views.parts}
    for kind in sorted(kinds)[:10]:
        yield f"p:{kind[:60]}"
    for part in views.parts[:5]:
        if part.main == "text":
            yield f"cs:{(part.param('charset') or 'none').lower()[:30]}:{part.encoding[:20]}"
    yield f"#:links:{len(views.links).bit_length()}"
    yield f"#:hosts:{len(views.link_hosts).bit_length()}"
    yield f"#:text:{len(views.body).bit_length()}"
    if views.html:
        yield f"#:images:{sum(len(part.images) for part in views.html).bit_length()}"
        yield f"#:hidden:{sum(part.hidden for part in views.html).bit_length()}"
        yield f"#:forms:{sum(part.forms for part in views.html).bit_length()}"


def _link_tokens(link: Link) -> Iterator[str]:
    if not link.host:
        yield f"u:{link.scheme or 'none'}"
        return
    yield from host_tokens("h:", link.host)
    if (claimed := shown_host(link)) and claimed != link.host:
        yield "u:mismatch"
    for piece in islice(_NAME_PIECE.findall(link.path[:200].lower()), 6):
        if SHORTEST <= len(piece) <= LONGEST and not piece.isdigit():
            yield "up:" + piece


def _attachment_tokens(views: Views) -> Iterator[str]:
    for attachment in views.attachments:
        yield f"at:{attachment.type[:60]}"
        for extension in attachment.extensions[:2]:
            yield f"ae:{extension[:10]}"
        for piece in islice(_NAME_PIECE.findall(unaccented(attachment.name[:100])), 8):
            yield f"an:{piece[:LONGEST]}"


def _words(text: str) -> Iterable[str]:
    """The distinct raw words of a text in order of appearance."""
    text = text[:TEXT_READ]
    words = _WORDS(text)
    return dict.fromkeys(_WORD.findall(text.lower()) if words is None else words.split())


@lru_cache(maxsize=1 << 14)
def _forms(word: str) -> tuple[str, ...]:
    """The tokens of one raw word in lower case: without its elided article, accented and plain; none for noise."""
    word = word.strip("'’-_%")
    if elided := _ELISION.match(word):
        word = word[elided.end() :].strip("'’-_")
    if not SHORTEST <= len(word) <= LONGEST or word.replace("-", "").isdigit():
        return ()
    plain = unaccented(word)
    return (word,) if plain == word else (word, plain)

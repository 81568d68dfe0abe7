"""Rules on wording, French and English.

A rule of wording wants phrases of two kinds near each other ("boîte" near "pleine"), because single words of fraud are
words of honest mail too. Phrases are written folded: lower case, without accents. Looking them up is plain substring
search, whose time nobody can make grow.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from operator import itemgetter

from spamfilter.lexicon import words_of
from spamfilter.registry import Finding, Rule, rule
from spamfilter.views import Views
from spamfilter.words import BLOCK, mixed_scripts, word_starts

_CAPITALS = bytes((*range(ord("A"), ord("Z") + 1), *range(ord("À"), ord("Þ") + 1)))

#: Characters around a phrase of the first kind in which one of the second kind must stand.
NEAR = 160
#: Occurrences of one phrase that are followed.
OCCURRENCES = 20


class Wording:
    """Phrases of two kinds that must stand near each other; without a second kind the first is enough.

    A phrase of the first kind begins where a word begins; one of the second kind may stand inside a word.
    """

    def __init__(self, first: Iterable[str], second: Iterable[str] = ()) -> None:
        self.first = tuple(first)
        self.second = tuple(second)

    def seen(self, text: str, phrase: str) -> str | None:
        """What is told when ``phrase``, one of the first kind, stands where it counts; else None."""
        for start in _occurrences(text, phrase):
            if not self.second:
                return phrase.strip()
            around = text[max(start - NEAR, 0) : start + len(phrase) + NEAR]
            for other in self.second:
                if other in around:
                    return f"{phrase.strip()} … {other.strip()}"
        return None


def _occurrences(text: str, phrase: str) -> Iterator[int]:
    start = -1
    for _ in range(OCCURRENCES):
        if (start := text.find(phrase, start + 1)) < 0:
            return
        if phrase[0] == " " or not text[start - 1 : start].isalnum():
            yield start


def read_wordings(text: str) -> dict[str, Wording]:
    """The wordings of a TOML text, by symbol."""
    entries = tomllib.loads(text)
    return {symbol: Wording(e["first"], e.get("second", ())) for symbol, e in entries.items()}


class Wordings:
    """Wordings by symbol, looked for together.

    A phrase is searched for only where a word of the text begins like its first one. Most fail there, at a hundredth of
    the cost of a search.
    """

    def __init__(self, wordings: Mapping[str, Wording]) -> None:
        self._by_start: dict[str, list[tuple[int, str, Wording, str]]] = {}
        phrases = ((symbol, wording, phrase) for symbol, wording in wordings.items() for phrase in wording.first)
        for place, (symbol, wording, phrase) in enumerate(phrases):
            start = min(word_starts(phrase), key=phrase.index)
            self._by_start.setdefault(start, []).append((place, symbol, wording, phrase))

    def found_in(self, text: str) -> dict[str, str]:
        """What is told of each wording that was found, by symbol; of its phrases the first one counts."""
        possible = [phrase for start in self._by_start.keys() & word_starts(text) for phrase in self._by_start[start]]
        found: dict[str, str] = {}
        for _, symbol, wording, phrase in sorted(possible, key=itemgetter(0)):
            if symbol not in found and (seen := wording.seen(text, phrase)):
                found[symbol] = seen
        return found


WORDINGS = read_wordings(files("spamfilter").joinpath("wordings.toml").read_text("utf-8"))


_TOGETHER = Wordings(WORDINGS)


def _found(views: Views) -> dict[str, str]:
    return _TOGETHER.found_in(views.folded)


def _looks_for(symbol: str) -> Rule:
    return lambda views: views.once(_found).get(symbol)


for _symbol in WORDINGS:
    rule(_symbol)(_looks_for(_symbol))


@rule("BODY_MIXED_SCRIPTS")
def body_mixed_scripts(views: Views) -> Finding:
    """Latin words with Cyrillic or Greek letters in them."""
    return mixed_scripts(views.body)


@rule("SHOUTING")
def shouting(views: Views) -> Finding:
    start = views.body[:4096]
    letters = start.encode("latin-1", "ignore")
    capitals = len(letters) - len(letters.translate(None, _CAPITALS))
    return capitals >= 120 and capitals > 0.6 * sum(map(str.isalpha, start))


@rule("SHORT_WITH_LINK")
def short_with_link(views: Views) -> Finding:
    """A sentence or two and one link."""
    return len(views.link_hosts) == 1 and 8 <= views.words_up_to(40) < 40


# The first letter is looked for by itself: the search skips all others at a fraction of the time.
_COIN_ADDRESS = re.compile(
    r"[b013T](?:(?<=\bb)c1[a-z0-9]{25,60}|(?<=\b[13])[a-km-zA-HJ-NP-Z1-9]{25,34}|(?<=\b0)x[0-9a-fA-F]{40}"
    r"|(?<=\bT)[A-Za-z1-9]{33})\b"
)
_MONEY = ("$", "€", "£", "euro", "dollar", "usd")
_AMOUNT = re.compile(r"(?:[$€£]\s?\d|\d\s?(?:[$€£]|euros?\b|dollars?\b|usd\b))", re.IGNORECASE)
_BLANK_RUN = re.compile(r"\n[ \t\r\n]{40,}\S")


@rule("COIN_ADDRESS")
def coin_address(views: Views) -> Finding:
    """The address of a purse of a crypto currency."""
    found = _COIN_ADDRESS.search(views.body[:BLOCK])
    return found is not None and any(c.isdigit() for c in found[0]) and found[0][:50]


@rule("MANY_AMOUNTS")
def many_amounts(views: Views) -> Finding:
    marks = sum(views.folded.count(mark) for mark in _MONEY)
    return marks >= 8 and len(_AMOUNT.findall(views.body[:BLOCK])) >= 8


@rule("MANY_EXCLAMATIONS")
def many_exclamations(views: Views) -> Finding:
    return views.body[:4096].count("!") >= 12


@rule("BLANK_GAP")
def blank_gap(views: Views) -> Finding:
    """Far below empty lines stands something that is not meant for the reader."""
    return bool(_BLANK_RUN.search(views.plain[:BLOCK]))


@rule("GREETS_BY_LOCAL_PART")
def greets_by_local_part(views: Views) -> Finding:
    """ "Dear paul.durand," is written by machines that know nothing but the address."""
    start = views.folded[len(views.folded_subject) :][:80]
    locals_ = (r.address.lower().rpartition("@")[0] for r in views.evidence.envelope.recipients[:10])
    return any(len(local) >= 5 and not local.isalpha() and f" {local}" in start and f"{local}@" not in start
               for local in locals_)  # fmt: skip


@rule("TEXT_AND_ATTACHMENT")
def text_and_attachment(views: Views) -> Finding:
    """Ten words or fewer and a file: the message is in the file, where filters don't read."""
    return bool(views.attachments) and views.words_up_to(11) <= 10


_FRENCH_OR_ENGLISH = words_of("""
    le la les des une est vous votre nous pour dans avec sur que qui the and you your for with this that are have from
""")
_OTHER_LANGUAGES = {
    "de": words_of(
        "der die das und nicht ist sie ihre ihr wir mit auf eine einen fur von zu sich auch wird haben bitte"
    ),
    "es": words_of(
        "el los las una para con por que su esta como mas usted pero nuestro sus haga del hemos tiene cuenta"
    ),
    "pt": words_of("o os as uma para com por que seu sua voce nao mais esta foi em do da nosso seus clique sera conta"),
    "it": words_of("il gli una per con che suo sua non piu sono della nel alla questo tuo tua abbiamo di le conto"),
    "nl": words_of("de het een en van niet uw je op voor met dat wij ons zijn deze naar hebben wordt bij klik"),
}
_LEAST_WORDS = 6


@rule("OTHER_LANGUAGE")
def other_language(views: Views) -> Finding:
    """Written in German, Spanish, Portuguese, Italian or Dutch, by its commonest words."""
    words = set(views.folded[:4096].split())
    ours = len(words & _FRENCH_OR_ENGLISH)
    found = {name: len(words & common) for name, common in _OTHER_LANGUAGES.items()}
    name = max(found, key=found.__getitem__)
    return name if found[name] >= max(_LEAST_WORDS, 2 * ours) else None

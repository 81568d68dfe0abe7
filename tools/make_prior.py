"""Makes ``spamfilter/prior-VERSION.xz``, what the learners know before the site has taught them anything.

    python -m tools.make_prior CORPUS [--out FILE]

CORPUS is the SpamAssassin public corpus (https://spamassassin.apache.org/old/publiccorpus/, also packed as
https://github.com/stdlib-js/datasets-spam-assassin, database under PDDL 1.0, contents under CC0 1.0): a folder with
``easy-ham-1``, ``hard-ham-1``, ``spam-1`` and ``spam-2``, one ``NUMBER.*`` file a message. Beside it, letters written
for this purpose (``tools/prior``) bring French and the frauds of today.

Learnt is what mail says, not how it came: fields of transport, hosts and addresses are left out, because those of one
collection say nothing about other mail. ``easy-ham-2``, the odd numbers of ``hard-ham-1``, and ``spam-2`` from 701 on
are never read: they stay for measuring.
"""

from __future__ import annotations

import argparse
import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from config.settings import Spam
from spamfilter import linear
from spamfilter.bayes import classify, tokenize
from spamfilter.features import COUNT, Features, features_of, numbered
from spamfilter.prior import FILE, HALF, WEIGHT_UNIT, Prior
from spamfilter.rules import RULES
from spamfilter.stored import stored_message
from spamfilter.views import Views
from tools.prior.letters import letters

#: Letters made of each template, and how often all are gone through.
COPIES, ROUNDS = 12, 4
#: Fields that stay; the others tell of one collection's way.
_KEPT = re.compile(rb"(?i)(?:from|to|subject|reply-to|date|message-id|mime-version|content-[a-z-]+)\s*:")
#: Kinds of tokens that are learnt: words of text and subject, names of files, forms of parts, paths of links.
_LEARNT = frozenset(("", "s", "up", "at", "ae", "an", "p", "ct", "u", "#"))
#: A share this near to one half, and a weight this near to zero, are not kept; nor is a token of a single message.
_LEAST_SHARE, _LEAST_WEIGHT = 0.12, 0.02
_NO_NUMBERS = np.empty(0, np.int64)


def corpus(folder: Path) -> Iterator[tuple[bool, bytes]]:
    """(is spam, message) of the part of the public corpus that is learnt."""
    parts = {
        "easy-ham-1": range(1, 2501),
        "hard-ham-1": range(2, 251, 2),
        "spam-1": range(1, 501),
        "spam-2": range(1, 701),
    }
    for name, numbers in parts.items():
        for path in sorted((folder / name).glob("[0-9]*")):
            if path.suffix != ".json" and int(path.name.split(".")[0]) in numbers:
                yield name.startswith("spam"), plain(path.read_bytes())


def plain(octets: bytes) -> bytes:
    """The message without its way: the fields that say what it is, and its body."""
    octets = octets.replace(b"\r\n", b"\n")
    head, _, body = octets.partition(b"\n\n")
    fields = [field for field in re.split(rb"\n(?![ \t])", head) if _KEPT.match(field)]
    return (
        b"Received: from mx.example.net (mx.example.net [192.0.2.7]) by mail; \n" + b"\n".join(fields) + b"\n\n" + body
    )


def lesson(octets: bytes) -> Features:
    """The features that are learnt of a message."""
    views = Views(stored_message(octets, "").evidence, Spam().text_limit)
    symbols = [symbol for symbol, rule in RULES.items() if rule(views)]
    tokens = [token for token in tokenize.tokens(views) if _kind(token) in _LEARNT]
    found = features_of(numbered(tokens), views, symbols)
    return found._replace(header=_NO_NUMBERS, way=_NO_NUMBERS)


def _kind(token: str) -> str:
    return token.partition(":")[0] if ":" in token else ""


def learnt(lessons: list[tuple[bool, Features]]) -> Prior:
    """The prior out of all lessons."""
    ham, spam = (np.zeros(COUNT, np.int64) for _ in range(2))
    for is_spam, found in lessons:
        (spam if is_spam else ham)[found.tokens] += 1
    weights = averaged_weights(lessons)
    spams = sum(is_spam for is_spam, _ in lessons)
    shares = classify.shares_of_spam(ham, spam, len(lessons) - spams, spams)
    shares[ham + spam < 2] = 0.5
    kept_share = np.abs(shares - 0.5) >= _LEAST_SHARE
    kept_weight = np.abs(weights) >= _LEAST_WEIGHT * linear.UNIT
    numbers = np.flatnonzero(kept_share | kept_weight)
    small = np.where(kept_weight, np.rint(weights / WEIGHT_UNIT), 0)[numbers].clip(-32768, 32767)
    packed = np.rint(np.where(kept_share, shares, 0.5)[numbers] * 2 * HALF)
    return Prior(numbers, packed.astype(np.uint8), small.astype(np.int16))


def averaged_weights(lessons: list[tuple[bool, Features]]) -> NDArray[np.int64]:
    """The mean of the linear learner's weights after each lesson: those at the end lean to what came last (Freund and
    Schapire, "Large margin classification using the perceptron algorithm", Machine Learning 37, 1999)."""
    weights, late = (np.zeros(COUNT, np.int64) for _ in range(2))
    learnt_before = 0
    for turn in range(ROUNDS):
        Random(turn).shuffle(lessons)
        for is_spam, found in lessons:
            step = linear.lesson_step(linear.score(found, weights), found, spam=is_spam)
            for number, change in linear.changes(found, step).items():
                weights[number] += change
                late[number] += change * learnt_before
            learnt_before += 1
    return weights - late // learnt_before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=Path("spamfilter") / FILE)
    given = parser.parse_args()
    here = Path(__file__).parent / "prior"
    messages = list(corpus(given.corpus))
    for name in ("ham", "spam"):
        messages += [(name == "spam", octets) for _, octets in letters(here / f"{name}.txt", 1, COPIES)]
    prior = learnt([(is_spam, lesson(octets)) for is_spam, octets in messages])
    octets = lzma.compress(prior.packed(), preset=9 | lzma.PRESET_EXTREME)
    given.out.write_bytes(octets)
    print(f"{given.out}: {len(messages)} messages, {len(prior.numbers)} features, {len(octets)} octets")


if __name__ == "__main__":
    main()

from __future__ import annotations

import random
import time
from collections.abc import Callable

import numpy as np
import pytest

from spamfilter.sketch import DIGEST, FILES, NEAR, SIZE, alike, file_digests, rows, sketch, sketch_of
from spamfilter.views import Views
from tests.school_mail.generator import samples

Make = Callable[..., Views]

PHISH = """Votre messagerie académique arrive à saturation et les nouveaux messages ne pourront bientôt plus être remis.
Afin de conserver l'accès à votre espace, merci de confirmer votre identifiant ainsi que votre mot de passe avant le
27 septembre sur la page sécurisée https://acces-messagerie.example/15872 . Sans action de votre part, le compte de
{name} sera suspendu et 1 254 messages seront effacés définitivement par le service informatique."""
NOTICE = """

Ce message et toutes les pièces jointes sont établis à l'intention exclusive de ses destinataires et sont
confidentiels. Si vous recevez ce message par erreur, merci de le détruire et d'en avertir immédiatement
l'expéditeur. Toute utilisation de ce message non conforme à sa destination est interdite.
"""
NAMES = ("Martin", "Durand", "Lefèvre", "Benali", "Nguyen", "Garcia", "Moreau")
GREETINGS = ("Bonjour,", "Madame, Monsieur,", "Cher collègue,", "Bonsoir,", "Chère utilisatrice, cher utilisateur,")


def mutation(chance: random.Random) -> str:
    """The same phish with other names, numbers and links, a greeting somewhere, and invisible characters in words."""
    words = PHISH.format(name=chance.choice(NAMES)).split()
    for at, word in enumerate(words):
        if word.startswith("http"):
            words[at] = f"https://{chance.choice(NAMES).lower()}{chance.randrange(99)}.example/{chance.randrange(9999)}"
        elif word.isdigit():
            words[at] = str(chance.randrange(1, 9999))
        elif len(word) > 4 and chance.random() < 0.15:
            words[at] = word[:2] + "\u200b" + word[2:]
        elif chance.random() < 0.03:
            words[at] = chance.choice(NAMES)
    greeting = [*chance.choice(GREETINGS).split(), chance.choice(NAMES)]
    return " ".join(greeting + words if chance.random() < 0.7 else words + greeting)


def likeness(one: bytes, other: bytes) -> int:
    return int(alike(rows([one]), other)[0])


def test_the_same_phish_in_500_mutations_is_known_again(views: Make) -> None:
    chance = random.Random(500)
    first = sketch(views(text=PHISH.format(name="Dupont")))
    others = [sketch(views(text=mutation(chance))) for _ in range(500)]
    assert [at for at, one in enumerate(others) if likeness(first, one) < NEAR] == []


def test_html_and_plain_text_of_one_making_are_alike(views: Make) -> None:
    plain = PHISH.format(name="Dupont")
    marked = "".join(f"<p>{line}</p>" for line in plain.splitlines())
    assert likeness(sketch(views(text=plain)), sketch(views(text=None, html=marked))) >= NEAR


@pytest.mark.parametrize("below", ["", NOTICE])
def test_letters_of_school_life_are_not_alike(below: str) -> None:
    """Nor by the notice that stands below each of them."""
    made: dict[str, list[bytes]] = {}
    for half in ("dev", "test"):
        for sample in samples(half, each=2):
            views = Views(sample.evidence, 1 << 18)
            if one := sketch_of(f"{views.subject}\n\n{views.body}{below}"):
                made.setdefault(sample.name, []).append(one)
    each = list(made.items())
    assert len(each) >= 20
    for name, sketches in each:
        others = rows(one for other, found in each if other != name for one in found)
        for one in sketches:
            assert alike(others, one).max() < NEAR


def test_what_says_little_has_no_sketch(views: Make) -> None:
    assert sketch(views(text="Bonjour, êtes-vous disponible ?")) == b""
    assert sketch(views(text="urgent " * 500)) == b""
    assert sketch_of("Merci, à demain.\n" + NOTICE) == b""
    assert not alike(rows([b"", bytes(SIZE)]), b"").any()


def test_a_signature_is_no_part_of_what_is_said(views: Make) -> None:
    text = PHISH.format(name="Dupont")
    signature = "\n-- \nLe secrétariat\n" + "Collège Jean Moulin, avenue de la République, Montpellier, bureau " * 9
    assert sketch_of(text) == sketch_of(text + signature)


def test_sketches_of_another_making_are_near_to_nothing() -> None:
    one = sketch_of(PHISH)
    assert len(one) == SIZE
    assert alike(rows([one, one[:32], b""]), one).tolist()[0] == SIZE
    assert alike(rows([one[:32]]), one).max() < NEAR


def test_files_are_known_whatever_is_added_behind(views: Make) -> None:
    start = bytes(range(256)) * 256
    one, other = (
        file_digests(views(attachments=((name, "application/pdf", start + tail),)))
        for name, tail in (("a.pdf", b""), ("b.pdf", b"different"))
    )
    assert one == other
    assert [len(digest) for digest in one] == [DIGEST]
    page, other_page = (
        file_digests(views(attachments=(("a.html", "text/html", source),)))
        for source in (b"<html><p>Ouvrir 123" + b" x" * 200, b"<html>\r\n<p>Ouvrir 98765" + b"\tx" * 200)
    )
    assert page == other_page


def test_pictures_and_crumbs_tell_no_campaign(views: Make) -> None:
    logo, crumb = ("logo.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(9000)), ("a.bin", "text/csv", b"1;2")
    assert file_digests(views(attachments=(logo, crumb))) == ()
    many = tuple((f"{n}.bin", "application/octet-stream", bytes([n]) * 400) for n in range(20))
    assert len(file_digests(views(attachments=many))) == FILES


def test_hostile_text_takes_bounded_time() -> None:
    started = time.process_time()
    for text in ("a" * 2_000_000, "a/" * 1_000_000, "@ " * 1_000_000, "\n \n" * 500_000, "confidentiel \n\n" * 100_000):
        sketch_of(text)
    assert time.process_time() - started < 2.0


def test_rows_of_nothing() -> None:
    assert alike(rows([]), sketch_of(PHISH)).tolist() == []
    assert rows([]).dtype == np.uint8

from __future__ import annotations

import time

import pytest

from spamfilter.links import MAX_LINKS, distinct, in_text, read_link, shown_host


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.Exemple.FR:8443/a?b#c", "www.exemple.fr"),
        ("//exemple.fr/a", "exemple.fr"),
        ("www.exemple.fr", "www.exemple.fr"),
        ("http:\\\\exemple.fr\\a", "exemple.fr"),
        ("http://banque.fr@voleur.top/", "voleur.top"),
        ("ht\ntp://exe\tmple.fr/", "exemple.fr"),
        ("https://exemple.fr?x=http://autre.fr", "exemple.fr"),
        ("http://exemple.fr./", "exemple.fr"),
        ("http://[2001:db8::1]/", "[2001:db8::1]"),
        ("mailto:a@exemple.fr", ""),
        ("javascript:alert(1)", ""),
        ("/chemin/relatif", ""),
        ("", ""),
    ],
)
def test_host(url: str, host: str) -> None:
    assert read_link(url).host == host


def test_pieces() -> None:
    link = read_link("https://moi:secret@exemple.fr:81/chemin/page.html?q=1")
    assert (link.scheme, link.port, link.path, link.has_user) == ("https", "81", "/chemin/page.html", True)


@pytest.mark.parametrize(
    ("shown", "host"),
    [
        ("https://www.banque.fr/compte", "www.banque.fr"),
        ("www.banque.fr", "www.banque.fr"),
        ("banque.fr/compte", "banque.fr"),
        ("Cliquez ici", ""),
        ("contact@banque.fr", ""),
        ("facture.", ""),
        ("12.50", ""),
    ],
)
def test_shown_host(shown: str, host: str) -> None:
    assert shown_host(read_link("http://ailleurs.fr/", shown)) == host


def test_in_text() -> None:
    found = [link.url for link in in_text("Voir https://exemple.fr/a, (www.autre.fr). Fin", 10_000)]
    assert found == ["https://exemple.fr/a", "www.autre.fr"]


def test_many_links_are_cut_and_quick() -> None:
    text = "".join(f"https://h{i}.exemple.fr/ " for i in range(50_000))
    start = time.process_time()
    links = distinct(in_text(text, len(text)))
    assert len(links) == MAX_LINKS
    assert time.process_time() - start < 2

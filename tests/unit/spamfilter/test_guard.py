"""Messages that pretend to be a colleague's or an official's are guarded, with the real person named; namesakes are
not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from config.settings import Spam
from message.headers import parse_headers
from spamfilter.evidence import Evidence, Namesake
from spamfilter.filter import SpamFilter
from spamfilter.model import Knowledge, blank
from spamfilter.report import verdict_headers
from spamfilter.verdict import Action, Verdict

SOPHIE = (Namesake("Sophie Bernard", ("sophie.bernard@ac-exemple.fr",)),)
BOX_FULL = '<p>Votre boîte mail est presque pleine. <a href="https://messagerie-ac.weebly.com/">Cliquez ici</a></p>'


class NoModel:
    def knowledge(self) -> Knowledge:
        return blank()


@pytest.fixture
def judged(evidence: Callable[..., Evidence]) -> Callable[..., Verdict]:
    return lambda **changes: SpamFilter(Spam(), NoModel()).judge(evidence(**changes))


def mail(author: str, words: str = "Bonjour", **more: Any) -> dict[str, Any]:
    fields = {"From": author} | {name.replace("_", "-"): value for name, value in more.pop("fields", {}).items()}
    return {"fields": fields, "text": words, **more}


GUARDED: dict[str, dict[str, Any]] = {
    "new IBAN": mail("Sophie Bernard <sb7@gmail.com>", "Voici mon nouvel IBAN pour le salaire.", namesakes=SOPHIE),
    "favour": mail("BERNARD Sophie <d@x.net>", "Es-tu disponible ? Je suis en réunion.", namesakes=SOPHIE),
    "answers elsewhere": mail(
        "Sophie Bernard <info@x.net>", fields={"Reply_To": "sophie.b@gmail.com"}, namesakes=SOPHIE
    ),
    "our domain": mail("DSI <dsi@ac-exemple.fr>", auth={"spf": "fail"}),
    "one letter": mail("DSI <dsi@ac-exempie.fr>"),
    "other alphabet": mail("DSI <dsi@xn--ac-exmple-k0h.fr>"),
    "our address shown": mail('"dsi@ac-exemple.fr" <x@voleur.net>'),
    "ministry": mail('"Impots contact@impots.gouv.fr" <x@voleur.net>'),
    "diverted": mail("DSI <dsi@ac-exemple.fr>", fields={"Reply_To": "dsi.ac@gmail.com"}, auth={"dmarc": "pass"}),
    "box full": mail("Service informatique <s@voleur.net>", html=BOX_FULL),
    "password": mail(
        "Assistance informatique <s@gmail.com>", "Votre mot de passe expire. https://compte-verif.net/login"
    ),
}  # fmt: skip

HONEST: dict[str, dict[str, Any]] = {
    "a namesake": mail("Sophie Bernard <sophie.bernard@orange.fr>", "Ma fille sera absente lundi.", namesakes=SOPHIE),
    "from home": mail("Sophie Bernard <sb@free.fr>", "Je suis malade, je ne viens pas demain.", namesakes=SOPHIE),
    "herself": mail(
        "Sophie Bernard <sophie.bernard@ac-exemple.fr>", "Mon nouvel IBAN.", namesakes=SOPHIE, auth={"dmarc": "pass"}
    ),
    "another academy": mail("DSI <dsi@ac-lyon.fr>", "La maintenance aura lieu mardi.", auth={"dmarc": "pass"}),
    "a list": mail(
        "Sophie Bernard via profs <profs@listes.exemple.org>",
        "Bonjour",
        fields={"List_Id": "<profs.exemple.org>", "List_Post": "<mailto:p@exemple.org>", "Reply_To": "sb@gmail.com"},
        namesakes=SOPHIE,
        auth={"dkim": (("pass", "exemple.org"),)},
    ),
}


@pytest.mark.parametrize("name", sorted(GUARDED))
def test_guarded(name: str, judged: Callable[..., Verdict]) -> None:
    verdict = judged(**GUARDED[name])
    assert verdict.guarded
    assert b"X-Spam-Warning:" in verdict_headers(verdict, "fr")


@pytest.mark.parametrize(
    "name", ["new IBAN", "favour", "answers elsewhere", "box full", "password", "our address shown"]
)
def test_wanting_something_goes_to_junk(name: str, judged: Callable[..., Verdict]) -> None:
    assert judged(**GUARDED[name]).action is not Action.ACCEPT


@pytest.mark.parametrize("name", sorted(HONEST))
def test_honest_mail_is_not(name: str, judged: Callable[..., Verdict]) -> None:
    verdict = judged(**HONEST[name])
    assert (verdict.guarded, verdict.action) == ((), Action.ACCEPT)
    assert b"X-Spam-Warning" not in verdict_headers(verdict, "fr")


@pytest.mark.parametrize(
    ("language", "words"), [("fr", "pas de Sophie Bernard"), ("en", "not from Sophie Bernard <sophie.bernard@")]
)
def test_the_warning_names_the_real_person(language: str, words: str, judged: Callable[..., Verdict]) -> None:
    octets = verdict_headers(judged(**GUARDED["new IBAN"]), language)
    assert words in parse_headers(octets + b"\r\n").text(b"X-Spam-Warning")


def test_known_correspondents_weigh_for_the_message(judged: Callable[..., Verdict]) -> None:
    stranger = judged(**GUARDED["new IBAN"])
    friend = judged(**GUARDED["new IBAN"], known=True)
    assert friend.score < stranger.score
    assert friend.guarded == ()

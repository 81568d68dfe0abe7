"""French school-life mail and impersonations of it, made of templates; the same seed makes the same messages.

Messages vary as real ones do: plain, HTML, both or with attachments; UTF-8, ISO-8859-1 or -15; 8bit, quoted-printable
or base64; different programs and orders of fields.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from email.charset import BASE64, QP, Charset
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from pathlib import Path
from typing import Any

from directory.name_index import NameIndex, Person
from mailauth.results import AuthenticationResults, DkimResult, DmarcResult, Outcome, SpfResult
from message.address import parse_addresses
from message.envelope import ClientInfo, Envelope, Recipient
from message.headers import parse_headers
from message.parts import scan
from spamfilter.domains import site
from spamfilter.evidence import Evidence, Namesake
from spamfilter.words import name_keys

TEMPLATES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("templates.toml").read_text("utf-8"))["mail"]
DOMAIN = "ac-exemple.fr"
RECIPIENT = f"camille.robert@{DOMAIN}"
RECEIVED_AT = 1_790_000_000.0  # Mon, 21 Sep 2026

COLLEAGUES = tuple(
    Person(name, (f"{login}@{DOMAIN}",))
    for name, login in (
        ("Hélène Lefèvre", "helene.lefevre"), ("Marc Garnier", "marc.garnier"), ("Sophie Bernard", "sophie.bernard"),
        ("François Dupré", "francois.dupre"), ("Zoé Chevalier", "zoe.chevalier"), ("Noël Bérenger", "noel.berenger"),
        ("Jean-Pierre Masson", "jp.masson"), ("Fatima Benali", "fatima.benali"), ("Camille Robert", "camille.robert"),
    )
)  # fmt: skip
NAMES = NameIndex(lambda: COLLEAGUES, name_keys)

_SLOTS: dict[str, tuple[str, ...]] = {
    "class": ("6e A", "5e 3", "4e B", "3e 2", "2nde 7", "1re G4", "Tle STMG1"),
    "date": (
        "lundi 28 septembre",
        "mardi 6 octobre",
        "jeudi 12 novembre",
        "vendredi 4 décembre",
        "mercredi 13 janvier",
    ),
    "hour": ("8 h 30", "13 h", "14 h 15", "17 h", "18 h 30"),
    "room": ("B12", "204", "C3", "polyvalente", "des conseils"),
    "child": ("Léa Fontaine", "Mohamed Aït", "Inès Garcia", "Théo Nguyen", "Maëlys Cœur"),
    "parent": ("Karine Fontaine", "Ahmed Aït", "Lucía Garcia", "Nathalie Nguyen", "Joël Cœur"),
    "parent_user": ("famille.fontaine", "karine.f", "lucia34", "joel.coeur", "nnguyen"),
    "junk_user": ("contact", "info", "office1", "jd.service22", "mkt", "noreply"),
    "junk_site": ("malherbe-transports.com", "pousada-sol.com.br", "kxwzt.top", "boutique-evry.fr", "sgm-bau.de"),
    "free_page": ("acad-messagerie.weebly.com", "webmail-ac.web.app", "sites-ac.pages.dev", "form-ac.netlify.app"),
}
_CHOICE = re.compile(r"\[([^\[\]|]*(?:\|[^\[\]|]*)+)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_FILES = {
    "pdf": ("application", "pdf", b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"),
    "odt": ("application", "vnd.oasis.opendocument.text", b"PK\x03\x04" + bytes(26) + b"mimetype"),
    "jpg": ("image", "jpeg", b"\xff\xd8\xff\xe0" + bytes(60)),
    "png": ("image", "png", b"\x89PNG\r\n\x1a\n" + bytes(60)),
    "ics": ("text", "calendar", b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"),
    "trap": ("text", "html", b"<form action='https://kxwzt.top/p'><input type=password name=p></form>"),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One message: ``name`` is its template's."""

    name: str
    phishing: bool
    evidence: Evidence


def samples(half: str, each: int = 9, seed: int = 2026) -> Iterator[Sample]:
    """``each`` messages of every template of a half, "dev" or "test"."""
    for template in TEMPLATES:
        if template["half"] == half:
            chance = random.Random(f"{seed}/{template['name']}")
            for _ in range(each):
                yield _Writer(template, chance).sample()


class _Writer:
    """Writes one message of a template; a slot has one value throughout, a choice is made anew each time."""

    def __init__(self, template: dict[str, Any], chance: random.Random) -> None:
        self._template = template
        self._chance = chance
        colleague = chance.choice(COLLEAGUES[:-1])
        self._values = {name: chance.choice(values) for name, values in _SLOTS.items()}
        self._values |= {
            "colleague": colleague.name,
            "colleague_address": colleague.addresses[0],
            "recipient": RECIPIENT,
            "number": str(chance.randrange(100, 9999)),
            "code": f"{chance.getrandbits(64):016x}",
        }

    def sample(self) -> Sample:
        message, author = self._message()
        octets = message.as_bytes(policy=SMTP)
        headers = parse_headers(octets)
        shown = parse_addresses(headers.first(b"From") or b"")[0]
        envelope = Envelope(
            "school", author, (Recipient(RECIPIENT),), ClientInfo("192.0.2.7", helo="mx.exemple.org"), RECEIVED_AT
        )
        evidence = Evidence(
            envelope,
            octets,
            headers,
            scan(octets, headers),
            results_of(self._filled(self._template["auth"]), author.rpartition("@")[2]),
            frozenset({DOMAIN}),
            (COLLEAGUES[-1].name,),
            tuple(Namesake(one.name, one.addresses) for one in NAMES.named(shown.name)),
        )
        return Sample(self._template["name"], self._template["kind"] == "phish", evidence)

    def _filled(self, text: str) -> str:
        while found := _CHOICE.search(text):
            text = text[: found.start()] + self._chance.choice(found[1].split("|")) + text[found.end() :]
        return _SLOT.sub(lambda match: self._values[match[1]], text)

    def _message(self) -> tuple[EmailMessage, str]:
        template = self._template
        name, _, address = self._filled(template["from"]).rpartition(" <")
        local, _, domain = address.rstrip(">").rpartition("@")
        domain = domain.encode("idna").decode() if not domain.isascii() else domain
        message = EmailMessage(policy=SMTP)
        fields = [
            ("From", str(Address(name.strip('"'), local, domain))),
            ("To", RECIPIENT),
            ("Subject", self._filled(template["subject"])),
            ("Date", f"Mon, 21 Sep 2026 13:1{self._chance.randrange(10)}:00 +0200"),
            ("Message-ID", f"<{self._values['code']}@{domain}>"),
            *((field, self._filled(value)) for field, value in template.get("more", {}).items()),
        ]
        self._chance.shuffle(fields)
        message["Received"] = f"from mail.{domain} by mx.{domain}; Mon, 21 Sep 2026 13:20:00 +0200"
        for field, value in fields:
            message[field] = value
        self._write_body(message)
        for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
            part.set_boundary(f"=_{number}_{self._values['code']}")
        return message, f"{local}@{domain}"

    def _write_body(self, message: EmailMessage) -> None:
        paragraphs = [self._filled(paragraph) for paragraph in self._template["text"]]
        links = [(self._filled(url), self._filled(shown)) for url, shown in self._template.get("links", ())]
        shape = self._chance.choice(("plain", "html", "both", "both"))
        if any(shown for _, shown in links) and shape == "plain":
            shape = "both"
        charset = Charset(self._chance.choice(("utf-8", "utf-8", "iso-8859-1", "iso-8859-15")))
        encoding = self._chance.choice((QP, BASE64))
        plain = "\n\n".join([*paragraphs, *(f"{shown} {url}".strip() for url, shown in links)]) + "\n"
        body = "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in paragraphs)
        body += "".join(f'<p><a href="{url}">{escape(shown or url)}</a></p>\n' for url, shown in links)
        page = (
            f'<html><head><style>p{{margin:1em}}</style></head><body style="font-family:Arial">{body}</body></html>\n'
        )
        how = {
            "charset": _fitting(plain + page, str(charset)),
            "cte": "quoted-printable" if encoding == QP else "base64",
        }
        if shape == "html":
            message.set_content(page, subtype="html", **how)
        else:
            message.set_content(plain, **how)
        if shape == "both":
            message.add_alternative(page, subtype="html", **how)
        for file, kind in self._template.get("files", ()):
            main, sub, octets = _FILES[kind]
            message.add_attachment(octets, maintype=main, subtype=sub, filename=self._filled(file))


def _fitting(text: str, charset: str) -> str:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return "utf-8"
    return charset


def results_of(auth: str, domain: str) -> AuthenticationResults:
    """What SPF, DKIM and DMARC say. ``other``: a good signature of the bulk mailer, and nothing of the author's."""
    outcome = {"aligned": Outcome.PASS, "other": Outcome.PASS, "none": Outcome.NONE, "fail": Outcome.FAIL}[auth]
    signer = domain if auth == "aligned" else "envoi-masse.net"
    dkim = (DkimResult(Outcome.PASS, signer, "s1", "", True),) if outcome is Outcome.PASS else ()
    dmarc = {"aligned": Outcome.PASS, "fail": Outcome.FAIL}.get(auth, Outcome.NONE)
    return AuthenticationResults(
        SpfResult(outcome, signer, "mailfrom", ""), dkim, DmarcResult(dmarc, site(domain), "none"), ""
    )

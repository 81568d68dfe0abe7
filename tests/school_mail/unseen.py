"""A second and a third set of French school mail, in other words and other MIME forms than the first: each written when
the filter was there, and judged once before anything was changed by what it showed."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

from message.address import parse_addresses
from message.envelope import ClientInfo, Envelope, Recipient
from message.headers import parse_headers
from message.parts import scan
from spamfilter.evidence import Evidence, Namesake
from tests.school_mail.generator import COLLEAGUES, DOMAIN, NAMES, RECEIVED_AT, RECIPIENT, Sample, results_of
from tests.unit.spamfilter.test_pictures import CODE


def _templates(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name(name).read_text("utf-8"))["mail"]
    return found


TEMPLATES = _templates("unseen.toml")
#: Written later, when what was missed of the others had been looked at.
LATER = _templates("later.toml")

_CHOICE = re.compile(r"\[([^\[\]|]*(?:\|[^\[\]|]*)+)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_SLOTS = {
    "month": ("octobre", "novembre", "janvier"),
    "day": ("mardi 29 septembre", "vendredi 16 octobre", "jeudi 5 novembre", "lundi 30 novembre"),
    "weekday": ("lundi", "mardi", "jeudi"),
    "hour": ("10 h 15", "16 h 45", "17 h 30", "18 h"),
    "child": ("Anaïs Perrin", "Yanis Belkacem", "Côme de Brie", "Louna Pujol"),
    "year": ("2026", "2027"),
    "recipient": (RECIPIENT,),
}
_KINDS = {
    "pdf": ("application", "pdf", b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\ntrailer<<>>\n%%EOF\n"),
    "odt": ("application", "vnd.oasis.opendocument.text", b"PK\x03\x04" + bytes(26) + b"mimetype"),
    "ods": ("application", "vnd.oasis.opendocument.spreadsheet", b"PK\x03\x04" + bytes(26) + b"mimetype"),
    "xlsx": (
        *("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml",
    ),
    "html": ("text", "html", b"<html><form action='https://sgm-bau.example/p'><input type='password' name='p'></form>"),
    "htm": ("text", "html", b"<script>document.write(unescape('%3Cform%3E'));location=atob('aHR0cA==')</script>"),
    "zip": ("application", "zip", b"PK\x03\x04\x14\0\x01\0" + bytes(18) + b"\x0b\0\0\0dossier.pdf" + bytes(40)),
}


def samples(each: int = 5, seed: int = 61, templates: list[dict[str, Any]] = TEMPLATES) -> Iterator[Sample]:
    """``each`` messages of every template."""
    for template in templates:
        chance = random.Random(f"{seed}/{template['name']}")
        for _ in range(each):
            yield _sample(template, chance)


def _sample(template: dict[str, Any], chance: random.Random) -> Sample:
    values = {name: chance.choice(words) for name, words in _SLOTS.items()}
    values |= {"number": str(chance.randrange(1000, 99999)), "code": f"{chance.getrandbits(60):x}"}

    def filled(text: str) -> str:
        while found := _CHOICE.search(text):
            text = text[: found.start()] + chance.choice(found[1].split("|")) + text[found.end() :]
        return _SLOT.sub(lambda match: values[match[1]], text)

    name, _, address = template["from"].rpartition(" <")
    address = address.rstrip(">")
    domain = address.rpartition("@")[2]
    message = EmailMessage(policy=SMTP)
    message["Return-Path"] = f"<{address}>"
    message["Received"] = (
        f"from smtp.{domain} (smtp.{domain} [192.0.2.7]) by relais.{domain}; Mon, 21 Sep 2026 13:02:10 +0200"
    )
    message["MIME-Version"] = "1.0"
    message["From"] = f'"{name}" <{address}>'
    message["To"] = RECIPIENT
    message["Subject"] = filled(template["subject"])
    message["Date"] = f"Mon, 21 Sep 2026 13:02:0{chance.randrange(10)} +0200"
    message["Message-ID"] = f"<{values['code']}.{values['number']}@{domain}>"
    text = [filled(one) for one in template["text"]]
    links = [(filled(url), filled(shown)) for url, shown in template.get("links", ())]
    files = [filled(one) for one in template.get("files", ())]
    _SHAPES[template["shape"]](message, text, links, chance)
    for file in files:
        main, sub, octets = _KINDS[file.rpartition(".")[2].lower()]
        message.add_attachment(octets, maintype=main, subtype=sub, filename=file)
    for number, part in enumerate(
        part for part in message.walk() if part.is_multipart() and part.get_boundary() is None
    ):
        part.set_boundary(f"----=_NextPart_{number:03}_{values['code']}")
    octets = message.as_bytes()
    headers = parse_headers(octets)
    envelope = Envelope(
        "m", address, (Recipient(RECIPIENT),), ClientInfo("192.0.2.7", helo=f"smtp.{domain}"), RECEIVED_AT
    )
    evidence = Evidence(
        *(envelope, octets, headers, scan(octets, headers), results_of(template["auth"], domain), frozenset({DOMAIN})),
        (COLLEAGUES[-1].name,),
        tuple(
            Namesake(one.name, one.addresses)
            for one in NAMES.named(parse_addresses(headers.first(b"From") or b"")[0].name)
        ),
    )
    return Sample(template["name"], template["kind"] == "phish", evidence)


def _plain(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    message.set_content("\n\n".join([*text, *(url for url, _ in links)]) + "\n", cte=chance.choice(("8bit", "base64")))


def _latin9(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    message.set_content("\n\n".join(text).replace("œ", "oe") + "\n", charset="iso-8859-15", cte="quoted-printable")


def _flowed(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    lines = [" \n".join(wrap(one, 72)) for one in [*text, *(url for url, _ in links)]]
    message.set_content(
        "\n\n".join(lines) + "\n\n-- \nCollège Jean Moulin, 34000 Exempleville\n", cte="quoted-printable"
    )
    message.set_param("format", "flowed")
    message["User-Agent"] = "Mozilla Thunderbird"


def _mobile(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    message.set_content("\n".join(text) + "\n\nEnvoyé de mon téléphone\n", cte="base64")
    message["X-Mailer"] = chance.choice(("iPhone Mail (22A3354)", "Android Mail 12"))


def _reply(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    before = (
        "Le lun. 21 sept. 2026 à 09:14, Camille Robert a écrit :\n> Bonjour,\n> je reviens vers vous au sujet de\n"
        "> notre échange de la semaine dernière.\n> Camille"
    )
    message.set_content("\n\n".join(text) + "\n\n" + before + "\n", cte="8bit")
    message["In-Reply-To"] = "<d41a.2201@ac-exemple.fr>"
    message["References"] = "<d41a.2201@ac-exemple.fr>"


def _page(text: list[str], links: list[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><td style='padding:8px;font:14px Verdana'>{escape(one)}</td></tr>" for one in text)
    buttons = "".join(
        f"<tr><td align=center><a href=\"{escape(url)}\" style='background:#05c'>{escape(shown or url)}</a></td></tr>"
        for url, shown in links
    )
    table = f"<table width=600 align=center>{rows}{buttons}</table>"
    return f"<!DOCTYPE html><html><body bgcolor='#f4f4f4'>{table}</body></html>\n"


def _html(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    message.set_content(_page(text, links), subtype="html", cte=chance.choice(("base64", "quoted-printable")))


def _newsletter(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    domain = message["From"].rpartition("@")[2].rstrip(">")
    message["List-Id"] = f"<lettre.{domain}>"
    message["List-Unsubscribe"] = f"<https://{domain}/stop/1>, <mailto:stop@{domain}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Precedence"] = "bulk"
    message.set_content(
        "\n\n".join([*text, *(f"{shown} : {url}" for url, shown in links)]) + "\n", cte="quoted-printable"
    )
    message.add_alternative(_page(text, links), subtype="html", cte="quoted-printable")


def _outlook(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    """A text and a page with a logo inside, as that program writes them."""
    body = "".join(f"<p class=MsoNormal>{escape(one)}<o:p></o:p></p>" for one in text)
    body += "".join(
        f'<p class=MsoNormal><a href="{escape(url)}">{escape(shown or url)}</a></p>' for url, shown in links
    )
    page = (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style>p.MsoNormal{margin:0cm}</style></head>'
        f'<body lang=FR><div class=WordSection1>{body}<img width=90 src="cid:image001.png@01"></div></body></html>\n'
    )
    message.set_content("\n\n".join([*text, *(f"{shown}<{url}>" for url, shown in links)]) + "\n", cte="base64")
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    logo = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x5a\0\0\0\x1e\x08\x02" + bytes(300)
    message.get_payload()[1].add_related(logo, "image", "png", cid="<image001.png@01>", filename="image001.png")  # type: ignore[union-attr, index]
    message["Thread-Topic"] = str(message["Subject"])
    message["Content-Language"] = "fr-FR"


def _attached(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    message.set_content("\n\n".join(text) + "\n", cte="quoted-printable")
    if chance.random() < 0.5:
        message.add_alternative(_page(text, links), subtype="html", cte="base64")


def _invite(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    message.set_content("\n\n".join([*text, *(url for url, _ in links)]) + "\n", cte="8bit")
    if any(shown for _, shown in links):
        message.add_alternative(_page(text, links), subtype="html", cte="quoted-printable")
    event = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@x\r\nDTSTART:20260929T140000Z\r\n"
        "SUMMARY:Entretien\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    message.add_alternative(event, subtype="calendar", params={"method": "REQUEST"}, cte="base64")


def _forward(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    inner = EmailMessage(policy=SMTP)
    inner["From"] = "DSDEN <dsden.cabinet@ac-exemple.fr>"
    inner["Subject"] = "Projet de carte scolaire"
    inner["Date"] = "Fri, 18 Sep 2026 10:00:00 +0200"
    inner.set_content(
        "Veuillez trouver nos propositions d'ouvertures et de fermetures de classes.\n", cte="quoted-printable"
    )
    message.set_content("\n\n".join(text) + "\n", cte="8bit")
    message.add_attachment(inner)


def _signed(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    """Signed by S/MIME (RFC 8551 section 3.5.3)."""
    message.set_content("\n\n".join(text) + "\n", cte="quoted-printable")
    message.make_mixed()
    message.add_attachment(
        b"0\x82\x06\x10" + bytes(600), maintype="application", subtype="pkcs7-signature", filename="smime.p7s"
    )
    message.set_type("multipart/signed")
    message.set_param("protocol", "application/pkcs7-signature")
    message.set_param("micalg", "sha-256")


def _qr(message: EmailMessage, text: list[str], links: list[tuple[str, str]], chance: random.Random) -> None:
    page = _page(text, []).replace("</table>", "<tr><td><img src='cid:qr'></td></tr></table>")
    message.set_content(page, subtype="html", cte="base64")
    message.add_related(CODE, "image", "png", cid="<qr>")


_SHAPES = {
    "plain": _plain,
    "latin9": _latin9,
    "flowed": _flowed,
    "mobile": _mobile,
    "reply": _reply,
    "html": _html,
    "newsletter": _newsletter,
    "outlook": _outlook,
    "attached": _attached,
    "invite": _invite,
    "forward": _forward,
    "signed": _signed,
    "qr": _qr,
}

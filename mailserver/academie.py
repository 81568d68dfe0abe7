"""The demo académie: ten people in two schools, an ops account, aliases, and a dozen messages for them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from directory.model import Role

DOMAIN = "ac-demo.test"

ORGANISATION = "Académie de démonstration"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the demo académie; ``school`` is a made-up UAI code."""

    login: str
    name: str
    role: Role
    school: str | None
    more_addresses: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return f"{self.login}@{DOMAIN}"


LYCEE, COLLEGE = "0349001A", "0349002B"

PEOPLE: tuple[Person, ...] = (
    Person("helene.lefevre", "Hélène Lefèvre", Role.HEAD, LYCEE, (f"proviseur.{LYCEE.lower()}@{DOMAIN}",)),
    Person("marc.garnier", "Marc Garnier", Role.TEACHER, LYCEE),
    Person("chloe.moreau", "Chloé Moreau", Role.TEACHER, LYCEE),
    Person("jerome.petit", "Jérôme Petit", Role.STAFF, LYCEE, (f"intendance.{LYCEE.lower()}@{DOMAIN}",)),
    Person("anais.roux", "Anaïs Roux", Role.STUDENT, LYCEE),
    Person("francois.dupre", "François Dupré", Role.HEAD, COLLEGE, (f"principal.{COLLEGE.lower()}@{DOMAIN}",)),
    Person("renee.fontaine", "Renée Fontaine", Role.TEACHER, COLLEGE),
    Person("noel.berenger", "Noël Bérenger", Role.TEACHER, COLLEGE),
    Person("beatrice.cote", "Béatrice Côté", Role.STAFF, COLLEGE),
    Person("zoe.chevalier", "Zoé Chevalier", Role.INSPECTOR, None),
    Person("ops", "Équipe messagerie", Role.OPS, None),
)

#: Alias to people of the académie.
ALIASES: dict[str, tuple[str, ...]] = {
    # RFC 2142: where strangers complain; postmaster needs no alias.
    f"abuse@{DOMAIN}": ("ops",),
    f"secretariat.{LYCEE.lower()}@{DOMAIN}": ("jerome.petit",),
    f"enseignants.{COLLEGE.lower()}@{DOMAIN}": ("renee.fontaine", "noel.berenger"),
}

_WORDS = [
    "cahier",
    "craie",
    "tableau",
    "carnet",
    "crayon",
    "plume",
    "encrier",
    "gomme",
    "compas",
    "equerre",
    "atlas",
    "globe",
    "lecon",
    "dictee",
    "fable",
    "poeme",
    "preau",
    "cloche",
    "cour",
    "marelle",
    "bille",
    "cerise",
    "prune",
    "olivier",
    "garrigue",
    "etang",
    "mistral",
    "cigale",
    "lavande",
    "thym",
]


def new_password() -> str:
    """A password of about 50 bits that can be typed on a phone."""
    words = "-".join(secrets.choice(_WORDS).capitalize() for _ in range(4))
    return f"{words}-{secrets.randbelow(90_000_000) + 10_000_000}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of the demo: envelope and octets; ``submitted`` by a person of the académie who signs in."""

    sender: str
    recipients: tuple[str, ...]
    octets: bytes
    submitted: bool = False


def _mail(sender: str, name: str, recipients: Sequence[str], subject: str, text: str, age: timedelta) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    local, _, domain = sender.partition("@")
    message["From"] = Address(name, local, domain)
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC) - age)
    message["Message-ID"] = make_msgid(domain=domain)
    message.set_content(text)
    return message


def letters() -> list[Letter]:
    """A dozen varied messages: French, HTML, attachments, a list, a reply, a group, a phish, a lottery."""
    head, teacher, chloe, office = (PEOPLE[n].address for n in range(4))
    group = f"enseignants.{COLLEGE.lower()}@{DOMAIN}"
    made: list[Letter] = []

    def add(message: EmailMessage, sender: str, recipients: Sequence[str], submitted: bool = False) -> None:
        made.append(Letter(sender, tuple(recipients), message.as_bytes(), submitted))

    parent = "parent.martin@courriel.example"
    message = _mail(
        parent,
        "Sophie Martin",
        [teacher],
        "Absence de Léo jeudi matin",
        "Bonjour Monsieur Garnier,\n\nLéo a rendez-vous chez l’orthodontiste jeudi à 9 h ; il sera absent "
        "jusqu’à la récréation. Je signerai son carnet.\n\nBien cordialement,\nSophie Martin\n",
        timedelta(hours=26),
    )
    first_id = str(message["Message-ID"])
    add(message, parent, [teacher])

    message = _mail(
        head,
        PEOPLE[0].name,
        [teacher, chloe, office],
        "Conseil pédagogique de mardi : ordre du jour",
        "Chers collègues,\n\nVous trouverez l’ordre du jour en pièce jointe. La réunion a lieu mardi à 17 h 30 en "
        "salle polyvalente.\n\nHélène Lefèvre\nProviseure\n",
        timedelta(hours=20),
    )
    message.add_attachment(_pdf(), maintype="application", subtype="pdf", filename="Ordre du jour – conseil.pdf")
    add(message, head, [teacher, chloe, office], submitted=True)

    message = _mail(
        "ne-pas-repondre@ent.example",
        "ENT – Vie scolaire",
        [head],
        "Lettre du vendredi",
        "Bonjour,\n\nCette semaine : sorties, cantine, orientation.\n",
        timedelta(hours=18),
    )
    message.add_alternative(
        '<html><body style="font-family:sans-serif"><h1>Lettre du vendredi</h1><p>Cette semaine : '
        '<a href="https://ent.example/sorties">sorties</a>, cantine, orientation.</p></body></html>',
        subtype="html",
    )
    message["List-Id"] = "Lettre du vendredi <lettre.ent.example>"
    message["List-Unsubscribe"] = "<https://ent.example/desabonnement>"
    add(message, "ne-pas-repondre@ent.example", [head])

    add(
        _mail(
            PEOPLE[9].address,
            PEOPLE[9].name,
            [group],
            "Visite de classe du 3 décembre",
            "Bonjour,\n\nJe passerai dans vos classes le 3 décembre au matin. Merci de me dire vos horaires.\n\n"
            "Zoé Chevalier\nIA-IPR de lettres\n",
            timedelta(hours=15),
        ),
        PEOPLE[9].address,
        [group],
        submitted=True,
    )
    reply = _mail(
        teacher,
        PEOPLE[1].name,
        [parent],
        "Re: Absence de Léo jeudi matin",
        "Bonjour Madame,\n\nC’est noté, merci. Il récupérera le cours auprès d’Anaïs.\n\nM. Garnier\n",
        timedelta(hours=14),
    )
    reply["In-Reply-To"] = reply["References"] = first_id
    reply["Bcc"] = chloe
    add(reply, teacher, [chloe], submitted=True)

    message = _mail(
        "facturation@fournitures.example",
        "Fournitures du Midi",
        [f"secretariat.{LYCEE.lower()}@{DOMAIN}"],
        "Facture n° F-2026-1187",
        "Madame, Monsieur,\n\nVeuillez trouver notre facture ci-jointe.\n",
        timedelta(hours=12),
    )
    message.add_attachment(
        "n°;libellé;montant\n1;Craies;12,40 €\n".encode(), maintype="text", subtype="csv", filename="facture.csv"
    )
    add(message, "facturation@fournitures.example", [f"secretariat.{LYCEE.lower()}@{DOMAIN}"])

    message = _mail(
        PEOPLE[4].address,
        PEOPLE[4].name,
        [chloe],
        "Mon exposé sur la garrigue",
        "Bonjour Madame,\n\nVoici la photo de mon affiche.\n\nAnaïs\n",
        timedelta(hours=10),
    )
    message.add_attachment(_PNG, maintype="image", subtype="png", filename="affiche.png")
    add(message, PEOPLE[4].address, [chloe], submitted=True)

    forwarded = _mail(
        parent, "Sophie Martin", [office], "Tr: Question de cantine", "Voir ci-dessous.\n", timedelta(hours=9)
    )
    inner = _mail(
        "cantine@ville.example",
        "Cantine",
        [parent],
        "Menu de décembre",
        "Repas végétarien le mardi.\n",
        timedelta(days=3),
    )
    forwarded.add_attachment(inner)
    add(forwarded, parent, [office])

    message = _mail(
        "support-messagerie@webmail-academie.example",
        "Support messagerie ac-demo",
        [teacher],
        "Votre boîte est pleine",
        "",
        timedelta(hours=6),
    )
    message.set_content(
        "<html><body><p>Bonjour,</p><p>Votre boîte de messagerie est pleine. Pour continuer à recevoir vos messages, "
        'confirmez votre compte : <a href="https://webmail-academie.example/verify">votre messagerie</a></p>'
        "</body></html>",
        subtype="html",
    )
    message["Reply-To"] = "support.academie@mail-gratuit.example"
    add(message, "support-messagerie@webmail-academie.example", [teacher])

    message = _mail(
        "winner@lottery.example",
        "INTERNATIONAL LOTTERY",
        [head, chloe],
        "CONGRATULATIONS!!! YOU HAVE WON 2,500,000 EUROS",
        "Dear winner,\n\nYour e-mail address has won 2,500,000 EUROS in our lottery. To claim your prize send your "
        "bank "
        "details and a copy of your passport to our agent. This is confidential, act now!\n",
        timedelta(hours=5),
    )
    message["Reply-To"] = "agent.claims@freemail.example"
    add(message, "winner@lottery.example", [head, chloe])

    add(
        _mail(
            "secretariat@mairie.example",
            "Mairie – vie scolaire",
            [f"principal.{COLLEGE.lower()}@{DOMAIN}"],
            "Travaux de la cour : calendrier",
            "Bonjour,\n\nLes travaux commencent pendant les vacances de février.\n",
            timedelta(hours=3),
        ),
        "secretariat@mairie.example",
        [f"principal.{COLLEGE.lower()}@{DOMAIN}"],
    )
    add(
        _mail(
            "ops@" + DOMAIN,
            PEOPLE[10].name,
            [person.address for person in PEOPLE[:10]],
            "Bienvenue dans votre messagerie",
            "Bonjour,\n\nVotre boîte est ouverte. Pour signaler un courriel douteux, déplacez-le dans le dossier "
            "Junk : "
            "le filtre apprend.\n\nL’équipe messagerie\n",
            timedelta(hours=1),
        ),
        "ops@" + DOMAIN,
        [person.address for person in PEOPLE[:10]],
        submitted=True,
    )
    return made


def _pdf() -> bytes:
    """The smallest PDF with a page."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
    ]
    octets, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(octets))
        octets += b"%d 0 obj%bendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"xref\n0 4\n0000000000 65535 f \n%btrailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
    return octets + trailer % (table, len(octets))


_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

"""Every rule with one message that it hits and one, as near as can be, that it does not."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from spamfilter.evidence import Namesake
from spamfilter.pictures import missing
from spamfilter.rules import RULES
from spamfilter.views import Views
from tests.unit.spamfilter.test_pictures import CODE

Case = tuple[dict[str, Any], dict[str, Any]]
EVERYDAY: dict[str, Any] = {}


def fields(**values: Any) -> dict[str, Any]:
    return {"fields": {name.replace("_", "-"): value for name, value in values.items()}}


def text(words: str) -> dict[str, Any]:
    return {"text": words}


def html(source: str, **more: Any) -> dict[str, Any]:
    return {"html": f"<html><body>{source}</body></html>", **more}


def link(url: str, shown: str = "ici") -> dict[str, Any]:
    return html(f'<p>Bonjour, voir <a href="{url}">{shown}</a> pour la suite.</p>')


def attached(
    name: str, octets: bytes = b"octets", kind: str = "application/octet-stream", **more: Any
) -> dict[str, Any]:
    return {"attachments": ((name, kind, octets),), **more}


def zipped(name: str, encrypted: bool = False) -> bytes:
    flags = 1 if encrypted else 0
    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, flags, 0, 0, 0, 0, 4, 4, len(name), 0)
    return header + name.encode() + b"data"


def real_zip(files: dict[str, bytes]) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return octets.getvalue()


def auth(**results: Any) -> dict[str, Any]:
    return {"auth": results}


PROGRAM = b"MZ" + bytes(126) + b"PE\0\0" + bytes(100)
SHORTCUT = b"L\0\0\0\x01\x14\x02\0" + bytes(60)
SCRIPTED_SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>location='http://x.fr'</script></svg>"
SOPHIE = {"namesakes": [Namesake("Sophie Bernard", ("sophie.bernard@ac-exemple.fr",))]}
LONG = (
    "Bonjour a tous, voici le compte rendu de la reunion de rentree avec les points de vigilance pour chaque equipe. "
)
ENGLISH = (
    "quarterly budget meeting agenda includes several important topics regarding classroom equipment purchases "
    "training sessions holiday planning library opening hours transport arrangements swimming lessons"
)
FRENCH = (
    "cliquez maintenant recevoir votre cadeau exclusif offert notre partenaire livraison rapide garantie satisfait "
    "rembourser meilleure offre limitee clients privilegies profitez aujourd'hui gratuit promotion gagnez surprise"
)

CASES: dict[str, Case] = {
    # headers
    "MISSING_DATE": (fields(Date=None), EVERYDAY),
    "DATE_INVALID": (fields(Date="hier soir"), EVERYDAY),
    "DATE_FUTURE": (fields(Date="Mon, 28 Sep 2026 12:00:00 +0000"), fields(Date="Tue, 22 Sep 2026 01:00:00 +1400")),
    "DATE_PAST": (fields(Date="Mon, 21 Sep 2020 12:00:00 +0000"), fields(Date="Mon, 14 Sep 2026 12:00:00 +0000")),
    "MISSING_MESSAGE_ID": (fields(Message_ID=None), EVERYDAY),
    "MESSAGE_ID_ODD": (fields(Message_ID="20260921"), EVERYDAY),
    "MISSING_FROM": (fields(From=None), EVERYDAY),
    "SEVERAL_FROM": ({"raw_fields": b"From: autre@exemple.com\r\n"}, fields(From="a@exemple.org, b@x.exemple.org")),
    "MISSING_TO": (fields(To=None), fields(To=None, Cc="paul.durand@ac-exemple.fr")),
    "UNDISCLOSED_RECIPIENTS": (fields(To="undisclosed-recipients:;"), EVERYDAY),
    "DOUBLED_FIELDS": ({"raw_fields": b"Subject: encore\r\n"}, {"raw_fields": b"X-Subject: encore\r\n"}),
    "RAW_8BIT_HEADER": (fields(Subject="Été".encode("latin-1") + b" 2026"), fields(Subject="Été 2026".encode())),
    "FAKE_REPLY": (fields(Subject="Re: votre dossier"), fields(Subject="Re: dossier", In_Reply_To="<1@ac-exemple.fr>")),
    "REPLY": (fields(Subject="RE: dossier", In_Reply_To="<1@ac-exemple.fr>"), fields(In_Reply_To="<1@ac-exemple.fr>")),
    "LIST_HEADERS": (
        fields(List_Id="<profs.exemple.org>", List_Post="<mailto:p@exemple.org>"),
        fields(List_Id="<x.y>"),
    ),
    "PHP_SCRIPT": (fields(X_PHP_Originating_Script="33:mailer.php"), fields(X_Mailer="PHPMailer")),
    "PRIORITY_HIGH": (fields(X_Priority="1 (Highest)"), fields(X_Priority="3")),
    "HELO_OURS": ({"helo": "mail.AC-exemple.fr"}, {"helo": "mail.exemple.org"}),
    "HELO_BARE": ({"helo": "PC-BUREAU"}, {"helo": "[192.0.2.7]"}),
    # addresses
    "FROM_NAME_HAS_ADDRESS": (
        fields(From='"dsi@ac-exemple.fr" <x@voleur.top>'),
        fields(From='"marie@exemple.org" <marie@exemple.org>'),
    ),
    "FROM_NO_NAME": (fields(From="marie@exemple.org"), EVERYDAY),
    "FROM_MALFORMED": (fields(From="Banque , <a@exemple.org>"), fields(From='"Banque, agence" <a@exemple.org>')),
    "FROM_STYLED_LETTERS": (fields(From="𝐁𝐚𝐧𝐪𝐮𝐞 <a@exemple.org>"), fields(From="Noël <a@exemple.org>")),
    "FROM_FREEMAIL": (fields(From="Marie <marie@gmail.com>"), EVERYDAY),
    "FROM_DIGITS": (fields(From="Marie <m2938471@exemple.org>"), fields(From="Marie <marie1975@exemple.org>")),
    "FROM_SPLIT_NAME": (fields(From="Ban\u200bque Postale <a@exemple.org>"), fields(From="Renée <a@exemple.org>")),
    "FROM_MIXED_SCRIPTS": (fields(From="РayРal <a@exemple.org>"), fields(From="Иван Петров <a@exemple.org>")),
    "FROM_IS_TO": (fields(From="P <Paul.Durand@ac-exemple.fr>"), EVERYDAY),
    "FROM_IS_RECIPIENT_NAME": (
        fields(From="DURAND Paul <chef@gmail.com>") | {"names": ["Paul Durand"]},
        fields(From="Paul Durand <p.durand@ac-exemple.fr>") | {"names": ["Paul Durand"]},
    ),
    "BRAND_IMPERSONATION": (
        fields(From="Service PayPal <a@exemple.top>"),
        fields(From="PayPal <service@mail.paypal.com>"),
    ),
    "OFFICE_FREEMAIL": (fields(From="Rectorat de Lyon <r@gmail.com>"), fields(From="Rectorat de Lyon <r@ac-lyon.fr>")),
    "LOOKALIKE_DOMAIN": (fields(From="DSI <dsi@ac-exempie.fr>"), fields(From="DSI <dsi@ac-exemple.fr>")),
    "REPLY_TO_FREEMAIL": (fields(Reply_To="m@gmail.com"), fields(From="M <m@gmail.com>", Reply_To="m@gmail.com")),
    "REPLY_TO_OTHER_DOMAIN": (fields(Reply_To="m@ailleurs.net"), fields(Reply_To="m@courrier.exemple.org")),
    "REPLY_TO_OTHER_FREEMAIL": (
        fields(From="M <m@gmail.com>", Reply_To="autre@outlook.com"),
        fields(From="M <m@gmail.com>", Reply_To="M@gmail.com"),
    ),
    "SENDER_OTHER_DOMAIN": ({"sender": "bounce@envoi.net"}, {"sender": "bounce@courrier.exemple.org"}),
    "MANY_RECIPIENTS_SHOWN": (fields(To=", ".join(f"p{i}@ac-exemple.fr" for i in range(60))), EVERYDAY),
    "GREETS_BY_ADDRESS": (text("Bonjour paul.durand@ac-exemple.fr,\r\nvotre dossier"), text("Bonjour Paul Durand,")),
    # subject
    "SUBJECT_EMPTY": (fields(Subject=" "), EVERYDAY),
    "SUBJECT_ALL_CAPS": (fields(Subject="VOTRE DOSSIER EST INCOMPLET"), fields(Subject="Reunion CNESCO et DGESCO")),
    "SUBJECT_GAPPY": (fields(Subject="C R E D I T rapide"), fields(Subject="Salle A ou B ?")),
    "SUBJECT_MANY_MARKS": (fields(Subject="Gagnez!!!"), fields(Subject="Bravo ! Et merci !")),
    "SUBJECT_MONEY": (fields(Subject="Vos 500 euros"), fields(Subject="Salle 500")),
    "SUBJECT_SPLIT_WORDS": (fields(Subject="Votre com\u200bpte"), fields(Subject="Votre été")),
    "SUBJECT_MIXED_SCRIPTS": (fields(Subject="Votre cоmpte"), fields(Subject="Votre été")),
    "SUBJECT_STYLED_LETTERS": (fields(Subject="Ｃｏｍｐｔｅ bloqué"), fields(Subject="Équation du 𝑥 degré")),
    "SUBJECT_HAS_RECIPIENT": (fields(Subject="paul.durand: dossier, Paul.Durand@ac-exemple.fr"), EVERYDAY),
    "SUBJECT_URGENT": (fields(Subject="Dernière relance avant fermeture"), fields(Subject="Résurgence du virus")),
    "SUBJECT_TRAILING_CODE": (fields(Subject="Votre offre xk29slq0"), fields(Subject="Classe de 4emeB")),
    # urls
    "LINK_TEXT_MISMATCH": (
        link("http://voleur.top/", "https://www.impots.gouv.fr/compte"),
        link("https://cfspart.impots.gouv.fr/", "https://www.impots.gouv.fr/compte"),
    ),
    "QR_LINK": ({"attachments": (("code.png", "image/png", CODE),), "encoding": "base64"}, EVERYDAY),
    "QR_DRAWN": (text("Scannez :\n" + "\u2588\u2580\u2584 \u2588\u2588\n" * 30), text("\u2588 \u2588 " * 20)),
    "LINK_IP": (link("http://192.0.2.9/compte"), link("http://exemple.org/192.0.2.9")),
    "LINK_PUNYCODE": (link("https://xn--exmple-cva.fr/"), link("https://exemple.fr/")),
    "LINK_LOOKALIKE": (link("https://ac-exemple-fr.top/"), link("https://portail.ac-exemple.fr/")),
    "LINK_SHORTENER": (link("https://bit.ly/3xYz"), link("https://orbit.ly/3xYz")),
    "LINK_FREE_HOSTING": (link("https://messagerie.weebly.com/"), link("https://www.exemple.org/")),
    "LINK_RISKY_TLD": (link("https://exemple.top/"), link("https://top.exemple.org/")),
    "LINK_CREDENTIAL_WORDS": (link("https://ailleurs.net/webmail/login"), link("https://www.exemple.org/login")),
    "LINK_USER_PART": (link("https://ac-exemple.fr@voleur.net/"), link("https://voleur.net/a@b")),
    "LINK_ODD_PORT": (link("http://ailleurs.net:8081/"), link("https://ailleurs.net:443/")),
    "LINK_HAS_RECIPIENT": (
        link("https://ailleurs.net/?e=paul.durand%40ac-exemple.fr"),
        link("https://ailleurs.net/unsubscribe?e=paul.durand%40ac-exemple.fr"),
    ),
    "LINK_REDIRECT": (link("https://www.ailleurs.net/r?url=https%3A%2F%2Fvoleur.net"), link("https://a.net/r?url=4")),
    "LINK_SCRIPT": (link("javascript:ouvrir()"), link("mailto:marie@exemple.org")),
    "LINK_PROGRAM": (link("https://ailleurs.net/f/facture.exe"), link("https://exemple.com")),
    "LINK_MANY_LABELS": (link("https://a.b.c.d.e.exemple.org/"), link("https://a.b.exemple.org/")),
    "LINK_LONG_DIGITS": (link("https://x8273645.net/"), link("https://college2026.net/")),
    "LINK_FOREIGN_ONLY": (link("https://ailleurs.net/"), link("https://www.exemple.org/")),
    # mime
    "HTML_ONLY": ({"text": None} | html("<p>Bonjour</p>"), html("<p>Bonjour</p>")),
    "HTML_FORM": (html('<form action="https://a.net"><input name="p"></form>'), html("<p>formulaire</p>")),
    "HTML_HIDDEN_TEXT": (
        html("<p>Bonjour</p>" + '<div style="display:none">mot cache</div>' * 90),
        html('<p>Bonjour</p><div style="display:none">apercu</div>'),
    ),
    "IMAGE_ONLY": (
        html('<a href="https://a.net/"><img src="https://a.net/i.png"></a>', text=None),
        html(f'<p>{LONG}</p><a href="https://a.net/"><img src="https://a.net/i.png"></a>', text=None),
    ),
    "LINK_ONLY": (text("https://ailleurs.net/x"), text(LONG + "https://ailleurs.net/x")),
    "NO_TEXT": (text(" \r\n"), EVERYDAY),
    "ALTERNATIVES_DIFFER": (html(f"<p>{FRENCH}</p>", text=ENGLISH), html(f"<p>{ENGLISH}</p>", text=ENGLISH)),
    "SPLIT_WORDS": (text("Votre mot de pa\u200bsse"), text("Votre mot de passe \u200c \u200c")),
    "BASE64_ASCII": (text(LONG * 3) | {"encoding": "base64"}, text(LONG * 3 + "é") | {"encoding": "base64"}),
    "EXECUTABLE_ATTACHMENT": (attached("photo.scr"), attached("photo.jpg")),
    "DOUBLE_EXTENSION": (attached("facture.pdf.exe"), attached("facture.v2.pdf")),
    "TURNED_NAME": (attached("facture\u202efdp.exe"), attached("facture.pdf")),
    "HTML_ATTACHMENT": (attached("document.htm", kind="text/html"), attached("document.pdf")),
    "SVG_ATTACHMENT": (attached("a.svg", SCRIPTED_SVG, "image/svg+xml"), attached("a.svg", b"<svg/>", "image/svg+xml")),
    "DISK_IMAGE": (attached("commande.iso"), attached("iso.pdf")),
    "MACRO_DOCUMENT": (
        attached("note.docx", zipped("word/vbaProject.bin")),
        attached("note.docx", zipped("word/document.xml")),
    ),
    "ARCHIVED_PROGRAM": (attached("a.zip", zipped("photo.js")), attached("a.zip", zipped("photo.jpg"))),
    "ENCRYPTED_ARCHIVE": (
        attached("a.zip", zipped("a.doc", encrypted=True), text="Le mot de passe est 1234"),
        attached("a.zip", zipped("a.doc"), text="Le mot de passe est 1234"),
    ),
    "TYPE_MISMATCH": (attached("a.pdf", PROGRAM, "application/pdf"), attached("a.pdf", b"%PDF-1.7", "application/pdf")),
    # wording
    "MAILBOX_FULL_FR": (
        text("Votre boîte mail est presque pleine."),
        text("La boîte mail de la vie scolaire a changé."),
    ),
    "MAILBOX_FULL_EN": (text("Your mailbox has exceeded its quota."), text("Put it in my mailbox.")),
    "PASSWORD_EXPIRES_FR": (text("Votre mot de passe expire demain."), text("Le mot de passe du wifi est affiché.")),
    "PASSWORD_EXPIRES_EN": (text("The password for paul will expire today."), text("Ask me for your password.")),
    "ACCOUNT_SUSPENDED_FR": (text("Votre compte sera suspendu."), text("Votre compte rendu est prêt.")),
    "ACCOUNT_SUSPENDED_EN": (text("Your account has been limited."), text("Your account of the trip was fun.")),
    "VERIFY_ACCOUNT_FR": (text("Veuillez confirmer votre identité."), text("Veuillez confirmer votre venue.")),
    "VERIFY_ACCOUNT_EN": (text("Please verify your account."), text("Please verify your sums.")),
    "NEW_IBAN": (text("Voici mon nouvel IBAN pour le virement du salaire."), text("Un IBAN compte 27 caractères.")),
    "BOSS_REQUEST": (text("Êtes-vous disponible ? Je suis en réunion."), text("Êtes-vous disponible jeudi ?")),
    "GIFT_CARD": (text("Peux-tu acheter des cartes cadeaux ?"), text("Les cartes cadeaux sont dans le tiroir.")),
    "LOTTERY": (text("Vous êtes l'heureux gagnant du jackpot, prize of"), text("Le jackpot du loto du collège.")),
    "PRIZE": (text("Vous avez gagné un iPhone 17."), text("Vous avez gagné en assurance à l'oral.")),
    "INHERITANCE": (text("Vous êtes bénéficiaire d'un fonds."), text("L'héritage des Lumières, cours de 4e.")),
    "ADVANCE_FEE": (text("I have a business proposal of 5 million dollars."), text("Un million de Français")),
    "PARCEL_FR": (text("Votre colis est bloqué."), text("Votre colis est à la loge.")),
    "PARCEL_EN": (text("Your package could not be delivered."), text("Your package is at reception.")),
    "FINE_OR_REFUND_FR": (text("Amende impayée : 48 heures avant majoration."), text("Le remboursement du voyage.")),
    "TAX_REFUND_EN": (text("Claim your tax refund."), text("We talked about the tax refund law.")),
    "TRAINING_ACCOUNT": (text("Votre compte formation expire."), text("Le compte formation existe depuis 2015.")),
    "EXTORTION": (text("J'ai une vidéo de vous, payez en bitcoin."), text("Le cours du bitcoin en SES.")),
    "CRYPTO_GAIN": (text("Bitcoin : 500 euros par jour, garanti."), text("Le bitcoin, exposé de Léa.")),
    "LOAN": (text("Offre de prêt entre particuliers au taux de 2%."), text("Un prêt de livres.")),
    "INVOICE_THREAT": (text("Facture impayée, dernier rappel."), text("La facture impayée du traiteur.")),
    "SHARED_DOCUMENT": (text("Marie a partagé un fichier. Ouvrir le document"), text("Marie a partagé un gâteau.")),
    "SUBSCRIPTION_FAILED": (text("Le paiement a échoué, abonnement arrêté."), text("Un abonnement à la revue.")),
    "MEDICINE": (text("Viagra sans ordonnance, prix bas."), text("Le médicament de Tom est à l'infirmerie.")),
    "ADULT": (text("Hot singles near you, click to join."), text("Formation pour adultes.")),
    "EASY_MONEY": (text("Work from home, no experience needed."), text("I work from home on Friday.")),
    "BULK_SALES": (text("We sell 5 million email leads, order now."), text("Il y a deux adresses email.")),
    "REMOVE_CLAUSE": (text("To be removed, answer with REMOVE."), text("The old chairs were removed.")),
    "GENERIC_GREETING": (text("Cher client, bonjour."), text("Cher Paul, bonjour.")),
    "URGENT": (text("Urgent : cliquez sur le lien."), text("Rien d'urgent.")),
    "CLICK_BELOW": (text("Cliquez ici pour continuer."), text("Le clic de la souris.")),
    "BODY_MIXED_SCRIPTS": (text("Votre cоmpte est bloqué."), text("Bonjour Иван, à demain.")),
    "SHOUTING": (text("REPONDEZ TOUT DE SUITE A CE MESSAGE TRES IMPORTANT " * 8), text(LONG * 3)),
    "SHORT_WITH_LINK": (text("Bonjour Paul, regarde donc cette page quand tu peux: http://a.net/"), text(LONG * 3)),
    # authentication
    "SPF_PASS": (auth(spf="pass"), auth(spf="fail")),
    "SPF_FAIL": (auth(spf="fail"), auth(spf="temperror")),
    "SPF_SOFTFAIL": (auth(spf="softfail"), auth(spf="fail")),
    "SPF_NONE": (auth(spf="none"), auth(spf="neutral")),
    "DKIM_PASS": (auth(dkim=(("pass", "exemple.org"),)), auth(dkim=(("pass", "exemple.org"),), whole=False)),
    "DKIM_AUTHOR_PASS": (auth(dkim=(("pass", "m.exemple.org"),)), auth(dkim=(("pass", "envoi.net"),))),
    "DKIM_FAIL": (auth(dkim=(("fail", "a.org"),)), auth(dkim=(("fail", "a.org"), ("pass", "b.org")))),
    "DMARC_PASS": (auth(dmarc="pass"), auth(dmarc="none")),
    "DMARC_FAIL": (auth(dmarc="fail"), auth(dmarc="temperror")),
    "DMARC_FAIL_STRICT": (auth(dmarc="fail", policy="reject"), auth(dmarc="fail", policy="none")),
    "NOTHING_AUTHENTICATED": (auth(spf="softfail"), auth(spf="temperror")),
    "OWN_DOMAIN_UNAUTHENTICATED": (
        fields(From="DSI <dsi@ac-exemple.fr>") | auth(spf="pass"),
        fields(From="DSI <dsi@ac-exemple.fr>") | auth(dkim=(("pass", "ac-exemple.fr"),)),
    ),
    "DATE_ZONE_ODD": (
        fields(Date="Mon, 21 Sep 2026 12:00:00 +0313"),
        fields(Date="Mon, 21 Sep 2026 17:30:00 +0530 (IST)"),
    ),
    "MESSAGE_ID_OURS": (fields(Message_ID="<1@ac-exemple.fr>"), EVERYDAY),
    "MESSAGE_ID_LOCAL": (fields(Message_ID="<1@PC-DE-MARIE>"), fields(Message_ID="<1@mail.gmail.com>")),
    "REPLY_TO_ITSELF": (fields(In_Reply_To="<20260921.1@exemple.org>"), fields(In_Reply_To="<1@ac-exemple.fr>")),
    "MASS_MAILER": (fields(X_Mailer="PHPMailer 5.2.28"), fields(X_Mailer="Thunderbird 128")),
    "BULK_PRECEDENCE": (fields(Precedence="bulk"), fields(Precedence="first-class")),
    "ONE_CLICK_UNSUBSCRIBE": (
        fields(List_Unsubscribe="<https://l.exemple.org/u>", List_Unsubscribe_Post="List-Unsubscribe=One-Click"),
        fields(List_Unsubscribe="<https://l.exemple.org/u>"),
    ),
    "AUTOMATIC": (fields(Auto_Submitted="auto-replied"), fields(Auto_Submitted="no")),
    "EMPTY_SENDER": ({"sender": ""}, {"sender": ""} | fields(Auto_Submitted="auto-replied")),
    "NO_RECEIVED": (fields(Received=None), EVERYDAY),
    "MANY_HOPS": ({"raw_fields": b"Received: by h.exemple.org; Mon, 21 Sep 2026 12:00:00 +0000\r\n" * 25}, EVERYDAY),
    "HEADER_CONTROLS": (fields(Subject=b"dossier \x1b[2J"), fields(Subject=b"dossier\t[2J")),
    "CHARSET_FOREIGN": (fields(Subject="=?koi8-r?B?8NLJ18XU?="), fields(Subject="=?iso-8859-15?q?=E9t=E9?=")),
    "RECIPIENT_NOT_SHOWN": (
        fields(To="autre@ac-exemple.fr"),
        fields(To="autre@ac-exemple.fr", Cc="Paul.Durand@ac-exemple.fr"),
    ),
    "MIME_NO_VERSION": (attached("a.pdf") | fields(MIME_Version=None), attached("a.pdf")),
    "FROM_NAME_HAS_SITE": (
        fields(From="impots.gouv.fr <a@voleur.net>"),
        fields(From="www.exemple.org <a@exemple.org>"),
    ),
    "FROM_NAME_LONG": (fields(From="Votre colis est en attente " * 4 + "<a@exemple.org>"), EVERYDAY),
    "FROM_EMOJI": (fields(From="Banque \U0001f512 <a@exemple.org>"), fields(From="Noël & Cie <a@exemple.org>")),
    "FROM_RANDOM": (fields(From="Info <xkcbdq7@exemple.org>"), fields(From="Info <m.schwartz2@exemple.org>")),
    "FROM_RISKY_TLD": (fields(From="Info <a@offres.top>"), fields(From="Info <a@top.fr>")),
    "FROM_DOMAIN_DIGITS": (fields(From="Info <a@info8273.net>"), fields(From="Info <a@college21.fr>")),
    "FROM_PUNYCODE": (fields(From="Info <a@xn--exmple-cva.fr>"), fields(From="Info <a@exemple.fr>")),
    "FROM_TENANT": (fields(From="Info <a@rh42.onmicrosoft.com>"), fields(From="Info <a@microsoft.com>")),
    "FROM_NO_HOST": (fields(From="Info <a@serveur>"), EVERYDAY),
    "FROM_NAME_OFFICE": (
        fields(From="Rectorat de Lyon <r@voleur.net>"),
        fields(From="Rectorat de Lyon <r@education.gouv.fr>"),
    ),
    "REPLY_TO_SAME_NAME": (
        fields(Reply_To="Marie Martin <mm@voleur.net>"),
        fields(Reply_To="Secretariat <mm@voleur.net>"),
    ),
    "REPLY_TO_MANY": (fields(Reply_To="a@b.fr, c@d.fr, e@f.fr"), fields(Reply_To="a@b.fr, c@d.fr")),
    "RECIPIENTS_SORTED": (
        fields(To=", ".join(f"{n}@ac-exemple.fr" for n in ("abel", "anne", "bea", "carl", "dora", "paul"))),
        fields(To=", ".join(f"{n}@ac-exemple.fr" for n in ("paul", "anne", "bea", "carl", "dora", "abel"))),
    ),
    "SUBJECT_EMOJI": (fields(Subject="Promo \U0001f525 d'été"), fields(Subject="Promotion 2026 §")),
    "SUBJECT_LONG": (fields(Subject="Compte rendu " * 16), fields(Subject="Compte rendu " * 10)),
    "SUBJECT_HAS_LINK": (fields(Subject="Voir https://a.net/x"), fields(Subject="Voir la page")),
    "SUBJECT_DECORATED": (fields(Subject="*** Gagnez du temps ***"), fields(Subject="[profs] - Conseil")),
    "SUBJECT_DISCOUNT": (fields(Subject="Jusqu'à -70 % ce soir"), fields(Subject="Réussite : 94 % au brevet")),
    "SUBJECT_REFERENCE": (fields(Subject="Dossier n° 8827361"), fields(Subject="Dossier n° 12")),
    "SUBJECT_ACCOUNT": (fields(Subject="Votre mot de passe"), fields(Subject="Le compte rendu")),
    "SUBJECT_PAYMENT": (fields(Subject="Facture de septembre"), fields(Subject="Le facteur humain")),
    "SUBJECT_FREE": (fields(Subject="Un cadeau pour vous"), fields(Subject="Le cadre et les enfants")),
    "LINK_SHOWN_OFFICIAL": (
        link("http://voleur.top/", "https://www.impots.gouv.fr/compte"),
        link("http://voleur.top/", "https://www.exemple.com/"),
    ),
    "LINK_OFFICIAL_IN_PATH": (
        link("http://voleur.net/impots.gouv.fr/"),
        link("https://www.impots.gouv.fr/aide.gouv.fr"),
    ),
    "LINK_BRAND_IN_HOST": (link("https://paypal-client.net/"), link("https://www.paypal.com/")),
    "LINK_CODED_RECIPIENT": (
        link("https://a.net/#cGF1bC5kdXJhbmRAYWMtZXhlbXBsZS5mcg=="),
        link("https://a.net/#cGF1bGEuZHVyYW5kQGFjLWV4ZW1wbGUuZnI="),
    ),
    "LINK_SITE_SOFTWARE": (link("https://a.net/wp-content/x/"), link("https://a.net/wp-content/uploads/menu.pdf")),
    "LINK_OPEN_REDIRECT": (
        link("https://www.google.com/url?q=https://voleur.net"),
        link("https://www.google.com/search?q=https://exemple.net"),
    ),
    "LINK_MESSENGER": (link("https://wa.me/33600000000"), link("https://wa.men.fr/")),
    "LINK_FORM_SERVICE": (link("https://docs.google.com/forms/d/1"), link("https://docs.google.com/document/d/1")),
    "LINK_FILE_SHARE": (link("https://we.tl/t-1"), link("https://fichiers.exemple.org/t-1")),
    "LINK_HYPHENS": (link("https://ma-banque-espace-client.net/"), link("https://college-jean-moulin.fr/")),
    "LINK_ENCODED_HOST": (link("https://%76oleur.net/"), link("https://voleur.net/%76")),
    "LINK_MIXED_SCRIPTS": (link("https://ac-exеmple.net/"), link("https://école.fr/")),
    "LINK_CLEAR_LOGIN": (link("http://a.net/login"), link("https://a.net/login")),
    "LINK_MANY_SITES": (
        html("".join(f'<a href="https://site{i}.fr/">x</a>' for i in range(30))),
        html("".join(f'<a href="https://h{i}.site.fr/">x</a>' for i in range(30))),
    ),
    "HTML_PASSWORD_FIELD": (html("<input type=PASSWORD name=p>"), html("<input type=text name=password>")),
    "HTML_SCRIPT": (html("<script>alert(1)</script>"), html("<p>script</p>")),
    "HTML_FRAME": (html('<iframe src="https://a.net"></iframe>'), html("<p>iframe</p>")),
    "HTML_REFRESH": (html('<meta http-equiv="refresh" content="0">'), html('<meta http-equiv="Content-Type">')),
    "HTML_FORM_ELSEWHERE": (
        html('<form action="https://voleur.net/p">a</form>'),
        html('<form action="https://www.exemple.org/p">a</form>'),
    ),
    "MANY_PARTS": (
        {"attachments": tuple((f"a{i}.txt", "text/plain", b"a") for i in range(61))},
        {"attachments": (("a.txt", "text/plain", b"a"),) * 9},
    ),
    "CALENDAR_INVITE": (attached("i.ics", b"BEGIN:VCALENDAR", "text/calendar"), attached("i.ics", b"BEGIN:VCALENDAR")),
    "MESSAGE_ATTACHED": (
        {"raw": b"From: M <m@exemple.org>\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@b.fr\r\n\r\ntexte\r\n"},
        attached("m.eml"),
    ),
    "CHARSET_UNKNOWN": (
        attached("a.txt", b"a", "text/plain; charset=klingon"),
        attached("a.txt", b"a", "text/plain; charset=latin1"),
    ),
    "COIN_ADDRESS": (
        text("Envoyez 500 euros à bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"),
        text("Le fichier bc1 est prêt"),
    ),
    "MANY_AMOUNTS": (
        text("10 € 20 € 30 € 40 € 50 € 60 € 70 € 80 €"),
        text("La cantine coûte 4 € par jour, 80 € par mois"),
    ),
    "MANY_EXCLAMATIONS": (text("Venez vite ! " * 12), text("Bravo ! Merci !")),
    "BLANK_GAP": (text("Bonjour" + "\r\n" * 40 + "mots caches"), text("Bonjour\r\n\r\n\r\nMarie")),
    "GREETS_BY_LOCAL_PART": (text("Bonjour paul.durand,\r\nvotre dossier"), text("Bonjour Paul Durand,")),
    "TEXT_AND_ATTACHMENT": (attached("a.pdf", text="Voir le fichier."), attached("a.pdf", text=LONG)),
    # attachments
    "SHORTCUT_ATTACHMENT": (attached("photo.jpg", SHORTCUT), attached("photo.jpg", b"\xff\xd8\xff")),
    "SCRIPT_ATTACHMENT": (
        attached("facture.txt", b"@echo off\r\npowershell -enc AAAA"),
        attached("facture.txt", b"Cours de Python"),
    ),
    "HTML_SMUGGLING": (
        attached("a.html", b"<html><script>b=new Blob([atob('aa')])</script>"),
        attached("a.html", b"<html><script>var a=1</script>"),
    ),
    "HTML_FORM_ATTACHED": (
        attached("a.html", b"<html><form><input type=password></form>"),
        attached("a.html", b"<html><form><input type=text></form>"),
    ),
    "NOTEBOOK_ATTACHMENT": (attached("cours.one"), attached("cours.onepkg")),
    "RTF_OBJECT": (attached("a.doc", b"{\\rtf1{\\object\\objdata 01}}"), attached("a.doc", b"{\\rtf1 Bonjour}")),
    "PDF_RUNS": (attached("a.pdf", b"%PDF-1.7 /OpenAction<</S/Launch>>"), attached("a.pdf", b"%PDF-1.7 /Page")),
    "LOCKED_ARCHIVE": (attached("a.zip", zipped("a.doc", encrypted=True)), attached("a.zip", zipped("a.doc"))),
    "OPAQUE_ARCHIVE": (attached("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(30)), attached("a.zip", zipped("a.doc"))),
    "NESTED_ARCHIVE": (
        attached("a.zip", real_zip({"b.zip": real_zip({"c.txt": b"c"})})),
        attached("a.zip", real_zip({"b.docx": real_zip({"c.xml": b"c"})})),
    ),
    "ARCHIVE_BOMB": (
        attached("a.zip", real_zip({"a.txt": bytes(3 << 20)})),
        attached("a.zip", real_zip({"a.txt": b"a"})),
    ),
    "ARCHIVE_UNDER_FALSE_NAME": (
        attached("a.pdf", real_zip({"a.txt": b"a"})),
        attached("a.zip", real_zip({"a.txt": b"a"})),
    ),
    # guard
    "COLLEAGUE_NAME": (
        fields(From="Sophie Bernard <sb@gmail.com>") | SOPHIE,
        fields(From="Sophie Bernard <Sophie.Bernard@ac-exemple.fr>") | SOPHIE,
    ),
    "COLLEAGUE_ADDRESS_SHOWN": (
        fields(From='"dsi@ac-exemple.fr" <x@voleur.net>'),
        fields(From='"x@voleur.net" <x@voleur.net>'),
    ),
    "OFFICIAL_ADDRESS_SHOWN": (
        fields(From='"contact@impots.gouv.fr" <x@voleur.net>'),
        fields(From='"contact@ac-lyon.fr" <contact@ac-lyon.fr>'),
    ),
    "OFFICIAL_NAME": (fields(From="Le Recteur <r@voleur.net>"), fields(From="Le Recteur <r@ac-lyon.fr>")),
    "SITE_IN_LOCAL_PART": (
        fields(From="Info <rectorat.ac.exemple@gmail.com>"),
        fields(From="Info <accueil.exemplaire@gmail.com>"),
    ),
    "COLLEAGUE_ANSWERS_ELSEWHERE": (
        fields(From="DSI <dsi@ac-exemple.fr>", Reply_To="dsi@gmail.com"),
        fields(From="DSI <dsi@ac-exemple.fr>", Reply_To="dsi@exemple.org"),
    ),
    "ANSWERS_TO_NAMESAKE": (fields(Reply_To="sb@gmail.com") | SOPHIE, fields(Reply_To="sb@exemple.org") | SOPHIE),
    "SENDS_TO_LOOKALIKE": (
        fields(From="DSI <dsi@ac-exemple.fr>") | link("https://ac-exempie.fr/"),
        fields(From="DSI <dsi@ac-exemple.fr>") | link("https://exemple.org/"),
    ),
    "LOOKALIKE_UNICODE": (fields(From="DSI <dsi@xn--ac-exmple-k0h.fr>"), fields(From="DSI <dsi@ac-exempie.fr>")),
    "OFFICIAL_DOMAIN_UNAUTHENTICATED": (
        fields(From="DGFIP <x@impots.gouv.fr>") | auth(spf="fail"),
        fields(From="DGFIP <x@impots.gouv.fr>") | auth(spf="fail", dmarc="pass"),
    ),
    "FOREIGN_LINK": (link("https://a.net/"), link("https://www.education.gouv.fr/")),
    "OURS_AUTHENTICATED": (
        fields(From="DSI <dsi@ac-exemple.fr>") | auth(dmarc="pass"),
        fields(From="DSI <dsi@ac-exemple.fr>") | auth(spf="pass"),
    ),
    "OFFICIAL_AUTHENTICATED": (
        fields(From="DSI <dsi@ac-lyon.fr>") | auth(dkim=(("pass", "ac-lyon.fr"),)),
        fields(From="DSI <dsi@ac-lyon.fr>") | auth(dkim=(("pass", "voleur.net"),)),
    ),
    "SENDER_WANTED": ({"wanted": True}, {"wanted": True} | auth(dmarc="fail")),
    "SENDER_UNWANTED": ({"unwanted": True}, EVERYDAY),
    "KNOWN_CORRESPONDENT": ({"known": True}, {"known": True} | auth(dmarc="fail")),
    "WEBMAIL_UPGRADE_FR": (text("Votre messagerie : mise à niveau obligatoire."), text("La messagerie marche bien.")),
    "WEBMAIL_UPGRADE_EN": (text("Your webmail needs an upgrade now."), text("Webmail is fine.")),
    "SCHOOL_ACCOUNT": (text("Votre compte ÉduConnect est suspendu."), text("ÉduConnect : la notice est en ligne.")),
    "PAY_SLIP_FR": (text("Votre prime : cliquez pour la recevoir."), text("Votre prime a été discutée au conseil.")),
    "PAY_SLIP_EN": (text("Please review your payroll."), text("The payroll office moved.")),
    "BANK_ALERT_FR": (text("Votre banque signale un achat suspect."), text("Votre banque ferme à midi.")),
    "BANK_ALERT_EN": (text("Online banking: your access is locked."), text("Online banking, a lesson.")),
    "JOB_OFFER": (text("Offre d'emploi sans expérience, 300 euros par jour."), text("Offre d'emploi d'AESH au lycée.")),
    "CHARITY_GIFT": (text("Je veux faire un don, atteinte d'un cancer."), text("Faire un don de livres au CDI.")),
    "TECH_SUPPORT": (text("Votre ordinateur est infecté."), text("Votre ordinateur est réparé.")),
    "NEW_NUMBER": (text("Maman, j'ai un nouveau numéro, écris-moi."), text("Le nouveau numéro de la revue.")),
    "COPYRIGHT_CLAIM": (text("Violation de droits d'auteur sur votre page."), text("Cours : les droits d'auteur.")),
    "CASINO": (text("Casino : bonus de 200 euros."), text("Le Casino de Paris, sortie.")),
    "ROMANCE": (text("Une rencontre sérieuse, mon profil."), text("Rencontre des parents.")),
    "DIPLOMA": (text("University diploma, no examination."), text("La remise du diplôme du brevet.")),
    "REPLICA": (text("Rolex au meilleur prix."), text("La réplique du séisme.")),
    "STOCK_TIP": (text("Stock alert: price target 5."), text("Le stock de cahiers.")),
    "CHEAP_SOFTWARE": (text("Microsoft Office, lowest price."), text("Microsoft Office, formation.")),
    "SCAN_CODE": (text("Scannez le QR code avec votre smartphone."), text("Scannez la copie.")),
    "SIGN_DOCUMENT": (text("Document à signer en attente."), text("Un document à signer par les parents.")),
    "SECOND_FACTOR": (text("La double authentification expire demain."), text("La double authentification, tutoriel.")),
    "QUARANTINE_NOTICE": (text("Messages en quarantaine : cliquez pour les lire."), text("La quarantaine en 1720.")),
    "FALSE_SUMMONS": (
        text("Convocation : infraction de cyberpédopornographie."),
        text("Convocation au conseil de classe."),
    ),
    "STATE_AID": (text("Prime énergie : vous êtes éligible."), text("La prime énergie au programme de SES.")),
    "SOLAR_INSURANCE": (text("Panneaux solaires : devis gratuit."), text("Les panneaux solaires du lycée.")),
    "SECRET_METHOD": (text("Cette astuce fait perdre dix kilos."), text("Une astuce de calcul.")),
    "CALL_TO_CANCEL": (text("If you did not order this, call us."), text("If you did not come, no problem.")),
    "PENDING_PAYMENT": (text("Paiement en attente : cliquez."), text("Le paiement en attente du voyage.")),
    "KEEP_SECRET": (
        text("Strictement confidentiel : un virement urgent."),
        text("Strictement confidentiel : sujets du bac."),
    ),
    # who and where, of names that cost nothing or mean nothing
    "FROM_RANDOM_DOMAIN": (fields(From="Info <a@k767d1w1so2x.com>"), fields(From="Info <a@lycee-schwartz.fr>")),
    "FROM_MANY_LABELS": (fields(From="Info <a@a.b.c.d.exemple.org>"), fields(From="Info <a@b.c.exemple.org>")),
    "FROM_CHEAP_TLD": (fields(From="Info <a@soldes.shop>"), fields(From="Info <a@shop.fr>")),
    "FROM_NAME_NEAR_BRAND": (
        fields(From="Docusing Service <a@exemple.org>"),
        fields(From="DocuSign Service <a@exemple.org>"),
    ),
    "SUBJECT_BRAND": (
        fields(Subject="Votre compte Netflix"),
        {"fields": {"Subject": "Votre compte Netflix", "From": "Netflix <info@mailer.netflix.com>"}},
    ),
    "SUBJECT_CAPITAL_FOR_SMALL": (
        fields(Subject="Someone tried to Iog in"),
        fields(Subject="In Italia, iOS Irlande Islande, le lycée Ionesco"),
    ),
    "LINK_HAS_ADDRESS": (
        link("https://ailleurs.net/x#marie.curie@lycee.fr"),
        link("https://ailleurs.net/unsubscribe?marie.curie@lycee.fr"),
    ),
    "LINK_CHEAP_TLD": (link("https://voleur.shop/"), link("https://shop.ailleurs.net/")),
    "LINK_RANDOM_HOST": (link("https://k767d1w1so2x.com/"), link("https://www.tightvnc.com/")),
    "LINK_LONG_NAME": (link("https://espace-client-messagerie-etudiante.com/"), link("https://espace.client.com/")),
    "LINK_PUBLISHED_DOCUMENT": (
        link("https://docs.google.com/presentation/d/e/2PACX/pub"),
        link("https://docs.google.com/spreadsheets/d/1"),
    ),
    "ANSWER_BY_BUTTON": (
        link("mailto:securite@ailleurs.net?subject=oui", "Signaler"),
        link("mailto:securite@ailleurs.net", "securite@ailleurs.net"),
    ),
    "ANSWER_BY_BUTTON_ONLY": (
        html('<a href="mailto:a@ailleurs.net?subject=oui">Oui</a> <a href="mailto:a@ailleurs.net?subject=non">Non</a>'),
        html('<a href="mailto:a@ailleurs.net">Oui</a> <a href="https://www.exemple.org/">Le site</a>'),
    ),
    "OTHER_LANGUAGE": (
        text("Wir haben Ihre Sendung und die Rechnung, bitte prüfen Sie das auf der Seite, nicht von uns."),
        text("Der Kurs ist bei uns : les élèves de seconde et vous, pour la visite avec nous."),
    ),
    "STRANDED": (
        text("On m'a volé mon sac à Lisbonne, peux-tu m'avancer 800 euros ?"),
        text("Perdu mes papiers, à signaler à la vie scolaire."),
    ),
    "SCHOOL_TOOL_NAME": (fields(From="Pronote <info@exemple.org>"), fields(From="Pronote <info@index-education.net>")),
    "ACCOUNT_OTHER_LANGUAGE": (text("Su cuenta ha sido bloqueada."), text("Une leçon : « su cuenta, por favor ».")),
    "LURE_OTHER_LANGUAGE": (text("Ihr Paket konnte nicht zugestellt werden."), text("Ihr Paket, exercice 3.")),
    "MONEY_OTHER_LANGUAGE": (text("Uma herança de dez milhões."), text("La herencia, vocabulaire de la leçon 4.")),
}


def test_every_rule_has_a_case() -> None:
    assert set(CASES) == set(RULES)


def test_there_are_rules_enough() -> None:
    assert len(RULES) >= 150


@pytest.mark.parametrize("symbol", sorted(CASES))
def test_hits(symbol: str, views: Callable[..., Views]) -> None:
    if symbol == "QR_LINK" and missing():
        pytest.skip("no library that reads pictures")
    assert RULES[symbol](views(**CASES[symbol][0]))


@pytest.mark.parametrize("symbol", sorted(CASES))
def test_does_not_hit(symbol: str, views: Callable[..., Views]) -> None:
    assert not RULES[symbol](views(**CASES[symbol][1]))


def test_an_everyday_mail_hits_nothing(views: Callable[..., Views]) -> None:
    mail = views()
    assert {symbol for symbol, rule in RULES.items() if rule(mail)} == set()

"""Rules on wording, French and English.

A rule of wording wants phrases of two kinds near each other ("boîte" near "pleine"), because single words of fraud are words
of honest mail too. Phrases are written folded: lower case, without accents. Looking them up is plain substring search, whose
time nobody can make grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spamfilter.registry import Finding, Rule, rule
from spamfilter.views import Views
from spamfilter.words import mixed_scripts

#: Characters around a phrase of the first kind in which one of the second kind must stand.
NEAR = 160
#: Occurrences of one phrase that are followed.
OCCURRENCES = 20


@dataclass(frozen=True, slots=True)
class Wording:
    """Phrases of two kinds that must stand near each other; without a second kind the first is enough."""

    first: tuple[str, ...]
    second: tuple[str, ...] = ()

    def found_in(self, text: str) -> str | None:
        """The phrases that were found, or None."""
        for phrase in self.first:
            if not self.second and phrase in text:
                return phrase.strip()
            for start in _occurrences(text, phrase):
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
        yield start


WORDINGS: dict[str, Wording] = {
    "MAILBOX_FULL_FR": Wording(
        ("boite mail", "boite aux lettres", "boite de reception", "boite e-mail", "boite email", "votre messagerie",
         "boite de messagerie", "compte de messagerie", "espace de stockage", "votre webmail"),
        ("est pleine", "presque pleine", "est plein", "presque plein", "quota", "a atteint sa limite", "limite de stockage",
         "a depasse", "depasse la limite", "capacite maximale", "sature", "messages en attente", "ne pourrez plus recevoir"),
    ),
    "MAILBOX_FULL_EN": Wording(
        ("mailbox", "mail box", "your email account", "your e-mail account", "webmail account", "email storage", "mail quota"),
        ("is full", "almost full", "exceeded", "quota", "storage limit", "over its limit", "out of space",
         "pending messages", "undelivered messages", "incoming messages are", "unable to receive"),
    ),
    "PASSWORD_EXPIRES_FR": Wording(
        ("mot de passe", "vos identifiants"),
        ("expire", "va expirer", "arrive a expiration", "a expire", "conserver le meme mot de passe", "garder le mot de passe",
         "sera reinitialise", "doit etre renouvele", "a ete compromis"),
    ),
    "PASSWORD_EXPIRES_EN": Wording(
        ("your password", "password for", "account password"),
        ("will expire", "expires today", "expires in", "has expired", "is set to expire", "about to expire",
         "keep same password", "keep the same password", "keep current password", "keep my password", "retain password"),
    ),
    "ACCOUNT_SUSPENDED_FR": Wording(
        ("votre compte", "vos acces", "votre carte", "votre acces", "votre profil", "votre abonnement", "votre messagerie"),
        ("a ete suspendu", "sera suspendu", "est suspendu", "a ete bloque", "sera bloque", "est bloque", "ete limite",
         "sera desactive", "a ete desactive", "sera ferme", "sera supprime", "suspension", "activite inhabituelle",
         "activite suspecte", "connexion suspecte", "tentative de connexion"),
    ),
    "ACCOUNT_SUSPENDED_EN": Wording(
        ("your account", "your access", "your card", "your mailbox", "your email", "your membership", "your subscription"),
        ("has been suspended", "will be suspended", "is suspended", "has been locked", "will be locked", "has been limited",
         "will be deactivated", "will be terminated", "will be closed", "be permanently", "unusual activity",
         "suspicious activity", "unusual sign-in", "on hold", "been restricted", "will be disabled", "unauthorized login"),
    ),
    "VERIFY_ACCOUNT_FR": Wording(
        ("cliquez", "cliquer", "veuillez", "merci de", "vous devez", "nous vous invitons", "connectez-vous"),
        ("verifier votre compte", "verifier votre identite", "confirmer votre compte", "confirmer votre identite",
         "confirmer vos informations", "mettre a jour vos informations", "mettre a jour vos coordonnees",
         "mettre a jour votre compte", "valider votre compte", "reactiver votre compte", "debloquer votre",
         "mise a jour de vos informations", "confirmer vos coordonnees", "regulariser votre situation"),
    ),
    "VERIFY_ACCOUNT_EN": Wording(
        ("click", "please", "must", "kindly", "required to", "follow the link", "sign in"),
        ("verify your account", "verify your identity", "confirm your account", "confirm your identity",
         "verify your information", "update your account", "update your information", "update your payment",
         "validate your account", "reactivate your", "restore your account", "verify your email", "update your billing",
         "confirm your information", "re-validate", "revalidate", "verify ownership"),
    ),
    "NEW_IBAN": Wording(
        (" iban", " rib ", "coordonnees bancaires", "releve d'identite bancaire", "bank details", "bank account details",
         "banking details", "direct deposit"),
        ("nouveau", "nouvel", "nouvelles", "changement", "a change", "ont change", "modifier mon", "changer mon", "mise a jour",
         "new bank", "have changed", "has changed", "updated bank", "change of bank", "change my", "update my", "going forward"),
    ),
    "BOSS_REQUEST": Wording(
        ("etes-vous disponible", "es-tu disponible", "etes vous disponible", "are you available", "are you at your desk",
         "j'ai besoin d'un service", "need a favor", "need a favour", "quick task", "handle a task", "tache a vous confier",
         "rendre un service", "votre numero de portable", "your cell number", "your mobile number"),
        ("en reunion", "in a meeting", "discret", "confidentiel", "confidential", "urgent", "ne peux pas parler", "can't talk",
         "cannot talk", "par mail uniquement", "whatsapp", "right now", "text me", "asap", "des que possible"),
    ),
    "GIFT_CARD": Wording(
        ("carte cadeau", "cartes cadeaux", "cartes-cadeaux", "carte-cadeau", "gift card", "giftcard", "coupons pcs",
         "transcash", "neosurf", "itunes card", "steam card", "google play card"),
        ("acheter", "achete", "grattez", "gratter", "code", "purchase", "buy", "scratch", "reclam", "claim", "gagn", "reward",
         "winner", "won "),
    ),
    "LOTTERY": Wording(
        ("loterie", "lottery", "tirage au sort", "sweepstake", "lotto", "jackpot", "heureux gagnant", "lucky winner"),
        ("gagn", "winner", "won ", "winning", "felicitations", "congratulations", "prize", "lot de", "claim"),
    ),
    "PRIZE": Wording(
        ("vous avez gagne", "vous avez ete selectionne", "vous avez ete tire au sort", "you have won", "you've won",
         "you have been selected", "you have been chosen", "you've been selected", "recompense exclusive",
         "exclusive reward", "congratulations", "felicitations"),
        ("iphone", "samsung", "cadeau", "gift", "reward", "recompense", "prize", "survey", "sondage", "enquete", "questionnaire",
         "claim", "voucher", "bon d'achat"),
    ),
    "INHERITANCE": Wording(
        ("heritage", "inheritance", "next of kin", "beneficiary", "beneficiaire", "late client", "deceased", "defunt",
         "feu mon mari", "my late husband", "widow", "veuve", "legacy"),
        ("million", "fonds", "funds", "fortune", "usd", "transfer", "deposit", "bank account", "euros", "donation", "barrister",
         "notaire", "leguer"),
    ),
    "ADVANCE_FEE": Wording(
        ("million", "the sum of", "la somme de", "trunk box", "consignment box", "unclaimed fund", "compensation fund"),
        ("foreign partner", "business proposal", "confidential", "utmost", "your assistance", "strictly", "transfer the",
         "into your account", "dans votre compte", "transaction", "atm card", "western union", "next of kin", "percent", "nigeria",
         "security company", "proposition"),
    ),
    "PARCEL_FR": Wording(
        ("votre colis", "votre livraison", "votre paquet", "un colis", "votre envoi", "mon colis"),
        ("frais de", "en attente", "n'a pas pu etre livr", "n'a pu etre livr", "frais de douane", "reprogrammer", "replanifier",
         "bloque", "suspendu", "confirmer l'adresse", "confirmer votre adresse", "adresse incomplete", "entrepot",
         "instructions de livraison"),
    ),
    "PARCEL_EN": Wording(
        ("your package", "your parcel", "your shipment", "your delivery", "a package"),
        ("could not be delivered", "on hold", "pending", "delivery fee", "shipping fee", "customs fee", "customs charge",
         "reschedule", "confirm your address", "unpaid", "failed delivery", "address is incomplete", "warehouse",
         "unable to deliver"),
    ),
    "FINE_OR_REFUND_FR": Wording(
        ("amende", "remboursement", "impots", "contravention", "trop-percu", "trop percu", "prime exceptionnelle", "cpam",
         "carte vitale", "vignette crit'air", "forfait post-stationnement", "allocation", "compte ameli"),
        ("formulaire", "cliquez", "sous 48", "sous 24", "48 heures", "24 heures", "majoration", "beneficier", "valider",
         "en attente", "a expire", "renouvel", "dernier rappel", "non reglee", "impayee", "eligible", "regulariser"),
    ),
    "TAX_REFUND_EN": Wording(
        ("tax refund", "refund of", "eligible for a refund", "pending refund", "unclaimed refund", "tax rebate"),
        ("click", "claim", "submit", "form", "hmrc", "irs", "process", "receive"),
    ),
    "TRAINING_ACCOUNT": Wording(
        ("compte formation", " cpf ", "droits a la formation", "droits formation"),
        ("expire", "dernier", "avant le", "perdre", "perdus", "cliquez", "solde", "euros", "bientot", "profitez"),
    ),
    "EXTORTION": Wording(
        ("bitcoin", " btc", "usdt", "crypto wallet", "portefeuille crypto"),
        ("webcam", "camera", "enregistre", "recorded", "hacked", "pirate", "malware", "trojan", "vos contacts", "your contacts",
         "masturb", "48 hours", "48 heures", "video", "intim"),
    ),
    "CRYPTO_GAIN": Wording(
        ("bitcoin", "crypto", "trading", "forex", "investissement", "investment"),
        ("gagner", "gagnez", "profit", "rendement", "guaranteed", "garanti", "double your", "airdrop", "par jour", "per day",
         "a day", "passive income", "revenu passif", "claim your", "returns of"),
    ),
    "LOAN": Wording(
        ("pret entre particulier", "offre de pret", "pret d'argent", "credit entre particulier", "loan offer", "loan at",
         "apply for a loan", "low interest", "mortgage rate", "refinance", "debt consolidation", "eliminate your debt"),
        ("taux", "interest", "particuliers", "serieux", "%", "apply", "approved", "rates", "free quote", "credit"),
    ),
    "INVOICE_THREAT": Wording(
        ("facture impayee", "unpaid invoice", "outstanding invoice", "overdue invoice", "invoice attached", "facture ci-jointe",
         "avis de paiement", "payment advice", "remittance advice", "proof of payment", "swift copy", "purchase order"),
        ("urgent", "immediat", "dernier rappel", "final notice", "huissier", "legal action", "poursuites", "kindly", "open the",
         "see attached", "ouvrir la piece"),
    ),
    "SHARED_DOCUMENT": Wording(
        ("shared a file", "shared a document", "shared with you", "a partage un", "document securise", "secure document",
         "secured document", "voice message", "voicemail", "message vocal", "encrypted message", "fax document", "new fax"),
        ("view document", "review document", "open document", "voir le document", "consulter le document", "ouvrir le document",
         "click", "cliquez", "listen", "ecouter", "sign in", "download", "play message", "access document"),
    ),
    "SUBSCRIPTION_FAILED": Wording(
        ("abonnement", "subscription", "membership", "antivirus", "norton", "mcafee", "geek squad"),
        ("paiement a echoue", "paiement refuse", "n'a pas pu etre renouvele", "payment failed", "payment was declined",
         "could not be renewed", "has expired", "a expire", "will be charged", "has been charged", "auto-renew", "auto renew",
         "call us", "to cancel", "ordinateur est", "is at risk"),
    ),
    "MEDICINE": Wording(
        ("viagra", "cialis", "levitra", "sildenafil", "xanax", "valium", "vicodin", "phentermine", "online pharmacy",
         "pharmacie en ligne", "male enhancement", "penis", "erectile", "erection", "without prescription", "sans ordonnance",
         "weight loss", "perdre du poids", "human growth hormone", " hgh ", " cbd gummies", "keto "),
        ("order", "price", "$", "commander", "prix", "free", "gratuit", "buy", "offer", "offre", "achetez", "naturel", "guarantee",
         "click"),
    ),
    "ADULT": Wording(
        ("xxx", "porn", "hot girls", "sexy girls", "horny", "nude", "webcam girls", "hardcore", "adult site", "live sex",
         "rencontres coquines", "femmes mures", "plan cul", "hot singles"),
        ("click", "free", "gratuit", "cliquez", "watch", "voir", "join", "inscri", "over 18", "18+", "adults"),
    ),
    "EASY_MONEY": Wording(
        ("work from home", "work at home", "make money", "earn money", "extra income", "financial freedom", "earn up to",
         "multi-level", "home based business", "home-based business", "gagner de l'argent", "complement de revenu",
         "revenus complementaires", "travail a domicile", "be your own boss", "get rich"),
        ("$", "no experience", "sans experience", "per week", "per month", "a week", "a month", "par mois", "par semaine", "free",
         "guarantee", "opportunity", "facile", "easy", "opportunite", "call now"),
    ),
    "BULK_SALES": Wording(
        ("million email", "million e-mail", "email addresses", "e-mail addresses", "bulk email", "bulk e-mail", "targeted email",
         "mailing list of", "base de donnees email", "first page of google", "rank your website", "seo services",
         "referencement google", "toner cartridge", "web design services"),
        ("cd ", "send", "price", "$", "order", "for only", "per", "offer", "quote", "tarif", "premiere page", "traffic", "ranking",
         "packages", "affordable"),
    ),
    "REMOVE_CLAUSE": Wording(
        ("to be removed", "to remove yourself", "wish to be removed", "want to be removed", "removal instructions",
         "one time mailing", "one-time mailing", "not spam", "section 301", "this is not spam", "ceci n'est pas un spam"),
    ),
    "GENERIC_GREETING": Wording(
        ("dear customer", "dear client", "dear user", "dear account", "dear valued", "dear beneficiary", "dear friend",
         "dear email user", "dear webmail", "cher client", "chere cliente", "cher utilisateur", "cher(e) client",
         "cher beneficiaire", "cher abonne", "dear sir/madam", "attention :beneficiary", "dear winner", "dear member"),
    ),
    "URGENT": Wording(
        ("urgent", "immediat", "sans delai", "sous 24", "sous 48", "dans les 24", "dans les 48", "within 24", "within 48",
         "avant minuit", "derniere chance", "act now", "last chance", "expires today", "as soon as possible", "right away"),
        ("cliqu", "click", "lien", "link", "connect", "log in", "login", "verif", "confirm", "bouton", "button", "update"),
    ),
    "CLICK_BELOW": Wording(
        ("cliquez ici", "cliquez sur le lien", "cliquez ci-dessous", "cliquer ici", "cliquez sur le bouton", "click here",
         "click below", "click the link", "click the button", "click on the link", "clicking here", "clicking on the link",
         "lien ci-dessous", "link below", "button below", "bouton ci-dessous"),
    ),
}  # fmt: skip


def _looks_for(wording: Wording) -> Rule:
    return lambda views: wording.found_in(views.folded)


for _symbol, _wording in WORDINGS.items():
    rule(_symbol)(_looks_for(_wording))


@rule("BODY_MIXED_SCRIPTS")
def body_mixed_scripts(views: Views) -> Finding:
    """Latin words with Cyrillic or Greek letters in them."""
    return mixed_scripts(views.body)


@rule("SHOUTING")
def shouting(views: Views) -> Finding:
    letters = [c for c in views.body[:4096] if c.isalpha()]
    return len(letters) >= 200 and sum(c.isupper() for c in letters) > 0.6 * len(letters)


@rule("SHORT_WITH_LINK")
def short_with_link(views: Views) -> Finding:
    """A sentence or two and one link."""
    return len(views.link_hosts) == 1 and 8 <= len(views.body.split()) < 40

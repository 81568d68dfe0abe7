"""Names that rules look for: mail hosts, official sites, brands, link services, file types.

Host names are lower case and registered names unless said otherwise; words are folded (no accents).
"""

from __future__ import annotations


def words_of(text: str) -> frozenset[str]:
    """The words of a text, which are written with spaces between them."""
    return frozenset(text.split())


#: Anybody gets an address here in a minute.
FREEMAIL = words_of("""
    gmail.com googlemail.com outlook.com outlook.fr hotmail.com hotmail.fr hotmail.co.uk live.com live.fr msn.com
    yahoo.com yahoo.fr yahoo.co.uk ymail.com rocketmail.com aol.com gmx.com gmx.fr gmx.net gmx.de web.de mail.com
    mail.ru yandex.ru yandex.com inbox.ru bk.ru list.ru proton.me protonmail.com pm.me tutanota.com tuta.io zoho.com
    icloud.com me.com laposte.net orange.fr wanadoo.fr free.fr sfr.fr neuf.fr bbox.fr numericable.fr
    qq.com 163.com 126.com sina.com excite.com lycos.com juno.com netscape.net usa.net
    naver.com libero.it tiscali.it virgilio.it t-online.de seznam.cz o2.pl wp.pl op.pl consultant.com
""")  # fmt: skip

SHARED_SUFFIXES = words_of("""
    co.uk org.uk ac.uk gov.uk me.uk com.au net.au org.au co.nz co.za co.jp ne.jp or.jp ac.jp com.br com.mx com.ar com.tr
    com.cn com.hk com.sg com.my com.tw co.in co.kr co.il com.pl com.ua com.ru com.vn com.ph com.ng com.pk com.sa com.eg
    gouv.fr asso.fr com.fr tm.fr nom.fr gouv.qc.ca
    blogspot.com weebly.com wixsite.com web.app firebaseapp.com github.io herokuapp.com netlify.app vercel.app pages.dev
    workers.dev r2.dev azurewebsites.net amazonaws.com myshopify.com wordpress.com webnode.com glitch.me duckdns.org
""")  # fmt: skip

#: The academies of French school administration, without ".fr".
ACADEMIES = words_of("""
    ac-aix-marseille ac-amiens ac-besancon ac-bordeaux ac-clermont ac-corse ac-creteil ac-dijon ac-grenoble
    ac-guadeloupe ac-guyane ac-lille ac-limoges ac-lyon ac-martinique ac-mayotte ac-montpellier ac-nancy-metz ac-nantes
    ac-nice ac-normandie ac-caen ac-rouen ac-orleans-tours ac-paris ac-poitiers ac-reims ac-rennes ac-reunion
    ac-strasbourg ac-toulouse ac-versailles ac-spm
""")  # fmt: skip

#: Sites that phishing against staff and families imitates.
OFFICIAL_SITES = frozenset(name + ".fr" for name in ACADEMIES) | words_of("""
    education.gouv.fr impots.gouv.fr ants.gouv.fr antai.gouv.fr amendes.gouv.fr service-public.fr franceconnect.gouv.fr
    ameli.fr caf.fr moncompteformation.gouv.fr cned.fr ensap.gouv.fr mgen.fr onisep.fr pronote.net crous-paris.fr
    urssaf.fr francetravail.fr
""")  # fmt: skip

SHORTENERS = words_of("""
    bit.ly bitly.com tinyurl.com t.co goo.gl ow.ly is.gd v.gd buff.ly cutt.ly rb.gy rebrand.ly shorturl.at t.ly urlz.fr
    tiny.cc s.id lnkd.in soo.gd bl.ink shorte.st adf.ly urlr.me did.li qrco.de tr.ee linktr.ee 2u.pw t2m.io n9.cl
    short.gy kutt.it u.to clck.ru x.gd
""")  # fmt: skip

#: Pages and forms that anybody puts up without a name of their own (full host suffixes).
FREE_HOSTING = words_of("""
    weebly.com wixsite.com wix.com web.app firebaseapp.com github.io gitlab.io herokuapp.com netlify.app
    vercel.app pages.dev workers.dev r2.dev azurewebsites.net blob.core.windows.net web.core.windows.net
    blogspot.com glitch.me webnode.com webflow.io square.site godaddysites.com sites.google.com
    000webhostapp.com duckdns.org ngrok.io ngrok-free.app repl.co replit.app surge.sh fleek.co ipfs.io dweb.link
    cloudflare-ipfs.com jotform.com typeform.com formstack.com cognitoforms.com zohopublic.com ukit.me
    yolasite.com jimdosite.com strikingly.com mystrikingly.com myportfolio.com storage.googleapis.com
    s3.amazonaws.com translate.goog appspot.com run.app cloudfunctions.net cloudfront.net azureedge.net
    azurefd.net digitaloceanspaces.com linodeobjects.com notion.site canva.site framer.app framer.website
    carrd.co webador.com site123.me mobirisesite.com onrender.com fly.dev railway.app deno.dev lovable.app
    softr.app bubbleapps.io ddns.net no-ip.org hopto.org sviluppo.host backblazeb2.com
""")  # fmt: skip

#: Domains of tenants of mail services: anybody has one in a quarter of an hour.
TENANTS = words_of("onmicrosoft.com zohomail.com mailgun.org sendgrid.net amazonses.com myfreesites.net")

#: Link services of sites with a good name that lead on to any address: the path that does it.
OPEN_REDIRECTS = {
    "google.com": ("/url", "/amp/", "/aclk"),
    "google.fr": ("/url", "/amp/"),
    "bing.com": ("/ck/",),
    "facebook.com": ("/l.php",),
    "youtube.com": ("/redirect",),
    "doubleclick.net": ("/",),
    "linkedin.com": ("/redir", "/slink"),
    "baidu.com": ("/link",),
    "yandex.ru": ("/redir",),
}

#: Forms that anybody puts up; honest ones are many, and those that ask for a password too.
FORM_SERVICES = words_of("""
    forms.gle forms.office.com jotform.com typeform.com formstack.com cognitoforms.com surveymonkey.com tally.so
    123formbuilder.com zohopublic.com formsite.com paperform.co
""")  # fmt: skip

#: Places for files of anybody.
FILE_SHARES = words_of("""
    wetransfer.com we.tl mega.nz mediafire.com dropbox.com 4shared.com gofile.io transfer.sh anonfiles.com sendspace.com
    drive.google.com 1drv.ms onedrive.live.com box.com filetransfer.io smash.com fromsmash.com swisstransfer.com
""")  # fmt: skip

#: Chat services, where a conversation goes on out of everybody's sight.
MESSENGERS = words_of("t.me telegram.me telegram.org wa.me api.whatsapp.com signal.me m.me discord.gg")

#: Top-level domains whose registrations are mostly abuse in public block lists year after year.
RISKY_TLDS = words_of("""
    top xyz icu cyou cfd sbs bond click link quest rest buzz monster mom hair beauty skin makeup autos boats homes
    motorcycles yachts lol gq cf ga ml tk work fit surf cam date racing loan men stream download bid win review trade
    party science accountant faith cricket zip mov
""")  # fmt: skip

#: Top-level domains that cost next to nothing: honest shops have them too, so they say less.
CHEAP_TLDS = words_of("""
    shop store online site website space fun live life world today club email solutions agency digital center support
    services cloud host press tech pro info biz app xn--p1ai ru su cc ws pw vip ltd company network systems
""")  # fmt: skip

#: Names that phishing wears, and the sites that may wear them. Compared with the folded display name, word by word.
BRANDS: dict[str, frozenset[str]] = {
    name: frozenset(sites.split())
    for name, sites in {
        "paypal": "paypal.com paypal.fr",
        "netflix": "netflix.com",
        "disney+": "disneyplus.com",
        "spotify": "spotify.com",
        "amazon": "amazon.com amazon.fr amazon.de amazon.co.uk amazon.es amazon.it amazonses.com amazonaws.com",
        "apple": "apple.com icloud.com",
        "icloud": "apple.com icloud.com",
        "microsoft": "microsoft.com office.com office365.com outlook.com sharepointonline.com microsoftonline.com",
        "office 365": "microsoft.com office.com office365.com outlook.com sharepointonline.com microsoftonline.com",
        "sharepoint": "microsoft.com sharepoint.com sharepointonline.com",
        "onedrive": "microsoft.com live.com 1drv.ms",
        "facebook": "facebook.com facebookmail.com meta.com",
        "instagram": "instagram.com meta.com",
        "whatsapp": "whatsapp.com meta.com",
        "linkedin": "linkedin.com",
        "docusign": "docusign.net docusign.com",
        "dropbox": "dropbox.com dropboxmail.com",
        "wetransfer": "wetransfer.com",
        "mcafee": "mcafee.com",
        "dhl": "dhl.com dhl.fr dhl.de",
        "fedex": "fedex.com",
        "dpd": "dpd.fr dpd.com dpd.de dpd.co.uk",
        "usps": "usps.com",
        "royal mail": "royalmail.com",
        "chronopost": "chronopost.fr",
        "colissimo": "laposte.fr laposte.net",
        "mondial relay": "mondialrelay.fr mondialrelay.com",
        "relais colis": "relaiscolis.com",
        "la banque postale": "labanquepostale.fr laposte.fr",
        "credit agricole": "credit-agricole.fr ca-paris.fr",
        "credit mutuel": "creditmutuel.fr",
        "societe generale": "societegenerale.fr socgen.com",
        "bnp paribas": "bnpparibas.com bnpparibas.net bnpparibas",
        "caisse d'epargne": "caisse-epargne.fr",
        "banque populaire": "banquepopulaire.fr",
        "boursorama": "boursorama.fr boursorama.com boursobank.com",
        "boursobank": "boursorama.fr boursorama.com boursobank.com",
        "revolut": "revolut.com",
        "santander": "santander.com santander.co.uk santander.com.br santander.es",
        "bradesco": "bradesco.com.br",
        "itau": "itau.com.br",
        "banco do brasil": "bb.com.br",
        "nubank": "nubank.com.br",
        "mercado pago": "mercadopago.com mercadopago.com.br mercadolivre.com.br mercadolibre.com",
        "mercado livre": "mercadolivre.com.br",
        "correios": "correios.com.br",
        "sparkasse": "sparkasse.de",
        "volksbank": "volksbank.de vr.de",
        "postbank": "postbank.de",
        "wells fargo": "wellsfargo.com",
        "bank of america": "bankofamerica.com",
        "american express": "americanexpress.com aexp.com",
        "ameli": "ameli.fr assurance-maladie.fr",
        "assurance maladie": "ameli.fr assurance-maladie.fr",
        "carte vitale": "ameli.fr assurance-maladie.fr",
        "impots": "impots.gouv.fr dgfip.finances.gouv.fr finances.gouv.fr",
        "dgfip": "impots.gouv.fr dgfip.finances.gouv.fr finances.gouv.fr",
        "antai": "antai.gouv.fr",
        "france connect": "franceconnect.gouv.fr",
        "mon compte formation": "moncompteformation.gouv.fr",
        "mgen": "mgen.fr",
        "edf": "edf.fr",
        "engie": "engie.fr engie.com",
        "ovhcloud": "ovh.com ovhcloud.com ovh.net",
        "doctolib": "doctolib.fr doctolib.com",
        "leboncoin": "leboncoin.fr",
        "vinted": "vinted.fr vinted.com",
        "binance": "binance.com",
        "coinbase": "coinbase.com",
        "metamask": "metamask.io",
        "trust wallet": "trustwallet.com",
        "ledger": "ledger.com",
        "trezor": "trezor.io",
        "blockchain.com": "blockchain.com",
    }.items()
}

#: Offices in whose name staff are written to; never from a freemail address.
OFFICES = (
    "rectorat", "recteur", "rectrice", "inspection academique", "education nationale", "ministere", "dsden", "dane",
    "direction academique", "ia-dasen", "service informatique", "support informatique", "assistance informatique",
    "help desk", "helpdesk", "it support", "it service", "administrateur", "administrator", "webmail",
    "service messagerie", "ressources humaines", "human resources", "service paie", "payroll", "mail admin",
    "gestionnaire de messagerie",
)  # fmt: skip

#: Tools of the school, and the sites beside those of the state and ours that may write in their name.
SCHOOL_TOOLS = (
    "pronote", "educonnect", "ecole directe", "mon ent", "ent", "espace numerique", "i-prof", "iprof", "santorin",
    "cyclades", "colibris", "ensap", "parcoursup", "renater",
)  # fmt: skip
TOOL_MAKERS = words_of("""
    index-education.net index-education.fr index-education.com pronote.net ecoledirecte.com aplim.fr skolengo.com
    kosmoseducation.com itslearning.com itop.es monbureaunumerique.fr mon-ent-occitanie.fr renater.fr parcoursup.fr
    edifice.io opendigitaleducation.com
""")  # fmt: skip

#: Titles that stand in a display name instead of a name, or beside it.
OFFICIALS = (
    "recteur", "rectrice", "le recteur", "secretaire general", "secretaire generale", "dasen", "ia-dasen", "inspecteur",
    "inspectrice", "ia-ipr", "ien", "principal", "principale", "proviseur", "proviseure", "chef d'etablissement",
    "ministre", "cabinet du recteur", "direction des ressources humaines", "drh", "division des personnels", "dpe",
    "dsi", "dsi academie", "rssi", "gestionnaire", "adjoint gestionnaire", "agent comptable", "intendant", "intendante",
)  # fmt: skip

#: Path and host words of pages that ask for a password.
CREDENTIAL_WORDS = (
    "login", "signin", "sign-in", "logon", "verify", "verif", "confirm", "secure", "account", "password", "passwd",
    "webmail", "webscr", "update", "unlock", "authent", "connexion", "compte", "identif", "mot-de-passe",
    "motdepasse", "validation",
)  # fmt: skip

EXECUTABLE = words_of("""
    exe scr com pif bat cmd vbs vbe js jse wsf wsh hta lnk msi msp cpl jar ps1 psm1 reg dll sys scf inf gadget
    application chm hlp appx msix xll iqy slk url library-ms search-ms settingcontent-ms apk
""")  # fmt: skip
DISK_IMAGE = words_of("iso img vhd vhdx udf daa")
MACRO = words_of("docm dotm xlsm xltm xlam pptm potm ppam ppsm sldm")
ARCHIVE = words_of("zip rar 7z gz tgz tar bz2 xz cab ace arj z lzh")
#: What a first extension pretends to be.
HARMLESS = words_of("pdf doc docx xls xlsx ppt pptx odt ods txt rtf csv jpg jpeg png gif mp3 mp4 avi wav zip")

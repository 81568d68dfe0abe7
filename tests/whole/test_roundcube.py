"""Debian's Roundcube over the running stack: what a teacher does in the webmail, and nothing of it refused by IMAP."""

from __future__ import annotations

import html
import io
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

import pytest

from tests.whole.conftest import Stack
from tests.whole.roundcube import SHARE, Browser, Roundcube, refusals, webmail

Need = Callable[[str, str], str]

#: One stack and one program for all tests of this file, in one process.
pytestmark = pytest.mark.xdist_group("roundcube")


@pytest.fixture(scope="module")
def roundcube(stack: Stack, tmp_path_factory: pytest.TempPathFactory, need: Need) -> Iterator[Roundcube]:
    need(str(SHARE / "bin" / "msgimport.sh"), "roundcube-core")
    php = need("php", "php-cli")
    facts = stack.facts
    folder = tmp_path_factory.mktemp("roundcube") / "web"
    with webmail(folder, php, facts["imaps_port"], facts["submission_port"], stack.domain) as one:
        yield one


@pytest.fixture
def browser(roundcube: Roundcube, stack: Stack) -> Iterator[Callable[[str], Browser]]:
    """Sign people in; afterwards no command of theirs may have been refused, and Roundcube may have noted no error."""
    before, noted = len(roundcube.imap_log()), len(roundcube.errors())

    def sign_in(login: str) -> Browser:
        one = Browser(roundcube)
        one.sign_in(login, stack.user(login)["password"])
        return one

    yield sign_in
    assert refusals(roundcube.imap_log()[before:]) == []
    assert roundcube.errors()[noted:] == ""


def put(stack: Stack, login: str, messages: list[EmailMessage], mailbox: str = "INBOX") -> None:
    with stack.imap(login) as client:
        for message in messages:
            assert client.append(mailbox, "", "", message.as_bytes())[0] == "OK"


def mail(
    subject: str, sender: str = "Sophie <sophie@example.net>", body: str = "Bonjour.\n", day: int = 0, **more: str
) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = more.pop("to", "marc.garnier@ac-demo.test")
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime(2026, 10, 1, 8, tzinfo=UTC) + timedelta(days=day))
    for name, value in more.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    return message


def box(browser: Browser, mailbox: str) -> dict[str, int]:
    """UIDs by subject."""
    return {row["subject"]: row["uid"] for row in browser.list(mailbox).rows}


def test_first_page(browser: Callable[[str], Browser], stack: Stack) -> None:
    one = Browser(browser("marc.garnier").webmail)
    page = one.sign_in("marc.garnier", stack.user("marc.garnier")["password"])
    for folder in ("INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"):
        assert f'rel="{folder}"' in page
    assert '"mailbox":"INBOX"' in page
    assert '"trash_mailbox":"Trash"' in page
    quota = one.ask("mail", "getunread", {})
    assert not quota.messages
    assert re.search(r'this.set_quota\(\{"used":\d+,"total":5242880', "\n".join(one.list(_quota=1).calls))


def test_lists_are_sorted_by_every_column(stack: Stack, browser: Callable[[str], Browser]) -> None:
    marc = browser("marc.garnier")
    mails = [
        mail("Zèbre", "Anne <anne@example.net>", "court\n", day=3, cc="luc@example.net", to="paul@ac-demo.test"),
        mail(
            "Re: abeille", "Zoé <zoe@example.net>", "long\n" * 400, day=1, cc="abel@example.net", to="bea@ac-demo.test"
        ),
        mail("Été", "Marc <marc@example.net>", "moyen\n" * 50, day=2, cc="nina@example.net", to="zed@ac-demo.test"),
    ]
    assert "confirmation" in marc.save_folder("Tri")
    put(stack, "marc.garnier", mails, "Tri")
    orders = {
        "subject": ["Re: abeille", "Été", "Zèbre"],
        "from": ["Zèbre", "Été", "Re: abeille"],
        "to": ["Re: abeille", "Zèbre", "Été"],
        "cc": ["Re: abeille", "Zèbre", "Été"],
        "date": ["Re: abeille", "Été", "Zèbre"],
        "size": ["Zèbre", "Été", "Re: abeille"],
        "arrival": ["Zèbre", "Re: abeille", "Été"],
    }
    for column, expected in orders.items():
        assert marc.list("Tri", _sort=f"{column}_ASC").subjects == expected, column
        assert marc.list("Tri", _sort=f"{column}_DESC").subjects == expected[::-1], column
    assert marc.list("Tri", _sort="fromto_ASC").subjects == orders["from"]


def test_threads(stack: Stack, browser: Callable[[str], Browser]) -> None:
    marc = browser("marc.garnier")
    assert "confirmation" in marc.save_folder("Fils")
    mails = [
        mail("Sortie", day=1, Message_ID="<a@x>"),
        mail("Re: Sortie", day=2, Message_ID="<b@x>", In_Reply_To="<a@x>", References="<a@x>"),
        mail("Réunion", day=3, Message_ID="<c@x>"),
        mail("Re: Sortie", day=4, Message_ID="<d@x>", In_Reply_To="<b@x>", References="<a@x> <b@x>"),
    ]
    put(stack, "marc.garnier", mails, "Fils")
    shown = marc.list("Fils", _threads="1", _sort="date_DESC")
    assert [(row["uid"], row["flags"].get("depth", 0)) for row in shown.rows] == [(1, 0), (2, 1), (4, 2), (3, 0)]
    assert shown.env["messagecount"] == 2
    assert [row["uid"] for row in marc.find("Sortie", "Fils", _threads="1").rows] == [1, 2, 4]
    assert [row["uid"] for row in marc.list("Fils", _threads="0", _sort="date_DESC").rows] == [4, 3, 2, 1]


def test_reading(stack: Stack, browser: Callable[[str], Browser]) -> None:
    marc = browser("marc.garnier")
    whole = mail("Bulletin n° 3", body="Voici l'été.\n")
    whole.add_alternative('<p>Voici <b>l\'été</b>.<img src="cid:logo@x"><script>alert(1)</script></p>', subtype="html")
    parts = whole.get_payload()
    assert isinstance(parts, list)
    assert isinstance(parts[1], EmailMessage)
    parts[1].add_related(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "image", "gif", cid="<logo@x>")
    table = "élève;note\nLéo;15\n".encode() * 500
    whole.add_attachment(table, "text", "csv", filename="notes_élèves.csv")
    inner = mail("Message transmis", body="À l'intérieur.\n")
    whole.add_attachment(inner)
    put(stack, "marc.garnier", [whole, mail("Brut", body="x" * 80 + "\n")], "Archive")
    uid = box(marc, "Archive")["Bulletin n° 3"]
    page = marc.page("mail", "show", _mbox="Archive", _uid=uid)
    assert "Bulletin n° 3" in page
    assert "notes_élèves.csv" in page
    assert "<b>l'été</b>" in page or "<b>l&#039;été</b>" in page
    assert "alert(1)" not in page
    assert marc.open({"_task": "mail", "_mbox": "Archive", "_uid": uid, "_part": "2", "_action": "get"}) == table
    preview = marc.page("mail", "preview", _mbox="Archive", _uid=uid, _framed=1)
    assert "Bulletin n° 3" in preview
    source = marc.open({"_task": "mail", "_action": "viewsource", "_mbox": "Archive", "_uid": uid})
    assert b"Content-Type: multipart/mixed" in source
    assert "Content-Type" in str(marc.ask("mail", "headers", _mbox="Archive", _uid=uid).calls)
    query = {"_task": "mail", "_action": "plugin.zipdownload.attachments", "_mbox": "Archive", "_uid": uid}
    query["_token"] = marc.token
    names = zipfile.ZipFile(io.BytesIO(marc.open(query))).namelist()
    assert "notes_élèves.csv" in names
    form = [("_mbox", "Archive"), ("_uid", "*"), ("_mode", "mbox"), ("_token", marc.token)]
    taken = marc.open({"_task": "mail", "_action": "plugin.zipdownload.messages"}, form)
    (packed,) = (
        zipfile.ZipFile(io.BytesIO(taken)).read(name) for name in zipfile.ZipFile(io.BytesIO(taken)).namelist()
    )
    assert packed.count(b"From sophie@example.net") == 2
    assert next(row for row in marc.list("Archive").rows if row["uid"] == uid)["flags"].get("seen")


def test_search(stack: Stack, browser: Callable[[str], Browser]) -> None:
    marc = browser("marc.garnier")
    assert "confirmation" in marc.save_folder("Recherche")
    assert "confirmation" in marc.save_folder("Dedans", "Recherche")
    mails = [
        mail("Château d'eau", body="On y parle de géométrie.\n"),
        mail("Autre chose", "Élodie <elodie@example.net>", body="Le chateau n'est pas au sujet.\n", day=1),
        mail('Un "mot" à part', body="rien\n", day=2),
    ]
    put(stack, "marc.garnier", mails, "Recherche")
    put(stack, "marc.garnier", [mail("Chateau de sable", day=3)], "Recherche/Dedans")

    def found(
        words: str, headers: str = "subject,from", scope: str = "base", mbox: str = "Recherche", **more: str
    ) -> set[str]:
        return set(marc.find(words, mbox, headers, scope, **more).confirmed().subjects)

    assert found("château") == {"Château d'eau"}
    assert found("élodie") == {"Autre chose"}
    assert found("géométrie", "body") == {"Château d'eau"}
    assert found("géom", "text") == {"Château d'eau"}
    assert found("CHATEAU", "text") == {"Autre chose"}
    assert found('"mot"') == {'Un "mot" à part'}
    assert found("château", scope="sub") == {"Château d'eau"}
    assert found("de sable", scope="sub") == {"Chateau de sable"}
    assert found("eau", scope="all") >= {"Château d'eau", "Chateau de sable"}
    assert found("chateau", "subject,from,to,cc,bcc,body", "all") == {"Autre chose", "Chateau de sable"}
    marc.mark("flagged", str(box(marc, "Recherche")["Autre chose"]), "Recherche")
    assert found("", _filter="FLAGGED") == {"Autre chose"}
    assert found("", _filter="UNSEEN NOT FLAGGED") == {"Château d'eau", 'Un "mot" à part'}
    kinds = " ".join(f"HEADER Content-Type {kind}" for kind in ("application/", "multipart/m", "multipart/report"))
    assert found("", _filter="OR OR " + kinds) == set()
    assert found("château", _interval="1W") == {"Château d'eau"}
    assert found("château", _interval="-1W") == set()
    assert found("absent") == set()


def test_flags_moves_and_removals(stack: Stack, browser: Callable[[str], Browser]) -> None:
    marc = browser("marc.garnier")
    assert "confirmation" in marc.save_folder("Classe")
    put(stack, "marc.garnier", [mail(f"Devoir {number}", day=number) for number in range(1, 9)], "Classe")
    uids = box(marc, "Classe")
    one, two = str(uids["Devoir 1"]), f"{uids['Devoir 2']},{uids['Devoir 3']}"
    for flag, shown in (("flagged", "flagged"), ("read", "seen")):
        marc.mark(flag, two, "Classe").confirmed()
        rows = {str(row["uid"]): row["flags"] for row in marc.list("Classe").rows}
        assert all(rows[uid].get(shown) for uid in two.split(","))
        assert not rows[one].get(shown)
    marc.mark("unflagged", two, "Classe").confirmed()
    marc.mark("unread", two, "Classe").confirmed()
    assert not any(row["flags"].get("flagged") or row["flags"].get("seen") for row in marc.list("Classe").rows)
    marc.mark("read", "*", "Classe").confirmed()
    assert all(row["flags"].get("seen") for row in marc.list("Classe").rows)

    # Another session's flags and new mail come with the regular look.
    with stack.imap("marc.garnier") as client:
        client.select("Classe")
        client.uid("STORE", one, "+FLAGS", "(\\Flagged)")
        client.append("Classe", "", "", mail("Devoir 9", day=9).as_bytes())
    look = {"_mbox": "Classe", "_list": "1", "_uids": one, "_folderlist": "1", "_quota": "1"}
    news = marc.ask("mail", "refresh", look)
    assert [row["subject"] for row in news.rows if row["flags"].get("flagged")] == ["Devoir 1"]
    assert "Devoir 9" in news.subjects
    with stack.imap("marc.garnier") as client:
        client.select("Classe")
        client.uid("STORE", one, "+FLAGS", "(\\Answered)")
    news = marc.ask("mail", "refresh", look)
    assert news.env["recent_flags"] == {one: {"flagged": 1, "answered": 1, "seen": 1}}

    marc.move(two, "Archive", "Classe").confirmed()
    assert {"Devoir 2", "Devoir 3"} <= set(box(marc, "Archive"))
    assert not {"Devoir 2", "Devoir 3"} & set(box(marc, "Classe"))
    marc.move(one, "Archive", "Classe", action="copy").confirmed()
    assert "Devoir 1" in box(marc, "Archive")
    assert "Devoir 1" in box(marc, "Classe")

    junk = {"_uid": str(uids["Devoir 4"]), "_mbox": "Classe"}
    marc.ask("mail", "plugin.markasjunk.junk", junk).confirmed()
    marc.move(str(uids["Devoir 4"]), "Junk", "Classe").confirmed()
    spam = box(marc, "Junk")["Devoir 4"]
    marc.ask("mail", "plugin.markasjunk.not_junk", {"_uid": str(spam), "_mbox": "Junk"}).confirmed()
    marc.move(str(spam), "INBOX", "Junk").confirmed()
    assert "Devoir 4" in box(marc, "INBOX")
    marc.ask("mail", "plugin.move2archive", {"_uid": str(uids["Devoir 5"]), "_mbox": "Classe"}).confirmed()
    assert "Devoir 5" in box(marc, "Archive")

    marc.ask("mail", "delete", {"_uid": str(uids["Devoir 6"]), "_mbox": "Classe"}).confirmed()
    marc.move(str(uids["Devoir 6"]), "Trash", "Classe")
    marc.move(str(uids["Devoir 7"]), "Trash", "Classe").confirmed()
    trash = box(marc, "Trash")
    marc.ask("mail", "delete", {"_uid": str(trash["Devoir 7"]), "_mbox": "Trash"}).confirmed()
    marc.ask("mail", "purge", {"_mbox": "Trash", "_reload": "1"}).confirmed()
    assert marc.list("Trash").rows == []
    marc.ask("mail", "expunge", {"_mbox": "Classe", "_reload": "1"}).confirmed()
    assert {"Devoir 1", "Devoir 8", "Devoir 9"} <= set(box(marc, "Classe"))


def test_writing(stack: Stack, browser: Callable[[str], Browser]) -> None:
    marc, chloe = browser("marc.garnier"), browser("chloe.moreau")
    fields = marc.compose()
    fields |= {
        "_to": "Chloé <chloe.moreau@ac-demo.test>",
        "_subject": "Épreuve blanche",
        "_message": "Bonjour Chloé,\nà lundi.",
    }
    marc.attach(fields["_id"], "sujet é.txt", "text/plain", b"Enonce\r\n" * 2000)
    saved = marc.send(fields, draft=True)
    assert "confirmation" in saved
    draft = box(marc, "Drafts")["Épreuve blanche"]

    again = marc.compose(_mbox="Drafts", _draft_uid=draft)
    assert again["_subject"] == "Épreuve blanche"
    assert "à lundi" in again["_message"]
    again["_message"] += "\nMarc"
    marc.send(again, draft=True)
    assert marc.list("Drafts").subjects == ["Épreuve blanche"]
    draft = box(marc, "Drafts")["Épreuve blanche"]
    final = marc.compose(_mbox="Drafts", _draft_uid=draft)
    assert "confirmation" in marc.send(final)
    assert marc.list("Drafts").rows == []
    assert "Épreuve blanche" in box(marc, "Sent")

    uid = wait_for(chloe, "INBOX", "Épreuve blanche")
    page = chloe.page("mail", "show", _mbox="INBOX", _uid=uid)
    assert "sujet é.txt" in page
    assert "Marc" in page
    reply = chloe.compose(_reply_uid=uid, _mbox="INBOX")
    assert reply["_subject"] == "Re: Épreuve blanche"
    assert "> Bonjour" in reply["_message"]
    assert "marc.garnier@ac-demo.test" in reply["_to"]
    assert "confirmation" in chloe.send({**reply, "_message": "Entendu.\n" + reply["_message"]})
    forward = chloe.compose(_forward_uid=uid, _mbox="INBOX", _attachment=1)
    assert "confirmation" in chloe.send({**forward, "_to": "jerome.petit@ac-demo.test"})
    flags = next(row["flags"] for row in chloe.list("INBOX").rows if row["uid"] == uid)
    assert flags.get("answered")
    assert flags.get("forwarded")
    wait_for(marc, "INBOX", "Re: Épreuve blanche")
    wait_for(browser("jerome.petit"), "INBOX", forward["_subject"])


def wait_for(one: Browser, mailbox: str, subject: str) -> int:
    """UID of a mail that comes soon."""
    end = time.monotonic() + 30
    while subject not in box(one, mailbox):
        assert time.monotonic() < end, box(one, mailbox)
        time.sleep(0.2)
    return box(one, mailbox)[subject]


def test_folders(stack: Stack, browser: Callable[[str], Browser]) -> None:
    marc = browser("marc.garnier")
    assert "confirmation" in marc.save_folder("Réunions & co")
    assert "confirmation" in marc.save_folder("2026", "R&AOk-unions &- co")
    page = marc.page("settings", "folders")
    assert "Réunions &amp; co" in page
    assert "2026" in page
    assert "confirmation" in marc.save_folder("Conseils d'été", "", "R&AOk-unions &- co")
    new = "Conseils d'&AOk-t&AOk-"
    put(stack, "marc.garnier", [mail("Compte rendu")], f'"{new}"')
    assert box(marc, new) == {"Compte rendu": 1}
    assert box(marc, f"{new}/2026") == {}
    details = marc.page("settings", "edit-folder", _mbox=new, _framed=1)
    assert "Conseils d" in details
    marc.folder("unsubscribe", f"{new}/2026").confirmed()
    assert f'rel="{html.escape(new)}/2026"' not in marc.page("mail")
    marc.folder("subscribe", f"{new}/2026").confirmed()
    marc.ask("settings", "folder-size", {"_mbox": new}).confirmed()
    marc.folder("purge", new).confirmed()
    assert box(marc, new) == {}
    marc.folder("delete", f"{new}/2026").confirmed()
    marc.folder("delete", new).confirmed()
    assert "Conseils" not in marc.page("settings", "folders")


def test_sharing(stack: Stack, browser: Callable[[str], Browser]) -> None:
    marc, chloe = browser("marc.garnier"), browser("chloe.moreau")
    assert "confirmation" in marc.save_folder("Équipe")
    name = "&AMk-quipe"
    put(stack, "marc.garnier", [mail("À partager")], f'"{name}"')
    form = marc.page("settings", "edit-folder", _mbox=name, _framed=1)
    assert "acl" in form
    given = marc.ask(
        "settings", "plugin.acl", {"_act": "save", "_mbox": name, "_user": "chloe.moreau", "_acl": "lrswite"}
    )
    given.confirmed()
    shared = f"user/marc.garnier/{name}"
    listed = chloe.page("settings", "folders")
    assert "Équipe" in listed
    chloe.folder("subscribe", shared).confirmed()
    assert f'rel="{html.escape(shared)}"' in chloe.page("mail")
    assert chloe.list(shared).subjects == ["À partager"]
    chloe.mark("flagged", "1", shared).confirmed()
    assert marc.list(name).rows[0]["flags"].get("flagged")
    chloe.move("1", "Archive", shared, action="copy").confirmed()
    assert "À partager" in box(chloe, "Archive")
    put(stack, "chloe.moreau", [mail("Pour tous")])
    chloe.move(str(box(chloe, "INBOX")["Pour tous"]), shared).confirmed()
    assert "Pour tous" in box(marc, name)
    marc.ask("settings", "plugin.acl", {"_act": "delete", "_mbox": name, "_user": "chloe.moreau"}).confirmed()
    assert "Équipe" not in chloe.page("settings", "folders")

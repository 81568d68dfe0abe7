"""Debian's Thunderbird over the running stack: one session of a teacher, and nothing of it refused by IMAP."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.whole.conftest import Stack
from tests.whole.thunderbird import Person, Thunderbird, thunderbird

Need = Callable[[str, str], str]

#: One stack and one program for all tests of this file, in one process.
pytestmark = pytest.mark.xdist_group("thunderbird")

CHLOE = "chloe.moreau"


@pytest.fixture(scope="module")
def running(stack: Stack, tmp_path_factory: pytest.TempPathFactory, need: Need) -> Iterator[Thunderbird]:
    program = need("thunderbird", "thunderbird")
    chloe = stack.user(CHLOE)
    person = Person(CHLOE, chloe["password"], chloe["address"], chloe["name"])
    ports = (stack.facts["imaps_port"], stack.facts["submission_port"])
    folder = tmp_path_factory.mktemp("thunderbird")
    with thunderbird(folder, program, person, Path(stack.facts["ca_file"]), *ports) as one:
        one.run("await until('the inbox', inbox); await update(inbox());")
        one.run("server.performExpand(null); await until('the folders', () => folder('Trash'));")
        held = len(on_server(stack, "INBOX"))
        one.run("await until('the mail in it', () => messages(inbox()).length >= args[0]);", held)
        yield one


@pytest.fixture
def bird(running: Thunderbird) -> Iterator[Thunderbird]:
    before = len(running.imap_log())
    yield running
    assert refusals(running.imap_log()[before:]) == []


def refusals(log: str) -> list[str]:
    """Answers of the IMAP server that are not OK."""
    heard = re.findall(r"CreateNewLineFromSocket: (.*)", log)
    return [line.strip() for line in heard if re.match(r"(\d+|\*) (NO|BAD) ", line)]


def idles(bird: Thunderbird) -> bool:
    """Whether the last that was said about the inbox is IDLE, and accepted."""
    said = re.findall(r":S-INBOX:(SendData|CreateNewLineFromSocket): (.*)", bird.imap_log())
    return said[-1][0] != "SendData" and said[-1][1].startswith("+ ") and "IDLE" in said[-2][1]


def put(stack: Stack, subject: str, body: str = "Bonjour.\n", mailbox: str = "INBOX", flags: str = "") -> None:
    message = EmailMessage()
    message["From"] = "Sophie <sophie@example.net>"
    message["To"] = f"{CHLOE}@ac-demo.test"
    message["Subject"] = subject
    message["Date"] = "Thu, 01 Oct 2026 10:00:00 +0200"
    message["Message-ID"] = f"<{time.monotonic_ns()}@example.net>"
    message.set_content(body)
    with stack.imap(CHLOE) as client:
        assert client.append(mailbox, flags, "", message.as_bytes())[0] == "OK"


def on_server(stack: Stack, mailbox: str, login: str = CHLOE) -> dict[str, set[str]]:
    """Flags by subject."""
    found = {}
    with stack.imap(login) as client:
        assert client.select(mailbox, readonly=True)[0] == "OK"
        _, answers = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        for item in answers:
            if isinstance(item, tuple):
                flags = re.search(rb"FLAGS \(([^)]*)\)", item[0])
                subject = item[1].decode().removeprefix("Subject:").strip()
                found[str(make_header(decode_header(subject)))] = set(flags[1].decode().split()) if flags else set()
    return found


def soon(check: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_folders_and_their_purposes(bird: Thunderbird) -> None:
    names = bird.run("return root.subFolders.map(one => one.name);")
    assert names[0] == "INBOX"
    assert set(names) >= {"Archive", "Drafts", "Junk", "Sent", "Templates", "Trash"}
    purposes = bird.run(
        "return ['Archive', 'Drafts', 'Junk', 'SentMail', 'Trash'].map("
        "name => root.getFolderWithFlags(Ci.nsMsgFolderFlags[name])?.name);"
    )
    assert purposes == ["Archive", "Drafts", "Junk", "Sent", "Trash"]
    assert "Bienvenue dans votre messagerie" in bird.run(
        "return messages(inbox()).map(one => one.mime2DecodedSubject);"
    )
    limits = bird.run(
        """
        const box = inbox().QueryInterface(Ci.nsIMsgImapMailFolder);
        return box.getQuota().map(one => [one.usage > 0, Number(one.limit)]);
        """
    )
    assert limits == [[True, 5242880]]


def test_opening_a_message_reads_it(bird: Thunderbird, stack: Stack) -> None:
    subject = "Conseil pédagogique de mardi : ordre du jour"
    text, attachments = bird.run(
        """
        const hdr = mail(inbox(), args[0]);
        const {MsgHdrToMimeMessage} = ChromeUtils.importESModule("resource:///modules/gloda/MimeMessage.sys.mjs");
        const mime = await new Promise(done => MsgHdrToMimeMessage(hdr, null, (_, mime) => done(mime), true));
        const names = mime.allUserAttachments.map(one => [one.name, one.contentType, one.size]);
        const text = mime.coerceBodyToPlaintext(hdr.folder);
        const tabs = window.document.getElementById("tabmail");
        MailUtils.displayMessageInFolderTab(hdr);
        await until("read", () => hdr.isRead);
        return [text, names];
        """,
        subject,
    )
    assert "La réunion a lieu mardi à 17 h 30" in text
    assert [(name, kind) for name, kind, _ in attachments] == [("Ordre du jour – conseil.pdf", "application/pdf")]
    soon(
        lambda: "\\Seen" in next(flags for name, flags in on_server(stack, "INBOX").items() if "Conseil" in name),
        subject,
    )


def test_marks_tags_and_junk(bird: Thunderbird, stack: Stack) -> None:
    put(stack, "A marquer")
    bird.run(
        """
        await update(inbox());
        const hdr = mail(inbox(), "A marquer");
        inbox().markMessagesRead([hdr], true);
        inbox().markMessagesFlagged([hdr], true);
        inbox().addKeywordsToMessages([hdr], "$label1 projet_x");
        """
    )
    soon(
        lambda: on_server(stack, "INBOX")["A marquer"] >= {"\\Seen", "\\Flagged", "$label1", "projet_x"},
        "marks and tags",
    )
    bird.run(
        """
        const hdr = mail(inbox(), "A marquer");
        inbox().markMessagesRead([hdr], false);
        inbox().removeKeywordsFromMessages([hdr], "$label1");
        inbox().setJunkScoreForMessages([hdr], "100", "user", -1);
        """
    )
    soon(
        lambda: on_server(stack, "INBOX")["A marquer"] - {"\\Recent"} == {"\\Flagged", "projet_x", "Junk"},
        "marks and tags gone, junk",
    )
    bird.run("inbox().setJunkScoreForMessages([mail(inbox(), 'A marquer')], '0', 'user', -1);")
    soon(lambda: "NonJunk" in on_server(stack, "INBOX")["A marquer"], "no junk")


def test_moving_copying_and_deleting(bird: Thunderbird, stack: Stack) -> None:
    for number in range(1, 6):
        put(stack, f"Piece {number}")
    bird.run('await update(inbox()); await until("the mail", () => mail(inbox(), "Piece 5"));')
    carry = """
        await ended(listener => MailServices.copy.copyMessages(
          inbox(), [mail(inbox(), args[0])], folder(args[1]), args[2], listener, null, true));
    """
    for name, target, move in (("Piece 1", "Archive", True), ("Piece 2", "Archive", False), ("Piece 3", "Junk", True)):
        soon(lambda: idles(bird), "IDLE")  # moves are carried out one at a time, a moment later
        bird.run(carry, name, target, move)
        soon(lambda name=name, target=target: name in on_server(stack, target), name)  # type: ignore[misc]
    soon(lambda: idles(bird), "IDLE")
    bird.run(
        """
        await ended(listener => inbox().deleteMessages([mail(inbox(), "Piece 4")], null, false, true, listener, true));
        """
    )
    soon(lambda: "Piece 4" in on_server(stack, "Trash"), "Trash")
    assert set(on_server(stack, "INBOX")) & {f"Piece {number}" for number in range(1, 6)} == {"Piece 2", "Piece 5"}
    shown = bird.run(
        """
        await update(folder("Archive"));
        await update(folder("Junk"));
        await until("the moved ones", () => mail(folder("Archive"), "Piece 1") && mail(folder("Junk"), "Piece 3"));
        return messages(inbox()).map(one => one.mime2DecodedSubject).filter(one => one.startsWith("Piece"));
        """
    )
    assert shown == ["Piece 2", "Piece 5"]


def test_compacting_and_emptying_the_trash(bird: Thunderbird, stack: Stack) -> None:
    put(stack, "A vider", mailbox="Trash")
    put(stack, "A enlever", mailbox="Archive", flags="(\\Deleted)")
    put(stack, "A garder", mailbox="Archive")
    bird.run(
        """
        await update(folder("Archive"));
        await ended(listener => folder("Archive").QueryInterface(Ci.nsIMsgImapMailFolder).expunge(listener, null));
        await update(folder("Trash"));
        await until("the mail in the trash", () => mail(folder("Trash"), "A vider"));
        folder("Trash").emptyTrash({
          QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]), OnStartRunningUrl() {}, OnStopRunningUrl() {},
        });
        """
    )
    soon(lambda: on_server(stack, "Trash") == {}, "an empty trash")
    soon(lambda: "A enlever" not in on_server(stack, "Archive"), "expunged")
    assert "A garder" in on_server(stack, "Archive")


def test_other_sessions_are_seen_at_once(bird: Thunderbird, stack: Stack) -> None:
    """The inbox is in IDLE: nothing is asked here, all is pushed."""
    bird.run("await update(inbox());")
    soon(lambda: idles(bird), "IDLE")
    put(stack, "Poussee")
    bird.run('await until("the pushed mail", () => mail(inbox(), "Poussee"));')
    with stack.imap(CHLOE) as client:
        client.select("INBOX")
        _, (found,) = client.uid("SEARCH", "SUBJECT", "Poussee")
        uid = found.decode()
        soon(lambda: idles(bird), "IDLE again")
        client.uid("STORE", uid, "+FLAGS", "(\\Flagged $label2)")
        bird.run(
            """
            const hdr = mail(inbox(), "Poussee");
            await until("pushed flags", () => hdr.isFlagged && hdr.getStringProperty("keywords").includes("$label2"));
            """
        )
        soon(lambda: idles(bird), "IDLE once more")
        client.uid("STORE", uid, "+FLAGS", "(\\Deleted)")
        client.expunge()
        bird.run('await until("the pushed removal", () => !mail(inbox(), "Poussee"));')


def test_writing(bird: Thunderbird, stack: Stack) -> None:
    script = """
        const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
        fields.to = "Marc Garnier <marc.garnier@ac-demo.test>";
        fields.subject = args[0];
        fields.body = "Bonjour Marc,\\nà lundi, près de l'école.\\n";
        const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
        params.composeFields = fields;
        params.identity = account.defaultIdentity;
        params.type = Ci.nsIMsgCompType.New;
        params.format = Ci.nsIMsgCompFormat.PlainText;
        MailServices.compose.OpenComposeWindowWithParams(null, params);
        const composer = await until("the compose window", () => {
          const found = Services.wm.getMostRecentWindow("msgcompose");
          return found?.composeEditorReady && found;
        });
    """
    bird.run(
        script
        + """
        composer.SaveAsDraft();
        await until("saved", () =>
          !composer.gSendOperationInProgress && !composer.gContentChanged && !composer.gWindowLocked);
        await until("a draft", () => mail(folder("Drafts"), args[0]) || (folder("Drafts").updateFolder(null), false));
        composer.close();
        """,
        "Brouillon d'été",
    )
    assert "\\Draft" in on_server(stack, "Drafts")["Brouillon d'été"]
    bird.run(
        script
        + """
        composer.GenericSendMessage(Ci.nsIMsgCompDeliverMode.Now);
        await until("sent", () => composer.closed);
        """,
        "Épreuves d'été",
    )
    soon(lambda: "Épreuves d'été" in on_server(stack, "Sent"), "the copy in Sent")
    assert "\\Seen" in on_server(stack, "Sent")["Épreuves d'été"]
    soon(lambda: "Épreuves d'été" in on_server(stack, "INBOX", "marc.garnier"), "mail")


def test_search_on_the_server(bird: Thunderbird, stack: Stack) -> None:
    put(stack, "Sortie au chateau", "Rendez-vous à la gare d'Alès.\n", mailbox="Archive")
    put(stack, "Autre", "Rien.\n", mailbox="Archive")
    find = """
        await update(folder("Archive"));
        const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
        session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder("Archive"));
        const term = session.createTerm();
        term.attrib = Ci.nsMsgSearchAttrib[args[0]];
        term.op = Ci.nsMsgSearchOp.Contains;
        const value = term.value;
        value.attrib = term.attrib;
        value.str = args[1];
        term.value = value;
        session.appendTerm(term);
        const found = [];
        await new Promise(done => {
          session.registerListener({
            QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
            onSearchHit(hdr) { found.push(hdr.mime2DecodedSubject); }, onSearchDone: done, onNewSearch() {},
          }, Ci.nsIMsgSearchSession.allNotifications);
          session.search(null);
        });
        return found;
    """
    assert bird.run(find, "Body", "gare d'Alès") == ["Sortie au chateau"]
    assert bird.run(find, "Subject", "CHATEAU") == ["Sortie au chateau"]
    assert bird.run(find, "Body", "nulle part") == []


def test_everything_for_offline_use(bird: Thunderbird, stack: Stack) -> None:
    put(stack, "Longue", "Une ligne du texte, encore une.\n" * 20_000, mailbox="Archive")
    sizes = bird.run(
        """
        await update(folder("Archive"));
        await ended(listener => folder("Archive").downloadAllForOffline(listener, null));
        return messages(folder("Archive")).map(
          one => [one.flags & Ci.nsMsgMessageFlags.Offline, one.offlineMessageSize > 0]);
        """
    )
    assert sizes
    assert all(offline and some for offline, some in sizes)
    text = bird.run(
        """
        const {MsgHdrToMimeMessage} = ChromeUtils.importESModule("resource:///modules/gloda/MimeMessage.sys.mjs");
        const hdr = mail(folder("Archive"), "Longue");
        const mime = await new Promise(done => MsgHdrToMimeMessage(hdr, null, (_, mime) => done(mime), true));
        return mime.coerceBodyToPlaintext(hdr.folder);
        """
    )
    assert text.count("Une ligne du texte, encore une.") == 20_000


def test_folders_are_made_renamed_and_removed(bird: Thunderbird, stack: Stack) -> None:
    bird.run(
        """
        root.createSubfolder("Réunions & co", null);
        const made = await until("a folder", () => folder("Réunions & co"));
        made.createSubfolder("2026", null);
        await until("a folder within", () => folder("Réunions & co/2026"));
        folder("Réunions & co").rename("Conseils d'été", null);
        await until("the new name", () => folder("Conseils d'été/2026") && !folder("Réunions & co"));
        """
    )
    with stack.imap(CHLOE) as client:
        listed = b"\n".join(item for item in client.list()[1] if isinstance(item, bytes))
        assert b'"Conseils d\'&AOk-t&AOk-/2026"' in listed
        assert b"unions" not in listed
        subscribed = b"\n".join(item for item in client.lsub()[1] if isinstance(item, bytes))
        assert b'"Conseils d\'&AOk-t&AOk-/2026"' in subscribed
    bird.run(
        """
        folder("Conseils d'été/2026").deleteSelf(null);
        await until("no folder", () => !folder("Conseils d'été/2026"));
        """
    )


def test_a_shared_folder_shows_up(bird: Thunderbird, stack: Stack) -> None:
    with stack.imap("marc.garnier") as marc:
        marc.create("&AMk-quipe")
        marc.setacl("&AMk-quipe", CHLOE, "lrsw")
        message = EmailMessage()
        message["Subject"] = "Pour toute la classe"
        message.set_content("Bonjour.\n")
        marc.append("&AMk-quipe", "", "", message.as_bytes())
    with stack.imap(CHLOE) as chloe:
        assert chloe.subscribe("user/marc.garnier/&AMk-quipe")[0] == "OK"
    shown, writable = bird.run(
        """
        server.performExpand(null);
        const shared = await until("the shared folder", () => folder("user/marc.garnier/Équipe"));
        await update(shared);
        await until("its mail", () => messages(shared).length);
        shared.markMessagesFlagged(messages(shared), true);
        return [messages(shared).map(one => one.mime2DecodedSubject), shared.canFileMessages];
        """
    )
    assert shown == ["Pour toute la classe"]
    assert not writable
    with stack.imap("marc.garnier") as marc:
        marc.select("&AMk-quipe", readonly=True)
        soon(lambda: marc.noop()[0] == "OK" and marc.search(None, "FLAGGED")[1] == [b"1"], "the flag of the other")

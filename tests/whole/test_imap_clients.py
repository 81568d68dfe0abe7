"""Programs that people use, against the IMAP service: they need no options of their own."""

from __future__ import annotations

import asyncio
import imaplib
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.imap_service import PASSWORD, Service, letter, service

Need = Callable[[str, str], str]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, trusted=False) as one:
        yield one


def test_imaplib(running: Service) -> None:
    context = ssl.create_default_context(cafile=running.ca)
    running.fill("INBOX", 2)
    with imaplib.IMAP4("localhost", running.port) as client:
        client.starttls(context)
        client.login("marie@example.org", PASSWORD)
        client.enable("CONDSTORE")
        assert client.select() == ("OK", [b"2"])
        # imaplib quotes nothing by itself, and sends flags as None.
        assert client.append("INBOX", None, None, letter("trois"))[0] == "OK"  # type: ignore[arg-type]
        assert client.search(None, "SUBJECT", '"trois"') == ("OK", [b"3"])
        assert client.uid("STORE", "3", "+FLAGS", "(\\Deleted)")[0] == "OK"
        assert client.expunge() == ("OK", [b"3"])
        assert client.fetch("1", "(RFC822)")[1][0][1].startswith(b"From: Marie")  # type: ignore[index]
        assert client.copy("1", "Trash")[0] == "OK"
        assert client.status("Trash", "(MESSAGES)") == ("OK", [b"Trash (MESSAGES 1)"])
        assert client.create('"classe 6e"')[0] == "OK"
        assert b'(\\HasNoChildren) "/" "classe 6e"' in client.list()[1]
        assert client.getquotaroot("INBOX")[0] == "OK"
        assert client.close()[0] == "OK"


def test_curl(running: Service, need: Need, tmp_path: Path) -> None:
    curl = need("curl", "curl")
    running.fill("INBOX", 2)
    base = [curl, "-sS", "--cacert", str(running.ca), "-u", f"marie:{PASSWORD}", "--max-time", "20"]
    address = f"imaps://localhost:{running.tls_port}"

    def run(*arguments: str) -> str:
        return subprocess.run([*base, *arguments], check=True, capture_output=True, text=True, timeout=30).stdout

    assert "Subject: Message 2" in run(f"{address}/INBOX;MAILINDEX=2")
    assert run(f"{address}/INBOX?SUBJECT%20%22Message%201%22").strip() == "* SEARCH 1"
    (tmp_path / "letter.eml").write_bytes(letter("par curl"))
    run("-T", str(tmp_path / "letter.eml"), f"{address}/INBOX")
    assert "Subject: par curl" in run("--ssl-reqd", f"imap://localhost:{running.port}/INBOX;UID=3")


def test_mbsync(running: Service, need: Need, tmp_path: Path) -> None:
    mbsync = need("mbsync", "isync")
    running.fill("INBOX", 5)
    running.fill("Sent", 3)
    local = tmp_path / "local"
    local.mkdir()
    (tmp_path / "mbsyncrc").write_text(
        f"""
IMAPAccount school
Host localhost
Port {running.tls_port}
User marie
Pass "{PASSWORD}"
SSLType IMAPS
CertificateFile {running.ca}

IMAPStore far
Account school

MaildirStore near
Path {local}/
Inbox {local}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
"""
    )

    def sync() -> None:
        command = [mbsync, "-c", str(tmp_path / "mbsyncrc"), "-a"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    sync()
    inbox = [*(local / "INBOX" / "cur").iterdir(), *(local / "INBOX" / "new").iterdir()]
    assert len(inbox) == 5
    assert len(list((local / "Sent").glob("*/*"))) >= 3
    # A message read and one removed here, one new: the next run carries it over.
    inbox[0].unlink()
    name = inbox[1].name.partition(":")[0]
    inbox[1].rename(local / "INBOX" / "cur" / f"{name}:2,S")
    (local / "INBOX" / "new" / "1.mine.host").write_bytes(letter("nouvelle"))
    sync()
    box = running.store.mailbox(running.account, "INBOX")
    assert (box.messages, box.unseen) == (5, 4)


def run(*command: str, home: Path) -> str:
    """Output of a program that must succeed; ``home`` keeps its files away from the user's."""
    environment = {"HOME": str(home), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=home, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_offlineimap(running: Service, need: Need, tmp_path: Path) -> None:
    offlineimap = need("offlineimap", "offlineimap3")
    running.fill("INBOX", 4)
    local = tmp_path / "local"
    (tmp_path / "rc").write_text(
        f"""
[general]
accounts = school
metadata = {tmp_path}/metadata

[Account school]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {local}

[Repository far]
type = IMAP
remotehost = localhost
remoteport = {running.tls_port}
remoteuser = marie
remotepass = {PASSWORD}
ssl = yes
sslcacertfile = {running.ca}
"""
    )

    def sync() -> None:
        run(offlineimap, "-c", str(tmp_path / "rc"), "-o", "-u", "basic", home=tmp_path)

    sync()
    inbox = [*(local / "INBOX" / "new").iterdir(), *(local / "INBOX" / "cur").iterdir()]
    assert len(inbox) == 4
    # One is removed, one is read, one is new: the next run carries it over.
    inbox[0].unlink()
    inbox[1].rename(local / "INBOX" / "cur" / (inbox[1].name.partition(":")[0] + ":2,S"))
    (local / "INBOX" / "new" / "1.mine.host").write_bytes(letter("nouvelle"))
    sync()
    box = running.store.mailbox(running.account, "INBOX")
    assert (box.messages, box.unseen) == (4, 3)


def test_fetchmail(running: Service, need: Need, tmp_path: Path) -> None:
    fetchmail = need("fetchmail", "fetchmail")
    running.fill("INBOX", 3)
    taken = tmp_path / "taken"
    rc = tmp_path / "fetchmailrc"
    rc.write_text(
        f"""
poll localhost protocol imap port {running.tls_port}
  username "marie" password "{PASSWORD}"
  ssl sslcertck sslcertfile "{running.ca}"
  fetchall no rewrite mda "cat >> {taken}"
"""
    )
    rc.chmod(0o600)
    run(fetchmail, "-f", str(rc), "--nosyslog", "--pidfile", str(tmp_path / "pid"), home=tmp_path)
    assert [f"Message {number}" in taken.read_text() for number in (1, 2, 3)] == [True] * 3
    assert running.store.mailbox(running.account, "INBOX").messages == 0


def test_getmail(running: Service, need: Need, tmp_path: Path) -> None:
    getmail = need("getmail", "getmail6")
    running.fill("INBOX", 3)
    taken = tmp_path / "taken"
    (tmp_path / "rc").write_text(
        f"""
[retriever]
type = SimpleIMAPSSLRetriever
server = localhost
port = {running.tls_port}
username = marie
password = {PASSWORD}
ca_certs = {running.ca}
mailboxes = ("INBOX", "Sent")

[destination]
type = MDA_external
path = /usr/bin/tee
arguments = ("-a", "{taken}")
allow_root_commands = true

[options]
delete = true
read_all = false
"""
    )
    running.fill("Sent", 1)
    run(getmail, "--getmaildir", str(tmp_path), "--rcfile", "rc", home=tmp_path)
    assert taken.read_text().count("Subject: Message 1") == 2
    assert running.store.mailbox(running.account, "INBOX").messages == 0


def test_imapclient(running: Service) -> None:
    imapclient = pytest.importorskip("imapclient")
    running.fill("INBOX", 3)
    context = ssl.create_default_context(cafile=running.ca)
    with imapclient.IMAPClient("localhost", running.tls_port, ssl_context=context) as client:
        client.login("marie", PASSWORD)
        client.enable("CONDSTORE")
        client.create_folder("Réunions & co")
        assert b"\\HasNoChildren" in next(flags for flags, _, name in client.list_folders() if name == "Réunions & co")
        assert client.find_special_folder(b"\\Trash") == "Trash"
        selected = client.select_folder("INBOX")
        assert (selected[b"EXISTS"], selected[b"READ-WRITE"]) == (3, True)
        assert client.search(["SUBJECT", "Message 2"]) == [2]
        fetched = client.fetch([1, 2], ["ENVELOPE", "BODYSTRUCTURE", "INTERNALDATE", "BODY[]<0.10>", "MODSEQ"])
        assert fetched[1][b"ENVELOPE"].subject == b"Message 1"
        assert fetched[2][b"BODY[]<0>"] == b"From: Mari"
        assert not fetched[2][b"BODYSTRUCTURE"].is_multipart
        client.add_flags([1], [imapclient.DELETED, b"urgent"])
        assert set(client.get_flags([1])[1]) >= {imapclient.DELETED, b"urgent"}
        client.copy([2], "Réunions & co")
        client.uid_expunge([1])
        client.move([2], "Trash")
        assert client.search() == [3]
        client.idle()
        running.deliver()
        heard: list[tuple[object, ...]] = []
        while (2, b"EXISTS") not in heard:
            pushed = client.idle_check(timeout=10)
            assert pushed, heard
            heard += pushed
        client.idle_done()
        assert client.folder_status("Trash", ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 1, b"UNSEEN": 0}
        assert client.get_quota()[0].resource == "STORAGE"


#: Failures of the suite itself, whatever the server: it reads its settings as a mapping, compares an Envelope as a
#: sequence, moves by number with a library that can't, and wants a network that is slower than loopback.
SUITES_OWN = {
    "test_getacl",
    "test_fetch",
    "test_move",
    "test_small_connection_timeout_fail",
    "test_small_read_timeout_fail",
}


def test_imapclient_live_suite(running: Service, tmp_path: Path) -> None:
    """The suite that imapclient's authors run against servers, as it comes with the package."""
    pytest.importorskip("imapclient")
    settings = tmp_path / "live.ini"
    settings.write_text(
        f"[DEFAULT]\nhost = localhost\nport = {running.tls_port}\nusername = marie\npassword = {PASSWORD}\n"
        f"ssl = true\nssl_ca_file = {running.ca}\n"
    )
    command = [sys.executable, "-m", "imapclient.livetest", str(settings), "-v"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    ran = re.search(r"^Ran ([0-9]+) tests", done.stderr, re.MULTILINE)
    assert ran, done.stderr
    assert int(ran[1]) > 50
    failed = set(re.findall(r"^(?:ERROR|FAIL): (\w+)", done.stderr, re.MULTILINE))
    assert failed <= SUITES_OWN, done.stderr


def test_aioimaplib_in_idle(running: Service) -> None:
    aioimaplib = pytest.importorskip("aioimaplib")
    running.fill("INBOX", 1)

    async def session() -> list[bytes]:
        context = ssl.create_default_context(cafile=running.ca)
        client = aioimaplib.IMAP4_SSL("localhost", running.tls_port, timeout=10, ssl_context=context)
        await client.wait_hello_from_server()
        assert (await client.login("marie", PASSWORD)).result == "OK"
        assert (await client.select("INBOX")).result == "OK"
        waiting = await client.idle_start(timeout=20)
        await asyncio.get_running_loop().run_in_executor(None, running.deliver)
        pushed: list[bytes] = []
        while b"2 EXISTS" not in pushed:
            pushed += await client.wait_server_push(timeout=10)
        client.idle_done()
        await asyncio.wait_for(waiting, 10)
        fetched = await client.uid("fetch", "2", "(FLAGS BODY.PEEK[])")
        assert fetched.result == "OK"
        await client.logout()
        return list(fetched.lines)

    assert any(b"Subject: Nouvelle" in line for line in asyncio.run(session()))

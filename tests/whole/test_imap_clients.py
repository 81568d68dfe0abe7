"""Programs that people use, against the IMAP service: they need no options of their own."""

from __future__ import annotations

import imaplib
import ssl
import subprocess
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

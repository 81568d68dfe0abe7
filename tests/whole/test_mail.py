"""Mail in, judged, kept, read and sent, over sockets, with real clients."""

from __future__ import annotations

import contextlib
import imaplib
import os
import re
import select
import smtplib
import subprocess
import tarfile
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.whole]


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    """Nothing is held back here: what is bad is in Junk, where IMAP shows it (``test_quarantine.py`` has the rest)."""
    wishes = ("spam.hold_from=0", "spam.hold_impersonation_from=0", "spam.programs=junk")
    return tuple(word for wish in wishes for word in ("--set", wish))


def letter(
    to: str, subject: str, sender: str = "parent@example.net", body: str = "Bonjour à tous,\n\n.\n..\nÀ bientôt\n"
) -> bytes:
    message = EmailMessage(policy=SMTP.clone(cte_type="8bit"))
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = "Mon, 05 Oct 2026 10:00:00 +0200"
    message["Message-ID"] = f"<{time.monotonic_ns()}@example.net>"
    message.set_content(body, cte="8bit")
    return message.as_bytes()


def test_the_ready_file_tells_all(stack: Any) -> None:
    facts = stack.facts
    assert facts["pid"] == stack.process.pid
    assert len(facts["users"]) == 11
    assert {user["role"] for user in facts["users"]} >= {"ops", "teacher", "head", "student"}
    assert [facts[name] for name in ("lmtp_port", "managesieve_port")] == [None, None]
    assert facts["http_url"] == f"https://localhost:{facts['https_port']}"
    for user in facts["users"]:
        assert set(user) == {"login", "address", "name", "password", "role"}


def test_the_first_letters_are_there(stack: Any) -> None:
    assert stack.count("marc.garnier") >= 3
    assert any(
        b"Bienvenue dans votre messagerie" in octets
        for octets in stack.messages("ops") + stack.messages("zoe.chevalier")
    )


def test_mail_from_outside_is_read_as_it_was_sent(stack: Any) -> None:
    to = stack.user("chloe.moreau")["address"]
    octets = letter(to, "Test d'octets")
    with stack.mx() as client:
        client.ehlo()
        assert all(map(client.has_extn, ("pipelining", "size", "8bitmime", "smtputf8", "chunking", "dsn", "starttls")))
        client.sendmail("parent@example.net", [to], octets, ["BODY=8BITMIME", "RET=HDRS"])
    (got,) = [one for one in stack.messages("chloe.moreau") if b"Test d'octets" in one]
    assert got.endswith(octets)
    head = got[: -len(octets)]
    assert head.startswith(b"Return-Path: <parent@example.net>\r\n")
    assert head.count(b"Received: ") == 1
    assert head.count(b"Authentication-Results: ") == 1
    assert b"X-Spam-Status: No" in head


def test_real_mail_comes_back_byte_identical(stack: Any, corpus: Path) -> None:
    """A sample of each kind of the corpora goes in by SMTP and out by IMAP."""
    sent: dict[str, bytes] = {}
    to = stack.user("noel.berenger")["address"]
    with tarfile.open(corpus / "dev-classic.tar.xz") as archive:
        members = [member for member in archive if member.isfile() and "/data/" in member.name][::48]
        for number, member in enumerate(members):
            file = archive.extractfile(member)
            assert file is not None
            raw = file.read().replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\0", b"")
            octets = f"X-Sample: {number}\r\n".encode() + raw.replace(b"\n", b"\r\n").rstrip(b"\r\n") + b"\r\n"
            sent[str(number)] = octets
    refused = set()
    with stack.mx() as client:
        client.ehlo()
        for number, octets in sent.items():
            client.mail("list@example.net", ["BODY=8BITMIME"])
            client.rcpt(to)
            code, text = client.data(octets)
            # Near-certain spam is refused; everything else must be kept.
            assert code in (250, 550), text
            if code == 550:
                refused.add(number)
    got = {}
    for mailbox in ("INBOX", "Junk"):
        for octets in stack.messages("noel.berenger", mailbox):
            if match := re.search(rb"^X-Sample: (\d+)\r\n", octets, re.MULTILINE):
                got[match[1].decode()] = octets
    assert set(got) == set(sent) - refused
    assert len(refused) < len(sent) / 4
    for number, octets in got.items():
        original = sent[number]
        start = octets.index(b"X-Sample: ")
        kept = octets[start:]
        # Only fields that claim to be ours are taken out of a message.
        if b"\nX-Spam" not in original and b"\nAuthentication-Results" not in original:
            assert kept == original


def test_pieces_of_a_message(stack: Any) -> None:
    """The message that a phone asks for in pieces is the one that a desktop gets whole."""
    with stack.imap("marc.garnier") as client:
        client.select("INBOX")
        _, found = client.search(None, "SUBJECT", '"ordre du jour"')
        number = found[0].split()[0]
        _, whole = client.fetch(number, "(BODY.PEEK[])")
        octets = whole[0][1]
        pieces = b""
        while True:
            _, part = client.fetch(number, f"(BODY.PEEK[]<{len(pieces)}.1000>)")
            assert f"BODY[]<{len(pieces)}>".encode() in part[0][0]
            if not part[0][1]:
                break
            pieces += part[0][1]
        assert pieces == octets
        _, data = client.fetch(number, "(ENVELOPE BODYSTRUCTURE RFC822.SIZE)")
        line = b" ".join(one if isinstance(one, bytes) else b" ".join(one) for one in data)
        assert f"RFC822.SIZE {len(octets)}".encode() in line
        assert b'"application" "pdf"' in line.lower()


def test_wrong_password_and_unknown_user_get_the_same_answer(stack: Any) -> None:
    answers = set()
    for login in ("beatrice.cote", "nobody.at.all"):
        client = imaplib.IMAP4_SSL("localhost", stack.facts["imaps_port"], ssl_context=stack.tls, timeout=60)
        with pytest.raises(imaplib.IMAP4.error) as error:
            client.login(login, "wrong")
        answers.add(str(error.value))
        client.shutdown()
        with pytest.raises(smtplib.SMTPAuthenticationError) as smtp_error, stack.submission(login, "wrong"):
            pass
        assert smtp_error.value.smtp_code == 535
        answers.add(str(smtp_error.value.smtp_error))
    assert len(answers) == 2


def test_no_relay_for_outsiders(stack: Any) -> None:
    with stack.mx() as client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.mail("parent@example.net")
        assert client.rcpt("somebody@elsewhere.example")[0] == 550
        assert client.rcpt(f"somebody%elsewhere.example@{stack.domain}")[0] == 550
        code, text = client.rcpt(f"nobody@{stack.domain}")
        assert (code, text[:5]) == (550, b"5.1.1")
        assert client.rcpt("postmaster")[0] == 250
        assert client.rcpt(f"abuse@{stack.domain}")[0] == 250


def test_too_big_is_refused_early_and_late(stack: Any) -> None:
    to = stack.user("zoe.chevalier")["address"]
    with stack.mx() as client:
        client.ehlo()
        code, text = client.docmd(f"MAIL FROM:<a@example.net> SIZE={30 * 1024 * 1024}")
        assert (code, text[:5]) == (552, b"5.3.4")
        before = stack.count("zoe.chevalier")
        client.mail("a@example.net")
        client.rcpt(to)
        code, _ = client.data(letter(to, "gros") + b"x" * 76 * 1024 + b"\r\n" + (b"y" * 998 + b"\r\n") * 21 * 1024)
        assert code == 552
        assert client.noop()[0] == 250
    assert stack.count("zoe.chevalier") == before


def test_people_send_as_themselves_only(stack: Any) -> None:
    me, other = stack.user("renee.fontaine")["address"], stack.user("helene.lefevre")["address"]
    with stack.submission("renee.fontaine") as client:
        assert client.mail(other)[0] == 553
        client.rset()
        with pytest.raises(smtplib.SMTPDataError) as error:
            client.sendmail(me, [me], letter(me, "faux", sender=other))
        assert error.value.smtp_code == 550
        client.sendmail(
            me,
            [other],
            b"From: "
            + me.encode()
            + b"\r\nTo: "
            + other.encode()
            + b"\r\nBcc: x@example.net\r\nSubject: reparation\r\n\r\nbonjour\r\n",
        )
    (got,) = [one for one in stack.messages("helene.lefevre") if b"Subject: reparation" in one]
    assert b"\r\nMessage-ID: <" in got
    assert b"\r\nDate: " in got
    assert b"Bcc" not in got


def test_over_quota_is_told(stack: Any) -> None:
    person = stack.user("francois.dupre")
    done = stack.command("account", "quota", "francois.dupre", "20000")
    assert done.returncode == 0, done.stderr
    with stack.mx() as client, pytest.raises(smtplib.SMTPDataError) as error:
        client.sendmail(
            "a@example.net",
            [person["address"]],
            letter(person["address"], "trop", body="x" * 70 + "\n" + ("y" * 70 + "\n") * 400),
        )
    assert error.value.smtp_code in (452, 552)
    assert error.value.smtp_error.startswith((b"4.2.2", b"5.2.2"))
    with stack.imap("francois.dupre") as client:
        kind, text = client.append("INBOX", "", None, letter(person["address"], "trop", body=("y" * 70 + "\n") * 400))
        assert kind == "NO"
        assert b"OVERQUOTA" in text[0]
        kind, text = client.getquotaroot("INBOX")
        assert kind == "OK"


def test_curl_reads_and_searches(stack: Any, need: Callable[[str, str], str]) -> None:
    curl = need("curl", "curl")
    person = stack.user("marc.garnier")

    def get(path: str, *more: str) -> bytes:
        url = f"imaps://localhost:{stack.facts['imaps_port']}/{path}"
        done = subprocess.run(
            [
                *(curl, "-sS", "--cacert", stack.facts["ca_file"], *more, url),
                *("--user", "marc.garnier:" + person["password"]),
            ],
            capture_output=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert b"* LIST" in get("")
    numbers = get("INBOX?ALL").split()[2:]
    assert len(numbers) == stack.count("marc.garnier")
    assert b"Subject:" in get(f"INBOX;MAILINDEX={numbers[0].decode()}")


def test_swaks_delivers_with_tls(stack: Any, need: Callable[[str, str], str]) -> None:
    swaks = need("swaks", "swaks")
    to = stack.user("zoe.chevalier")["address"]
    before = stack.count("zoe.chevalier")
    done = subprocess.run(
        [
            *(swaks, "--server", f"127.0.0.1:{stack.facts['mx_port']}", "-tls"),
            *("--to", to, "--from", "swaks@example.net", "--header", "Subject: swaks"),
        ],
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()
    assert stack.count("zoe.chevalier") == before + 1


def test_mbsync_syncs_both_ways(stack: Any, need: Callable[[str, str], str], tmp_path: Path) -> None:
    """50 messages with flags go down, flags and new messages go up, and a second run has nothing to do."""
    mbsync = need("mbsync", "isync")
    with stack.imap("anais.roux") as client:
        client.create("Sync")
        for number in range(50):
            flags = ("", "(\\Seen)", "(\\Flagged \\Answered)")[number % 3]
            client.append("Sync", flags, None, letter("a@example.net", f"Message {number}"))
    config = tmp_path / "mbsyncrc"
    config.write_text(
        f"""
IMAPStore remote
Host localhost
Port {stack.facts["imaps_port"]}
User anais.roux
Pass {stack.user("anais.roux")["password"]}
SSLType IMAPS
CertificateFile {stack.facts["ca_file"]}

MaildirStore local
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns Sync
Create Both
Expunge Both
SyncState *
"""
    )
    (tmp_path / "mail").mkdir()

    def sync() -> str:
        done = subprocess.run([mbsync, "-c", str(config), "-a", "-V"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    sync()
    box = tmp_path / "mail" / "Sync"
    files = [*box.glob("cur/*"), *box.glob("new/*")]
    assert len(files) == 50
    assert sum("S" in path.name.rpartition(",")[2] for path in box.glob("cur/*")) == 17
    first = sorted(box.glob("cur/*"))[0]
    first.rename(first.with_name(first.name + "T" if first.name[-1] != "T" else first.name))
    (box / "new" / "1.local").write_bytes(letter("b@example.net", "D'en bas").replace(b"\r\n", b"\n"))
    sync()
    with stack.imap("anais.roux") as client:
        _, (count,) = client.select("Sync")
        assert int(count) == 50
        _, found = client.search(None, "SUBJECT", '"en bas"')
        assert found[0]


def test_neomutt_reads_a_mailbox(stack: Any, need: Callable[[str, str], str], tmp_path: Path) -> None:
    neomutt = need("neomutt", "neomutt")
    person = stack.user("marc.garnier")
    rc = tmp_path / "neomuttrc"
    out = tmp_path / "copy"
    rc.write_text(
        f"""
set imap_user="marc.garnier" imap_pass="{person["password"]}" ssl_ca_certificates_file="{stack.facts["ca_file"]}"
set certificate_file="{stack.facts["ca_file"]}" ssl_verify_host=no
set confirmappend=no confirmcreate=no delete=no move=no copy=no
set header_cache="" message_cachedir="" mbox_type=mbox
"""
    )
    # It wants a terminal to read mail; without one it would compose.
    terminal, end = os.openpty()
    done = subprocess.Popen(
        [
            *(neomutt, "-n", "-F", str(rc), "-f", f"imaps://localhost:{stack.facts['imaps_port']}/INBOX"),
            *("-e", f"push '<tag-pattern>~A<enter><copy-message>{out}<enter><exit>'"),
        ],
        stdin=end, stdout=end, stderr=end, start_new_session=True,
        env={"TERM": "xterm", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    os.close(end)
    screen = b""
    end_time = time.monotonic() + 60
    while done.poll() is None and time.monotonic() < end_time:
        if select.select([terminal], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):
                screen += os.read(terminal, 65536)
    done.kill()
    done.wait()
    os.close(terminal)
    assert out.exists(), screen[-2000:]
    # A mailbox file has LF line ends; what neomutt wrote is a message as it was fetched, with its own fields added.
    copy = out.read_bytes().partition(b"\n")[2]
    body = copy.partition(b"\n\n")[2].rstrip(b"\n")
    bodies = [
        one.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n").rstrip(b"\n") for one in stack.messages("marc.garnier")
    ]
    assert body in bodies


def test_moving_to_junk_teaches_the_filter(stack: Any) -> None:
    with stack.imap("jerome.petit") as client:
        client.append("INBOX", "", None, letter("j@example.net", "Achetez maintenant"))
        client.select("INBOX")
        _, found = client.search(None, "SUBJECT", "Achetez")
        _, uid = client.fetch(found[0].split()[-1], "(UID)")
        number = uid[0].split()[2].rstrip(b")").decode()
        assert client.uid("MOVE", number, "Junk")[0] == "OK"
    end = time.monotonic() + 30
    while time.monotonic() < end:
        log = (Path(stack.facts["config_file"]).parent / "log" / "queue.log").read_text()
        if "learning.learnt" in log:
            return
        time.sleep(0.2)
    pytest.fail("nothing was learnt:\n" + log[-2000:])

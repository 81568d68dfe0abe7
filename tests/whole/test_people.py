"""Signing in, lockout, live sessions, news: across protocols and processes."""

from __future__ import annotations

import contextlib
import imaplib
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = [pytest.mark.whole]


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    return ("--set", "auth.lock_after=4", "--set", "auth.failure_delay=0.1", "--set", "imap.failed_logins=100")


def imap_refuses(stack: Any, login: str, password: str) -> str:
    client = imaplib.IMAP4_SSL("localhost", stack.facts["imaps_port"], ssl_context=stack.tls, timeout=60)
    with pytest.raises(imaplib.IMAP4.error) as error:
        client.login(login, password)
    client.shutdown()
    return str(error.value)


def smtp_refuses(stack: Any, login: str, password: str) -> str:
    with pytest.raises(smtplib.SMTPAuthenticationError) as error, stack.submission(login, password):
        pass
    assert error.value.smtp_code == 535
    return str(error.value.smtp_error)


def test_wrong_passwords_lock_everywhere_until_support_unlocks(stack: Any) -> None:
    login, password = "zoe.chevalier", stack.user("zoe.chevalier")["password"]
    wrong = {imap_refuses(stack, login, "wrong 1"), imap_refuses(stack, login, "wrong 2")}
    said = smtp_refuses(stack, login, "wrong 3")
    smtp_refuses(stack, login, "wrong 3")
    # The right one is refused too while the lock holds, in the same words, by all protocols.
    assert {imap_refuses(stack, login, password)} == wrong
    assert smtp_refuses(stack, login, password) == said
    shown = stack.command("account", "show", login)
    assert "locked" in shown.stdout
    assert stack.command("account", "unlock", login).returncode == 0
    with stack.imap(login), stack.submission(login):
        pass


def test_a_new_password_counts_at_once(stack: Any) -> None:
    login, old = "beatrice.cote", stack.user("beatrice.cote")["password"]
    with stack.imap(login, old):
        pass
    done = stack.command("account", "passwd", login, "--password-stdin", text="Nouveau-Cahier-2026\n")
    assert done.returncode == 0, done.stderr
    imap_refuses(stack, login, old)
    with stack.imap(login, "Nouveau-Cahier-2026"):
        pass


def test_disabled_people_are_refused_and_get_no_mail(stack: Any) -> None:
    person = stack.user("noel.berenger")
    assert stack.command("account", "disable", "noel.berenger").returncode == 0
    imap_refuses(stack, "noel.berenger", person["password"])
    time.sleep(1.5)
    with stack.mx() as client:
        client.ehlo()
        client.mail("a@example.net")
        assert client.rcpt(person["address"])[0] == 550
    assert stack.command("account", "enable", "noel.berenger").returncode == 0
    with stack.imap("noel.berenger"):
        pass


def test_support_locks_end_live_sessions(stack: Any) -> None:
    with stack.imap("renee.fontaine") as client:
        client.select("INBOX")
        assert stack.command("account", "lock", "renee.fontaine").returncode == 0
        # Within a minute the next command finds the session ended.
        ended = False
        end = time.monotonic() + 90
        while not ended and time.monotonic() < end:
            time.sleep(1)
            try:
                client.noop()
            except (imaplib.IMAP4.abort, OSError):
                ended = True
        assert ended
    assert stack.command("account", "unlock", "renee.fontaine").returncode == 0


def test_people_are_added_from_the_command_line(stack: Any) -> None:
    address = f"nouvelle@{stack.domain}"
    done = stack.command(
        *("account", "add", "nouvelle.personne", "--name", "Nouvelle Personne", "--address", address),
        *("--role", "teacher", "--school", "0349001A", "--password-stdin"),
        text="Un-Bon-Mot-De-Passe\n",
    )
    assert done.returncode == 0, done.stderr
    assert "nouvelle.personne" in stack.command("account", "list").stdout
    done = stack.command("alias", "add", f"accueil@{stack.domain}", "nouvelle.personne", "ops")
    assert done.returncode == 0, done.stderr
    time.sleep(1.5)
    with stack.mx() as client:
        client.sendmail(
            "a@example.net", [f"accueil@{stack.domain}"], b"From: a@example.net\r\nSubject: alias\r\n\r\nx\r\n"
        )
    with stack.imap("nouvelle.personne", "Un-Bon-Mot-De-Passe") as box:
        assert box.select("INBOX")[1] == [b"1"]
    assert any(b"Subject: alias" in one for one in stack.messages("ops"))
    for command in (
        ("group", "add", "conseil", "nouvelle.personne", "ops"),
        ("alias", "add", f"conseil@{stack.domain}", "group:conseil"),
        ("group", "leave", "conseil", "ops"),
        ("account", "add-address", "nouvelle.personne", f"autre@{stack.domain}"),
    ):
        done = stack.command(*command)
        assert done.returncode == 0, done.stderr
    assert "conseil: nouvelle.personne" in stack.command("group", "list").stdout
    time.sleep(1.5)
    with stack.mx() as client:
        to = [f"conseil@{stack.domain}", f"autre@{stack.domain}"]
        client.sendmail("a@example.net", to, b"From: a@example.net\r\nSubject: group\r\n\r\nx\r\n")
    with stack.imap("nouvelle.personne", "Un-Bon-Mot-De-Passe") as box:
        # One copy, though two addresses lead there.
        assert box.select("INBOX")[1] == [b"2"]
    # The same again says what is wrong, and changes nothing.
    done = stack.command("account", "add", "nouvelle.personne", "--name", "x", "--address", address, text="x\n")
    assert done.returncode == 1
    assert "nouvelle.personne" in done.stderr or address in done.stderr


class Lines:
    """A raw IMAP session, line by line."""

    def __init__(self, stack: Any, login: str) -> None:
        raw = socket.create_connection(("127.0.0.1", stack.facts["imaps_port"]), timeout=30)
        self.socket = stack.tls.wrap_socket(raw, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.tagged(f"LOGIN {login} {stack.user(login)['password']}")

    def send(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\r\n")

    def tagged(self, line: str) -> list[bytes]:
        self.send("t " + line)
        return self.until(b"t ")

    def until(self, start: bytes) -> list[bytes]:
        lines = []
        while not (line := self.file.readline()).startswith(start):
            assert line, "the server closed the connection"
            lines.append(line)
        return [*lines, line]


@contextlib.contextmanager
def idling(stack: Any, login: str) -> Iterator[Lines]:
    session = Lines(stack, login)
    session.tagged("SELECT INBOX")
    session.send("i IDLE")
    session.until(b"+")
    yield session
    session.send("DONE")
    session.until(b"i OK")
    session.socket.close()


def test_idle_hears_of_mail_flags_and_expunges_of_others(stack: Any) -> None:
    """New mail comes from the SMTP process, flags and expunges from another session."""
    login = "chloe.moreau"
    with idling(stack, login) as session:
        before = stack.count(login)
        with stack.mx() as client:
            client.sendmail(
                "a@example.net", [stack.user(login)["address"]], b"From: a@example.net\r\nSubject: ding\r\n\r\nx\r\n"
            )
        session.until(b"* %d EXISTS" % (before + 1))
        with stack.imap(login) as other:
            other.select("INBOX")
            other.store(str(before + 1), "+FLAGS", "(\\Flagged projet_x)")
            lines = session.until(b"* %d FETCH" % (before + 1))
            assert b"\\Flagged" in lines[-1]
            assert b"projet_x" in lines[-1]
            other.store(str(before + 1), "+FLAGS.SILENT", "\\Deleted")
            other.expunge()
            session.until(b"* %d EXPUNGE" % (before + 1))


def test_a_phone_that_talks_in_bursts(stack: Any) -> None:
    """Several commands in one packet, as the iOS mail app sends them."""
    session = Lines(stack, "helene.lefevre")
    session.socket.sendall(
        b'a NAMESPACE\r\nb LIST "" "*" RETURN (SPECIAL-USE)\r\nc SELECT INBOX\r\nd UID SEARCH RETURN (ALL) ALL\r\n'
        b'e UID SEARCH RETURN (ALL) SUBJECT "zzzzzz"\r\nf UID FETCH 1:* (FLAGS BODY.PEEK[]<0.393216>)\r\ng IDLE\r\n'
    )
    lines = session.until(b"+")
    answers = b"".join(lines)
    order = [answers.index(b"\r\n%b OK" % tag) for tag in (b"a", b"b", b"c", b"d", b"e", b"f")]
    assert order == sorted(order)
    assert b'* NAMESPACE (("" "/")) (("user/"' in answers
    assert b"\\Junk" in answers
    assert re.search(rb'\* ESEARCH \(TAG "d"\) UID ALL \d', answers)
    assert b'* ESEARCH (TAG "e") UID\r\n' in answers
    assert b"BODY[]<0> {" in answers
    session.socket.sendall(b"DONE\r\nh LOGOUT\r\n")
    assert b"* BYE" in b"".join(session.until(b"h OK"))


def test_nothing_is_said_in_clear(stack: Any) -> None:
    client = imaplib.IMAP4("127.0.0.1", stack.facts["imap_port"], timeout=30)
    assert "LOGINDISABLED" in client.capabilities
    with pytest.raises(imaplib.IMAP4.error):
        client.login("ops", stack.user("ops")["password"])
    client.starttls(ssl_context=ssl._create_unverified_context())
    assert "LOGINDISABLED" not in client.capabilities
    client.login("ops", stack.user("ops")["password"])
    client.logout()
    with smtplib.SMTP("127.0.0.1", stack.facts["submission_port"], timeout=30) as mail:
        mail.ehlo()
        assert not mail.has_extn("auth")
        assert mail.docmd("AUTH PLAIN AGEAYg==")[0] in (530, 538)
        assert mail.docmd("MAIL FROM:<ops@ac-demo.test>")[0] == 530

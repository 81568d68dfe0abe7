"""The whole stack on IPv6 beside IPv4: mail in, mail out of a program, sign-in, and who is counted as one."""

from __future__ import annotations

import imaplib
import re
import smtplib
import socket
import ssl

import pytest

from tests.whole.conftest import Stack

pytestmark = [pytest.mark.whole, pytest.mark.timeout(300)]

LOGIN = "marc.garnier"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    if not has_ipv6():
        pytest.skip("needs ::1, an IPv6 loopback address")
    addresses = '["127.0.0.1", "::1"]'
    return ("--exempt", "::1/128", "--set", f"smtp.listen={addresses}", "--set", f"imap.listen={addresses}")


def test_mail_comes_in_over_ipv6(stack: Stack) -> None:
    to = stack.user(LOGIN)["address"]
    for host in ("::1", "127.0.0.1"):
        with smtplib.SMTP(host, stack.facts["mx_port"], "client.example.net", timeout=60) as client:
            client.sendmail("a@example.net", [to], f"From: a@example.net\r\nSubject: par {host}\r\n\r\nBonjour\r\n")
    (mail,) = [one for one in stack.messages(LOGIN) if b"Subject: par ::1" in one]
    received = re.search(rb"Received: from client\.example\.net \((.*?)\)", mail, re.DOTALL)
    assert received is not None
    assert b"[IPv6:::1]" in received[1]
    assert any(b"Subject: par 127.0.0.1" in one for one in stack.messages(LOGIN))


def test_people_sign_in_over_ipv6(stack: Stack) -> None:
    user = stack.user(LOGIN)
    context = ssl._create_unverified_context()
    client = imaplib.IMAP4_SSL("::1", stack.facts["imaps_port"], ssl_context=context, timeout=60)
    client.login(LOGIN, user["password"])
    assert client.select("INBOX")[0] == "OK"
    client.logout()
    with smtplib.SMTP("::1", stack.facts["submission_port"], "poste", timeout=60) as sender:
        sender.starttls(context=context)
        sender.login(LOGIN, user["password"])
        text = f"From: {user['address']}\r\nTo: {user['address']}\r\nSubject: de ::1\r\n\r\nBonjour\r\n"
        sender.sendmail(user["address"], [user["address"]], text)
    assert any(b"Subject: de ::1" in one for one in stack.messages(LOGIN))

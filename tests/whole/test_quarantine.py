"""What is held back, from the MX to the link in the digest, by curl as a browser would do it."""

from __future__ import annotations

import email
import email.policy
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.whole]

SUBJECT = 'Facture <a href="https://evil.example/x">ici</a> http://evil.example/pay'


def send(stack: Any, login: str, sender: str, subject: str = SUBJECT) -> None:
    letter = EmailMessage(policy=SMTP)
    letter["From"] = f'"<b>Compta</b> www.evil.example" <{sender}>'
    letter["To"] = stack.user(login)["address"]
    letter["Subject"] = subject
    letter["Message-ID"] = f"<{time.monotonic_ns()}@far.example>"
    letter.set_content("Voir la facture.")
    letter.add_attachment(b"MZ" + b"\0" * 400, maintype="application", subtype="octet-stream", filename="facture.exe")
    with stack.mx() as client:
        client.sendmail(sender, [letter["To"]], letter.as_bytes())


def digests(stack: Any, login: str) -> list[Any]:
    mails = [email.message_from_bytes(one, policy=email.policy.default) for one in stack.messages(login)]
    return [mail for mail in mails if "retenu" in (mail["Subject"] or "")]


@pytest.fixture
def curl(stack: Any, need: Callable[[str, str], str]) -> Callable[..., tuple[int, str]]:
    program = need("curl", "curl")

    def ask(url: str, *more: str) -> tuple[int, str]:
        done = subprocess.run(
            [program, "-sS", "-D", "-", "--cacert", stack.facts["ca_file"], *more, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[1]), done.stdout

    return ask


def test_a_held_message_comes_by_its_link_and_only_when_asked(stack: Any, curl: Callable[..., tuple[int, str]]) -> None:
    login = "zoe.chevalier"
    # Of the demo's own letters some are held back too.
    assert stack.command("quarantine", "digest").returncode == 0
    before, untouched = stack.count(login), stack.count(login, "Junk")
    send(stack, login, "eve@far.example")
    send(stack, login, "mallory@far.example", "Autre")
    assert stack.count(login) == before
    with stack.imap(login) as client:
        assert all(b"held" not in line for line in client.list()[1])
        assert client.select('"/held"')[0] == "NO"
    assert stack.count(login, "Junk") == untouched
    listed = stack.command("quarantine", "list", login).stdout.splitlines()[-2:]
    assert all("EXECUTABLE_ATTACHMENT" in line for line in listed)

    for told in ("1 told\n", "0 told\n"):
        assert stack.command("quarantine", "digest").stdout == told
    mail = digests(stack, login)[-1]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == "2 messages suspects retenus"
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    urls = re.findall(r"https?://[^\s\"<>]+", text)
    assert len(urls) == 4
    assert all(url.startswith(stack.facts["http_url"] + "/q/") for url in urls)
    assert re.findall(r'href="([^"]+)"', html) == urls
    assert "evil.example" not in text
    assert "evil.example" not in html
    assert "&lt;a href=" in html

    release, allow = urls[0], urls[3]
    for method in ((), ("-I",), ()):
        status, page = curl(release, *method)
        assert status == 200
    assert '<form method="post"><button>Recevoir ce message</button></form>' in page
    assert "&lt;b&gt;Compta&lt;/b&gt;" in page
    for field in ("no-store", "no-referrer", "default-src 'none'", "nosniff"):
        assert field in page
    # Scanners looked at it: nothing has come.
    assert stack.count(login) == before + 1
    for _ in "ab":
        status, page = curl(release, "-X", "POST")
        assert (status, "est dans votre boîte de réception" in page) == (200, True)
    assert stack.count(login) == before + 2
    assert curl(release)[0] == 200

    assert curl(allow, "-X", "POST")[0] == 200
    assert stack.count(login) == before + 3
    assert stack.command("spam", "wishes", login).stdout == "allow mallory@far.example\n"

    status, page = curl(release[:-1] + ("A" if release[-1] != "A" else "B"))
    assert (status, "Ce lien n&#39;est pas valable" in page) == (403, True)
    assert curl(release, "-X", "DELETE")[0] == 405
    assert curl(release, "-H", "Host: evil.example")[0] == 421
    assert curl(stack.facts["http_url"] + "/")[0] == 404
    assert curl(stack.facts["http_url"] + "/health")[0] == 200


def test_the_key_is_for_the_server_alone(stack: Any) -> None:
    key = Path(stack.facts["config_file"]).parent / "links.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.stat().st_size == 32


def test_the_certificate_is_taken_anew(stack: Any, curl: Callable[..., tuple[int, str]]) -> None:
    stack.process.send_signal(1)
    assert curl(stack.facts["http_url"] + "/health")[0] == 200
    assert shutil.which("curl")

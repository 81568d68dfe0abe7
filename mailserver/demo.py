"""``mailserver demo``: a small académie in a folder, the whole stack on it, and a panel that says how to connect."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from config.load import load
from config.settings import Settings
from directory.accounts import NewAccount
from mailserver import academie, certificates, lifecycle
from mailserver.processes import everything
from mailserver.ready_file import write_atomically
from mailserver.wiring import Rooms

#: Ports counted from the base, in the order of the ready file.
PORTS = ("mx", "submission", "submissions", "imap", "imaps", "https")

HOST = "127.0.0.1"


class Demo:
    """One run of the demo; a second run in the same folder goes on with its data."""

    def __init__(
        self,
        data: Path,
        port_base: int,
        ready: Path | None,
        smarthost: str,
        exempt: Sequence[str],
        assignments: Sequence[str],
    ) -> None:
        self._data = data.absolute()
        self._ready = ready
        self._ports = {name: port_base + n for n, name in enumerate(PORTS)}
        self._overrides = [*([f"queue.smarthost={smarthost}"] if smarthost else []), *assignments]
        if exempt:
            networks = json.dumps(list(exempt))
            self._overrides += [f"smtp.exempt={networks}", f"imap.exempt={networks}", f"web.exempt={networks}"]

    def run(self) -> int:
        """Build what is missing, serve until SIGTERM or Ctrl-C; returns the exit status."""
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(self._data, 0o700)
        ca, certificate, key = certificates.make(
            self._data / "tls", academie.ORGANISATION, ["localhost", HOST, "::1", f"mail.{academie.DOMAIN}"]
        )
        config = self._write_config(certificate, key)
        settings = load(config, environ=os.environ, assignments=self._overrides)
        if self._ready is not None:
            self._ready.unlink(missing_ok=True)
        lifecycle.own_tree(self._data, settings.site.user)
        self._notary = _Notary(self._ready) if self._ready is not None else None
        arguments = ["--config", str(config)]
        for override in self._overrides:
            arguments += ["--set", override]
        return everything.run(
            settings,
            arguments,
            before=lambda: self._people(settings),
            on_ready=lambda: self._opened(settings, ca),
        )

    # ---------------------------------------------------------------- building

    def _write_config(self, certificate: Path, key: Path) -> Path:
        """The configuration of the demo; written again at each start, for the ports may differ."""
        values: dict[str, dict[str, Any]] = {
            "site": {"hostname": "localhost", "domains": [academie.DOMAIN], "data": str(self._data)},
            "tls": {"certificate": str(certificate), "key": str(key)},
            "smtp": {
                "listen": [HOST],
                "mx_port": self._ports["mx"],
                "submission_port": self._ports["submission"],
                "submissions_port": self._ports["submissions"],
            },
            "imap": {"listen": [HOST], "port": self._ports["imap"], "tls_port": self._ports["imaps"]},
            "web": {"listen": [HOST], "port": self._ports["https"]},
            "log": {"folder": str(self._data / "log")},
        }
        lines = ["# Written by mailserver demo at each start."]
        for section, table in values.items():
            lines += ["", f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in table.items())]
        path = self._data / "mailserver.toml"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    def _secrets(self) -> dict[str, str]:
        """Passwords of the demo's people, made at the first start."""
        path = self._data / "demo-passwords.json"
        if path.exists():
            known: dict[str, str] = json.loads(path.read_text("utf-8"))
            return known
        passwords = {person.login: academie.new_password() for person in academie.PEOPLE}
        write_atomically(path, json.dumps(passwords, indent=1))
        return passwords

    def _people(self, settings: Settings) -> None:
        """Add those who are missing (a first run may have been cut)."""
        rooms = Rooms(settings)
        passwords = self._secrets()
        for person in academie.PEOPLE:
            if rooms.directory.find(person.login) is None:
                account = rooms.accounts.add(
                    NewAccount(
                        login=person.login,
                        name=person.name,
                        role=person.role,
                        school=person.school,
                        addresses=(person.address, *person.more_addresses),
                        password=passwords[person.login],
                    )
                )
                rooms.store.open_account(account.key)
        known = {alias.address for alias in rooms.accounts.aliases()}
        for address, targets in academie.ALIASES.items():
            if address not in known:
                rooms.accounts.add_alias(address, targets)
        rooms.close()

    # ---------------------------------------------------------------- serving

    def _opened(self, settings: Settings, ca: Path) -> None:
        """All ports answer: deliver the letters of the first day, tell programs and people."""
        passwords = self._secrets()
        done = self._data / "demo-letters-delivered"
        console = Console(stderr=False)
        if not done.exists():
            with console.status("Delivering the first messages…"):
                self._deliver(passwords, ca)
            done.touch()
        if self._notary is not None:
            self._notary.write(json.dumps(self._facts(settings, ca, passwords), indent=1, ensure_ascii=False))
        console.print(self._panel(ca, passwords))

    def _deliver(self, passwords: dict[str, str], ca: Path) -> None:
        """Send the letters through the front door: strangers by the MX, our people by submission."""
        context = ssl.create_default_context(cafile=str(ca))
        for letter in academie.letters():
            if letter.submitted:
                with smtplib.SMTP(HOST, self._ports["submission"], timeout=60) as client:
                    client.starttls(context=context)
                    client.login(letter.sender.split("@")[0], passwords[letter.sender.split("@")[0]])
                    client.sendmail(letter.sender, letter.recipients, letter.octets, ["BODY=8BITMIME"])
            else:
                with smtplib.SMTP(HOST, self._ports["mx"], "courriel.example", timeout=60) as client:
                    client.sendmail(letter.sender, letter.recipients, letter.octets, ["BODY=8BITMIME"])

    def _facts(self, settings: Settings, ca: Path, passwords: dict[str, str]) -> dict[str, Any]:
        return {
            "domain": academie.DOMAIN,
            "host": HOST,
            **{f"{name}_port": port for name, port in self._ports.items()},
            "lmtp_port": None,
            "managesieve_port": None,
            "http_url": settings.web.base(settings.site.hostname) or None,
            "ca_file": str(ca),
            "config_file": str(settings.site.data / "mailserver.toml"),
            "pid": os.getpid(),
            "users": [
                {
                    "login": person.login,
                    "address": person.address,
                    "name": person.name,
                    "password": passwords[person.login],
                    "role": person.role.value,
                }
                for person in academie.PEOPLE
            ],
        }

    def _panel(self, ca: Path, passwords: dict[str, str]) -> Panel:
        people = Table("login", "mot de passe / password", "rôle", box=None)
        for person in academie.PEOPLE:
            people.add_row(person.login, passwords[person.login], person.role.value)
        first = academie.PEOPLE[1].login
        ports = self._ports
        grid = Table.grid(padding=(0, 1))
        grid.add_column(style="bold")
        grid.add_column(overflow="fold")
        for label, text in (
            ("Thunderbird", f"IMAP {HOST} port {ports['imaps']} SSL/TLS, or {ports['imap']} STARTTLS"),
            ("", f"SMTP {HOST} port {ports['submissions']} SSL/TLS, or {ports['submission']} STARTTLS"),
            ("iPhone", f"Réglages > Mail > Comptes > Autre: the same, with this machine's address; trust {ca}"),
            ("curl", f"curl --cacert {ca} --user {first}:PASSWORD 'imaps://localhost:{ports['imaps']}/INBOX?ALL'"),
            ("MX", f"swaks --server {HOST}:{ports['mx']} --to {first}@{academie.DOMAIN}"),
            ("Logs", f"{self._data / 'log'}"),
            ("Stop", "Ctrl-C; the same command goes on with the same data"),
        ):
            grid.add_row(label, text)
        outer = Table.grid()
        outer.add_row(grid)
        outer.add_row("")
        outer.add_row(people)
        return Panel(outer, title=f"{academie.ORGANISATION} – {academie.DOMAIN}", expand=False)


class _Notary:
    """Writes the ready file where only who started the demo may write: a child that keeps the rights until then.

    It is started before rights are given up, waits on a pipe, and ends with its one line of work, or with the demo.
    """

    def __init__(self, path: Path) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "mailserver.ready_file", str(path)], stdin=subprocess.PIPE, start_new_session=False
        )

    def write(self, text: str) -> None:
        """Hand the text over and wait until the file is there."""
        self._child.communicate(text.encode())

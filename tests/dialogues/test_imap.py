"""Runs the dialogue files of ``imap/``: what a client says and what the server must answer, line by line.

A C: a1 NOOP               connection A sends a line (A may be left out; connections open at their first use, and
                           the greeting is read away)
A S: a1 OK {any}           the next line must be this; {any} stands for anything, {number} for digits
                           {number:n} or {word:n} also remembers them, and {=n} then stands for them, in C: lines too
A S~ * 1 EXISTS            lines are read until this one
A X                        the server closes
@fill INBOX 3              three mails are put into the mailbox behind the server's back
@deliver INBOX             a mail comes in
@mail INBOX Subject: A; From: b@x | text
                           a mail with these header fields and this text is put into the mailbox
@with message_limit 3        a setting (a whole number), before anything else
@login                     connection A signs in as marie (B: @login B; as somebody else: @login B paul)
@account luc [shared]      one more account, with a role if given
@group profs paul luc      a group of accounts
@give marie INBOX paul lr  rights to a mailbox, as an administrator gives them
@recall <1@x>              a message is taken out of all mailboxes, as recall 1, 2, ...
@undo 1                    and given back
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fakes.imap_service import PASSWORD, Client, Service, service

DIALOGUES = sorted((Path(__file__).parent / "imap").glob("*.txt"))
_LINE = re.compile(r"(?:([A-Z]) )?(C:|S:|S~|X)(?: (.*))?")


class Dialogue:
    def __init__(self, running: Service) -> None:
        self._service = running
        self._clients: dict[str, Client] = {}
        self._known: dict[str, str] = {}

    def client(self, name: str | None) -> Client:
        name = name or "A"
        if name not in self._clients:
            self._clients[name] = Client(self._service.port)
            assert self._clients[name].line().startswith(b"* OK ")
        return self._clients[name]

    def do(self, line: str) -> None:
        if line.startswith("@mail "):
            mailbox, _, mail = line.removeprefix("@mail ").partition(" ")
            header, _, text = mail.partition(" | ")
            fields = "".join(field.strip() + "\r\n" for field in header.split("; "))
            self._service.put(mailbox, f"{fields}\r\n{text}\r\n".encode())
        elif line.startswith("@"):
            self._directive(*line[1:].split())
        else:
            self._spoken(line)

    def _spoken(self, line: str) -> None:
        parsed = _LINE.fullmatch(line)
        assert parsed, f"not a line of a dialogue: {line}"
        client, text = self.client(parsed[1]), parsed[3] or ""
        for name, value in self._known.items():
            text = text.replace(f"{{={name}}}", value)
        match parsed[2]:
            case "C:":
                client.send(text.encode() + b"\r\n")
            case "S:":
                said = client.line()
                assert self._fits(text, said), f"expected {text!r}, got {said!r}"
            case "S~":
                skipped: list[bytes] = []
                while not self._fits(text, said := client.line()):
                    skipped.append(said)
                    assert said, f"expected {text!r}, got {skipped}"
            case "X":
                assert client.ended()

    def _fits(self, text: str, said: bytes) -> bool:
        found = _pattern(text).fullmatch(said)
        if found:
            self._known |= {name: value.decode() for name, value in found.groupdict().items()}
        return found is not None

    def _directive(self, name: str, *arguments: str) -> None:
        match name, arguments:
            case "with", _:
                pass  # it was there when the service started
            case "fill", (mailbox, count):
                self._service.fill(mailbox, int(count))
            case "deliver", (mailbox,):
                self._service.deliver(mailbox)
            case "login", _:
                name, login = (*arguments, *("A", "marie")[len(arguments) :])
                self.client(name).ok(f'LOGIN {login} "{PASSWORD}"')
            case "account", (login, *role):
                self._service.add_account(login, role[0] if role else "teacher")
            case "group", (group, *members):
                self._service.accounts.add_group(group, members)
            case "share", (group, octets, *logins):
                store = self._service.store
                numbers = [store.open_account(self._service.accounts.show(one).key) for one in logins]
                store.shared_quotas.set(group, int(octets), 0, numbers)
            case "give", (login, mailbox, to, rights):
                self._service.give(login, mailbox, to, rights)
            case "recall", (message_id,):
                self._service.recall(message_id)
            case "undo", (number,):
                self._service.recalls.undo(int(number), "operator")
            case _:
                raise AssertionError(f"no such directive: {name}")

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def _pattern(text: str) -> re.Pattern[bytes]:
    escaped = re.escape(text).replace(r"\{any\}", ".*").replace(r"\{number\}", "[0-9]+")
    escaped = re.sub(r"\\\{number:([a-z]+)\\\}", r"(?P<\1>[0-9]+)", escaped)
    escaped = re.sub(r"\\\{word:([a-z]+)\\\}", r"(?P<\1>[0-9A-Za-z]+)", escaped)
    return re.compile(escaped.encode())


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_dialogue(path: Path, tmp_path: Path) -> None:
    settings = {name: int(value) for name, value in re.findall(r"^@with (\w+) (\d+)$", path.read_text(), re.MULTILINE)}
    with service(tmp_path, **settings) as running:
        dialogue = Dialogue(running)
        try:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if line.strip() and not line.startswith("#"):
                    try:
                        dialogue.do(line)
                    except (AssertionError, TimeoutError) as error:
                        raise AssertionError(f"{path.name}:{number}: {error}") from None
        finally:
            dialogue.close()

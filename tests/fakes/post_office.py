"""A small site for tests of delivery: a real store and queue in one folder, a directory in memory, scripted judges."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config.settings import Settings, Site
from delivery.dsn import ReportWriter
from delivery.filing import Filer
from delivery.queue.model import Attempt, QueuedMessage
from delivery.queue.runner import QueueRunner
from delivery.queue.store import QueueStore
from directory.api import DirectoryUnavailable, Targets
from directory.model import Account, Role
from message.content import Content, MemoryContent
from message.envelope import ClientInfo, Envelope, Recipient
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.model import Mailbox
from storage.store import Store

NOW = 1_700_000_000.0
SITE = Site(hostname="mx.ici.example", domains=("ici.example",), language="fr")


def person(name: str, *more: str) -> Account:
    """An account with the login ``name`` and addresses at ici.example."""
    return Account(
        key=f"key-{name}",
        login=name,
        name=name.title(),
        role=Role.TEACHER,
        school=None,
        addresses=tuple(f"{one}@ici.example" for one in (name, *more)),
    )


MARIE = person("marie", "m.curie")
PAUL = person("paul")
LUC = person("luc")


class People:
    """A directory in memory. While ``away`` is true nothing can be asked."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = accounts
        self.away = False
        self.targets: dict[str, Targets] = {
            address: Targets((account,)) for account in accounts for address in account.addresses
        }

    def is_local_domain(self, domain: str) -> bool:
        return domain.lower() == "ici.example"

    def resolve(self, address: str) -> Targets | None:
        if self.away:
            raise DirectoryUnavailable("away")
        return self.targets.get(address.lower())

    def remembers(self, address: str) -> bool:
        return False

    def may_send_as(self, account: Account, address: str) -> bool:
        if self.away:
            raise DirectoryUnavailable("away")
        local, _, domain = address.lower().partition("@")
        return f"{local.partition('+')[0]}@{domain}" in account.addresses


class ScriptedRelay:
    """Answers as told, 250 by default, and remembers what it was handed: address and octets."""

    def __init__(self) -> None:
        self.answers: dict[str, list[int | Exception]] = defaultdict(list)
        self.sent: list[tuple[str, bytes]] = []
        self.tried: list[str] = []
        self.dsn = False
        self._lock = threading.Lock()

    def attempt(self, item: QueuedMessage) -> tuple[Attempt, ...]:
        return tuple(self._one(item, one.address) for one in item.waiting())

    def _one(self, item: QueuedMessage, address: str) -> Attempt:
        with self._lock:
            self.tried.append(address)
            answer = self.answers[address].pop(0) if self.answers[address] else 250
            if isinstance(answer, Exception):
                raise answer
            if answer == 250:
                self.sent.append((address, bytes(item.content.buffer())))
        return Attempt(address, answer, f"{answer // 100}.0.0", f"said {answer}", "mx.far.example", self.dsn)


@dataclass
class PostOffice:
    """The parts, put together as the server puts them together."""

    folder: Path
    settings: Settings = field(default_factory=lambda: Settings(site=SITE))
    people: People = field(default_factory=lambda: People(MARIE, PAUL, LUC))

    def __post_init__(self) -> None:
        self.settings = replace(self.settings, site=SITE)
        self.database = Database(f"sqlite:///{self.folder}/post.db")
        metadata.create_all(self.database.engine)
        self.store = Store(
            self.database, Maildir(self.folder / "mail"), self.settings.store, Doorbell(self.folder / "bells")
        )
        self.queue = QueueStore(self.database, self.folder / "queue")
        self.relay = ScriptedRelay()
        self.clock = NOW
        self.reports = ReportWriter(self.settings.site, self.settings.queue)

    def close(self) -> None:
        self.store.close()
        self.database.close()

    def runner(self) -> QueueRunner:
        return QueueRunner(
            self.queue,
            self.relay,
            Filer(self.store, self.queue, self.reports, self.settings.site, lambda: None),
            self.people,
            self.reports,
            replace(self.settings.queue, poll=0.05),
            clock=lambda: self.clock,
            chance=lambda: 0.5,
        )

    def work(self, done: Callable[[], bool] | None = None) -> None:
        """Run a runner until nothing is due and nothing is under way."""
        runner, stop = self.runner(), threading.Event()
        thread = threading.Thread(target=runner.run, args=(stop,))
        thread.start()
        try:
            for _ in range(400):
                if done() if done is not None else self.idle():
                    break
                stop.wait(0.025)
            else:
                raise AssertionError("the queue does not come to rest")
        finally:
            stop.set()
            runner.wake()
            thread.join(30)

    def idle(self) -> bool:
        """Nothing is due now, and nothing is being tried."""
        return not any(one.leased_by or (one.due_at <= self.clock and not one.held) for one in self.queue.entries())

    def mailbox(self, account: Account, name: str = "INBOX") -> Mailbox:
        return self.store.mailbox(self.store.open_account(account.key), name)

    def mail(self, account: Account, name: str = "INBOX") -> list[bytes]:
        """The messages in a mailbox."""
        mailbox = self.mailbox(account, name)
        view = self.store.view(mailbox.account, mailbox.id)
        found = []
        for uid in view.uids:
            row = view.row(uid)
            assert row is not None
            content = self.store.body(mailbox.account, mailbox.id, row)
            found.append(bytes(content.buffer()))
            content.close()
        return found

    def junk(self, account: Account) -> list[bytes]:
        return self.mail(account, self.junk_name(account))

    def junk_name(self, account: Account) -> str:
        number = self.store.open_account(account.key)
        return next(
            one.name for one in self.store.mailboxes(number) if one.special_use and one.special_use.name == "JUNK"
        )

    def everything(self) -> int:
        """Number of messages in all mailboxes."""
        return sum(
            one.messages
            for account in self.people.accounts
            for one in self.store.mailboxes(self.store.open_account(account.key))
        )


def envelope(*recipients: str | Recipient, sender: str = "anna@far.example", **more: Any) -> Envelope:
    """An envelope from the outside."""
    values: dict[str, Any] = {
        "id": "m1",
        "sender": sender,
        "recipients": tuple(Recipient(one) if isinstance(one, str) else one for one in recipients),
        "client": ClientInfo("192.0.2.7", 4711, "mail.far.example"),
        "received_at": NOW,
    }
    return Envelope(**{**values, **more})


def letter(*fields: str, body: str = "Bonjour.\r\n", author: str = "Anna <anna@far.example>") -> Content:
    """A plain message with the given fields before its From."""
    lines = [*fields]
    if author:
        lines.append(f"From: {author}")
    lines += ["To: someone@ici.example", "Subject: essai", "Date: Tue, 14 Nov 2023 22:13:20 +0000"]
    lines.append("Message-ID: <x@far.example>")
    return MemoryContent(("\r\n".join(lines) + "\r\n\r\n" + body).encode())


def outcomes(dispositions: Sequence[object]) -> list[tuple[str, str, str]]:
    """(recipient, fate, reason) of each."""
    return [(one.recipient, one.fate.name, one.reason.name) for one in dispositions]  # type: ignore[attr-defined]

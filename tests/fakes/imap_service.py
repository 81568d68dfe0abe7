"""The real IMAP service on loopback: real store, real directory, one reactor for the whole test process."""

from __future__ import annotations

import dataclasses
import re
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from twisted.internet import reactor as _reactor
from twisted.internet.threads import blockingCallFromThread
from twisted.python import threadable

from config.settings import Auth, Imap, Site, Store, Tls
from directory.accounts import Accounts, NewAccount
from directory.attempts import Attempts
from directory.authenticator import Authenticator
from directory.model import Role
from directory.passwords import Passwords
from directory.sql import SqlDirectory
from imap.listeners import Listeners, listen
from mailserver import certificates
from message.content import Content, MemoryContent
from storage.blobs.api import BodyName, Place
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.errors import NoSuchMailbox
from storage.model import Filing, NewMessage, System
from storage.recall import Recalls, Wanted
from storage.restore import TimeMachine
from storage.store import Store as MailStore

reactor: Any = _reactor
_started = threading.Lock()

PASSWORD = "un mot de passe"
QUICK = Auth(argon2_memory=8 * 1024, argon2_rounds=1)


def running_reactor() -> Any:
    """The reactor, in a thread of its own from the first call on."""
    with _started:
        if not reactor.running:
            up = threading.Event()
            reactor.callWhenRunning(up.set)
            thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True)
            thread.start()
            assert up.wait(10)
    return reactor


class Bodies(Maildir):
    """Bodies that are never opened where nothing may wait."""

    def __init__(self, root: Path, waited: Callable[[], None]) -> None:
        super().__init__(root)
        self._waited = waited

    def open(self, place: Place, name: BodyName) -> Content:
        self._waited()
        return super().open(place, name)


class Service:
    """An IMAP service with accounts ``marie`` and ``paul``, in clear on ``port`` and with TLS on ``tls_port``.

    Loopback counts as a trusted network, so that tests may sign in without TLS, unless ``trusted`` is false. Further
    arguments are IMAP settings, except ``limits`` (the store's settings) and ``handshake_timeout``.

    ``close`` fails when the reactor's thread ever waited for the database or for a body.
    """

    def __init__(self, folder: Path, *, trusted: bool = True, delay: float = 0.01, **changes: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.database = Database(f"sqlite:///{folder}/index.db")
        metadata.create_all(self.database.engine)
        self._waits: list[str] = []
        event.listen(self.database.engine, "checkout", lambda *_: self._waited())
        self.doorbell = Doorbell(folder / "bells")
        limits: Store = changes.pop("limits", Store())
        patience = changes.pop("handshake_timeout", Tls().handshake_timeout)
        bodies = Bodies(folder / "mail", self._waited)
        self.store = MailStore(self.database, bodies, limits, self.doorbell)
        machine = TimeMachine(self.database, bodies, self.store, self.doorbell)
        self.recalls = Recalls(self.database, self.store, self.doorbell, machine)
        passwords = Passwords(QUICK)
        directory = SqlDirectory(self.database, Site(domains=("example.org",)), passwords)
        self.door = Authenticator(directory, Attempts(self.database, QUICK), QUICK)
        self.accounts = Accounts(self.database, passwords)
        for login in ("marie", "paul"):
            self.add_account(login)
        self.key = self.accounts.show("marie").key
        self.account = self.store.open_account(self.key)
        self.ca, certificate, key = certificates.make(folder / "tls", "Test", ("localhost", "127.0.0.1"))
        if trusted:
            changes.setdefault("cleartext_auth", ("127.0.0.0/8",))
        self.settings = dataclasses.replace(Imap(), **changes)
        sockets = {"imap": [_bound()], "imaps": [_bound()]}
        self.port, self.tls_port = (sockets[name][0].getsockname()[1] for name in ("imap", "imaps"))
        tls = Tls(certificate=certificate, key=key, handshake_timeout=patience)
        self.listeners: Listeners = blockingCallFromThread(
            running_reactor(),
            lambda: listen(
                self.settings,
                tls,
                self.store,
                self.door,
                directory,
                sockets,
                failure_delay=delay,
                spool=folder,
                reactor=reactor,
            ),
        )
        for some in sockets.values():
            some[0].close()
        self._stopped = False
        self._put = 0

    def _waited(self) -> None:
        if threading.get_ident() == threadable.ioThread:
            self._waits.append("".join(traceback.format_stack(limit=30)))

    def add_account(self, login: str, role: str = "teacher") -> int:
        """One more account; returns the store's number of it."""
        address = f"{login}@example.org"
        self.accounts.add(NewAccount(login, login.title(), Role(role), (address,), password=PASSWORD))
        return self.store.open_account(self.accounts.show(login).key)

    def recall(self, message_id: str) -> None:
        """Take a message out of all mailboxes."""
        number = self.recalls.begin(message_id, "operator", "a test")
        for key in self.recalls.accounts():
            self.recalls.take(number, key, Wanted(lambda name, date: name == message_id))
        self.recalls.finish(number)

    def give(self, login: str, mailbox: str, to: str, rights: str) -> None:
        """Give an account rights to somebody's mailbox, past all protocol."""
        number = self.store.open_account(self.accounts.show(login).key)
        box = self.store.mailbox(number, mailbox)
        identifier = f"user:{self.accounts.show(to).key}"
        self.store.sharing.change_acl(number, box.id, identifier, lambda before: rights or None)

    def deliver(self, mailbox: str = "INBOX", octets: bytes | None = None) -> int:
        """A mail comes in; returns its UID."""
        content = MemoryContent(octets or letter("Nouvelle"))
        return self.store.deliver([Filing(self.account, mailbox)], content, None, time.time())[0][2]

    def put(self, mailbox: str, octets: bytes) -> int:
        """Put one mail into a mailbox, which is made when missing; returns its UID."""
        try:
            box = self.store.mailbox(self.account, mailbox)
        except NoSuchMailbox:
            box = self.store.create(self.account, mailbox)
        self._put += 1
        mail = NewMessage(MemoryContent(octets), 0, (), 1_780_000_000 + self._put, 120)
        return self.store.append(self.account, box.id, [mail])[0]

    def fill(self, mailbox: str, count: int, system: System = System.NONE) -> list[int]:
        """Put sample mails into a mailbox."""
        box = self.store.mailbox(self.account, mailbox)
        mails = [
            NewMessage(MemoryContent(letter(f"Message {number}")), int(system), (), 1_780_000_000 + number, 120)
            for number in range(1, count + 1)
        ]
        return self.store.append(self.account, box.id, mails)

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            stop: Any = self.listeners.stop
            blockingCallFromThread(reactor, stop)

    def close(self) -> None:
        self.stop()
        self.store.close()
        self.doorbell.close()
        self.database.close()
        assert not self._waits, f"the reactor waited:\n{self._waits[0]}"


@contextmanager
def service(folder: Path, **changes: Any) -> Iterator[Service]:
    one = Service(folder, **changes)
    try:
        yield one
    finally:
        one.close()


def _bound() -> socket.socket:
    one = socket.create_server(("127.0.0.1", 0))
    one.listen(100)
    return one


def letter(subject: str, body: str = "Bonjour à tous,\r\nà demain.\r\n") -> bytes:
    return (
        f"From: Marie <marie@example.org>\r\nTo: paul@example.org\r\nSubject: {subject}\r\n"
        "Date: Mon, 5 Oct 2026 10:00:00 +0200\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}"
    ).encode()


class Client:
    """A blunt IMAP client: sends octets, reads lines and literals, judges nothing."""

    def __init__(self, port: int, *, tls: str | None = None, timeout: float = 20.0) -> None:
        """``tls`` is the path of the CA to trust, for a connection under TLS."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.wrap(tls)
        self._buffer = b""
        self._tags = 0

    def wrap(self, ca: str) -> None:
        context = ssl.create_default_context(cafile=ca)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._buffer = b""

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def line(self) -> bytes:
        """One line without its CRLF; empty at the end of the connection."""
        while b"\n" not in self._buffer:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                rest, self._buffer = self._buffer, b""
                return rest
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    def octets(self, count: int) -> bytes:
        while len(self._buffer) < count:
            chunk = self.socket.recv(1 << 16)
            assert chunk, "the connection ended within a literal"
            self._buffer += chunk
        octets, self._buffer = self._buffer[:count], self._buffer[count:]
        return octets

    def response(self) -> bytes:
        """One response, its literals included, without the last CRLF."""
        whole = self.line()
        while found := re.search(rb"\{(\d+)\}\Z", whole):
            whole += b"\r\n" + self.octets(int(found[1])) + self.line()
        return whole

    def command(self, text: str | bytes) -> list[bytes]:
        """Send a command; returns its responses, the tagged one last."""
        self._tags += 1
        tag = b"t%d" % self._tags
        self.send(tag + b" " + (text.encode() if isinstance(text, str) else text) + b"\r\n")
        return self.until(tag)

    def until(self, tag: bytes) -> list[bytes]:
        responses: list[bytes] = []
        while True:
            response = self.response()
            responses.append(response)
            if response.startswith(tag + b" "):
                return responses
            assert response, f"the connection ended after {responses}"

    def ok(self, text: str | bytes) -> list[bytes]:
        """A command that must succeed; returns the untagged responses."""
        *untagged, tagged = self.command(text)
        assert tagged.split(b" ")[1] == b"OK", (text, untagged, tagged)
        return untagged

    def ended(self) -> bool:
        """True when the server closed; reads and drops what is left."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        self.socket.close()


def signed_in(service: Service, select: str | None = None, login: str = "marie") -> Client:
    client = Client(service.port)
    client.line()
    client.ok(f'LOGIN {login} "{PASSWORD}"')
    if select:
        client.ok(f"SELECT {select}")
    return client


def eventually(check: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.01)
    return check()

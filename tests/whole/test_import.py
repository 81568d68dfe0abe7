"""``mailserver import`` from real Dovecot and real Cyrus, killed in the middle, and again."""

from __future__ import annotations

import contextlib
import csv
import datetime
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

from config.settings import Store as StoreSettings
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import Doorbell
from storage.model import MessageRow, SpecialUse, System
from storage.store import Store
from tests.fakes.imap_servers import MASTER, MASTER_PASSWORD, PASSWORD, Cyrus, Dovecot

ROOT = Path(__file__).resolve().parents[2]
DATE = datetime.datetime(2021, 6, 5, 10, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))

pytestmark = pytest.mark.whole


def letter(n: int) -> bytes:
    return f"From: a{n}@example.net\r\nSubject: n{n}\r\n\r\n{'À lire ' * (n % 50)}\xff\r\n".encode("latin-1")


@dataclass
class Site:
    """A data folder of ours, and the command line on it."""

    folder: Path

    @property
    def arguments(self) -> list[str]:
        return ["--config", str(self.folder / "mailserver.toml")]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "mailserver", *arguments, *self.arguments]

    def run(self, *arguments: str, given: str = "") -> tuple[int, str]:
        done = subprocess.run(
            self.command(*arguments), cwd=ROOT, input=given, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr

    @contextlib.contextmanager
    def opened(self, login: str) -> Iterator[tuple[Store, int] | None]:
        """The store and the number of an account; None before the commands made its folder, for we may be root."""
        data = self.folder / "data"
        keys = [path.name for path in (data / "mail").glob(f"*/{login}-*")]
        if not keys:
            yield None
            return
        database = Database(f"sqlite:///{data}/mailserver.db")
        doorbell = Doorbell(data / "bells")
        store = Store(database, Maildir(data / "mail"), StoreSettings(), doorbell)
        try:
            yield store, store.open_account(keys[0])
        finally:
            store.close()
            doorbell.close()
            database.close()

    def count(self, login: str) -> int:
        """Messages in the INBOX."""
        with self.opened(login) as opened:
            return 0 if opened is None else opened[0].mailbox(opened[1], "INBOX").messages

    def box(self, login: str, name: str) -> list[tuple[MessageRow, bytes]]:
        """Messages of a mailbox with their octets."""
        with self.opened(login) as opened:
            assert opened is not None
            store, account = opened
            number = store.mailbox(account, name).id
            found = []
            for row in store.view(account, number).rows:
                content = store.body(account, number, row)
                found.append((row, bytes(content.buffer())))
                content.close()
            return found

    def mailboxes(self, login: str) -> dict[str, Any]:
        """Mailboxes with their access control lists, by name."""
        with self.opened(login) as opened:
            assert opened is not None
            store, account = opened
            boxes = store.mailboxes(account)
            return {box.name: (box, store.sharing.acl(account, box.id)) for box in boxes}


#: Made by one process for all tests: commands of root become the server's user, so this does too.
FURNISH = """
import sys
from pathlib import Path
from directory.accounts import NewAccount
from directory.model import Role
from mailserver.cli.common import open_rooms
with open_rooms(Path(sys.argv[1]), None) as rooms:
    for login in ("marie", "paul", "copie", *(f"eleve{n}" for n in range(5))):
        rooms.accounts.add(NewAccount(login, login, Role.TEACHER, (f"{login}@ac.test",)))
"""


@pytest.fixture(scope="module")
def furnished() -> Iterator[Path]:
    """A data folder with some accounts."""
    folder = Path(tempfile.mkdtemp(prefix="mailserver-import-"))
    folder.chmod(0o755)
    configure(folder)
    subprocess.run([sys.executable, "-c", FURNISH, str(folder / "mailserver.toml")], cwd=ROOT, check=True, timeout=120)
    yield folder
    shutil.rmtree(folder)


def configure(folder: Path) -> None:
    """An empty data folder, and the settings for it."""
    (folder / "data").mkdir(mode=0o755)
    if os.geteuid() == 0:
        os.chown(folder / "data", 65534, 65534)
    (folder / "mailserver.toml").write_text(
        f'[site]\nhostname = "mx.ac.test"\ndomains = ["ac.test"]\ndata = "{folder / "data"}"\n'
        "[smtp]\nsubmissions_port = 0\n[imap]\ntls_port = 0\n",
        "utf-8",
    )


@pytest.fixture
def site(furnished: Path) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="mailserver-import-"))
    folder.chmod(0o755)
    configure(folder)
    for path in (furnished / "data").glob("mailserver.db*"):
        copy = shutil.copy2(path, folder / "data")
        if os.geteuid() == 0:
            os.chown(copy, 65534, 65534)
    yield Site(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def dovecot(need: Callable[[str, str], str]) -> Iterator[Dovecot]:
    server = Dovecot(need)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def cyrus(need: Callable[[str, str], str]) -> Iterator[Cyrus]:
    server = Cyrus(need)
    server.start()
    yield server
    server.close()


def fill(client: IMAPClient, name: str, *numbers: int, flags: tuple[bytes, ...] = ()) -> None:
    for n in numbers:
        client.append(name, letter(n), flags, DATE + datetime.timedelta(minutes=n))


def furnish(client: IMAPClient, above: str, slash: str) -> None:
    fill(client, "INBOX", 1, flags=(b"\\Seen", b"\\Answered", b"$Label1"))
    fill(client, "INBOX", 2, flags=(b"\\Flagged", b"\\Draft", b"\\Deleted"))
    fill(client, "INBOX", 3)
    project = slash.join((f"{above}Élèves & co", "6e B"))
    client.create_folder(project)
    client.subscribe_folder(project)
    fill(client, project, 4, 5)
    client.setacl(project, "paul", "lrs")
    client.setacl(project, "inconnue", "lr")


def check_first_pass(site: Site, said: str) -> None:
    assert "nobody is called inconnue here" in said
    rows = site.box("marie", "INBOX")
    assert [octets for _, octets in rows] == [letter(n) for n in (1, 2, 3)]
    first, second, third = (row for row, _ in rows)
    assert (first.system, first.keywords) == (System.SEEN | System.ANSWERED, ("$Label1",))
    assert second.system == System.FLAGGED | System.DRAFT | System.DELETED
    assert (third.system, third.keywords) == (0, ())
    assert third.internal_date == int((DATE + datetime.timedelta(minutes=3)).timestamp())
    assert [octets for _, octets in site.box("marie", "Élèves & co/6e B")] == [letter(4), letter(5)]
    box, acl = site.mailboxes("marie")["Élèves & co/6e B"]
    assert box.subscribed
    assert [(grant.identifier.split("-")[0], grant.rights) for grant in acl] == [("user:paul", "lrs")]


def test_dovecot(site: Site, dovecot: Dovecot) -> None:
    with dovecot.client("marie") as client:
        furnish(client, "", "/")
        fill(client, "Envois", 6, flags=(b"\\Seen",))
        url = f"imaps://localhost:{dovecot.tls_port}"
        trusting = ("--ca", str(dovecot.ca), "--password-stdin")
        command = ("import", "imap", "marie", url, *trusting)

        # Who it is, and who they are, is proven before anything is read.
        status, said = site.run("import", "imap", "marie", url, "--password-stdin", given=PASSWORD)
        assert status == 1
        assert "is not trusted" in said
        status, said = site.run(*command, given="wrong")
        assert status == 1
        assert "does not let marie in" in said
        assert "cleartext" not in said

        status, said = site.run(*command, "--dry-run", given=PASSWORD)
        assert status == 0, said
        assert "6 messages with" in said
        status, said = site.run(*command, "--verify", given=PASSWORD)
        assert status == 1, said
        check_first_pass(site, said)
        assert site.mailboxes("marie")["Sent"][0].special_use is SpecialUse.SENT
        assert [octets for _, octets in site.box("marie", "Sent")] == [letter(6)]

        # A second run: what is new, what changed, what went.
        client.setacl("Élèves & co/6e B", "inconnue", '""')
        fill(client, "INBOX", 7)
        client.select_folder("INBOX")
        client.set_flags([3], [b"\\Seen", b"vu"])
        client.expunge([2])
        status, said = site.run(*command, "--expunge", "--verify", given=PASSWORD)
        assert status == 0, said
        assert "All is here as it is there" in said
        assert [(row.uid, row.system, row.keywords) for row, _ in site.box("marie", "INBOX")] == [
            (1, 3, ("$Label1",)),
            (3, 1, ("vu",)),
            (4, 0, ()),
        ]

    # UIDs there begin anew: nothing comes twice. And the master signs in on behalf of a person, by STARTTLS.
    dovecot.stop()
    for name in dovecot.maildir("marie").glob("dovecot*"):
        if name.is_file() and "keywords" not in name.name and "acl" not in name.name:
            name.unlink()
    dovecot.start()
    with dovecot.client("marie") as client:
        fill(client, "INBOX", 8)
    status, said = site.run(
        *("import", "imap", "marie", f"imap://localhost:{dovecot.port}", "--user", "marie", "--master", MASTER),
        *(*trusting, "--verify"),
        given=MASTER_PASSWORD,
    )
    assert status == 0, said
    assert "were here already" in said
    assert [octets for _, octets in site.box("marie", "INBOX")] == [letter(n) for n in (1, 3, 7, 8)]

    # The same tree as a Maildir.
    tree = site.folder / "copy"
    shutil.copytree(dovecot.maildir("marie"), tree)
    # Commands of root become the server's user.
    subprocess.run(["chmod", "-R", "a+rX", str(tree)], check=True)
    status, said = site.run("import", "maildir", "copie", str(tree), "--verify")
    assert [octets for _, octets in site.box("copie", "INBOX")] == [letter(n) for n in (1, 3, 7, 8)], said
    assert [row.keywords for row, _ in site.box("copie", "INBOX")] == [("$Label1",), ("vu",), (), ()]
    assert [octets for _, octets in site.box("copie", "Élèves & co/6e B")] == [letter(4), letter(5)]


def test_cyrus(site: Site, cyrus: Cyrus) -> None:
    cyrus.make("marie")
    command = ("import", "imap", "marie", f"imap://127.0.0.1:{cyrus.port}", "--plain-on-loopback", "--password-stdin")
    with cyrus.client("marie") as client:
        furnish(client, "INBOX.", ".")
        client.create_folder("INBOX.Corbeille")
        fill(client, "INBOX.Corbeille", 6)
        status, said = site.run(*command, "--master", MASTER, "--verify", given="any")
        assert status == 1, said
        check_first_pass(site, said)
        assert [octets for _, octets in site.box("marie", "Trash")] == [letter(6)]
        assert "INBOX.Élèves & co" not in said

        client.setacl("INBOX.Élèves & co.6e B", "inconnue", '""')
        fill(client, "INBOX", 7)
        client.select_folder("INBOX")
        client.set_flags([3], [b"\\Seen", b"vu"])
        status, said = site.run(*command, "--verify", given="any")
        assert status == 0, said
        assert [(row.uid, row.system, row.keywords) for row, _ in site.box("marie", "INBOX")][2:] == [
            (3, 1, ("vu",)),
            (4, 0, ()),
        ]
        # The folder is made anew, with the same mail: another UIDVALIDITY.
        time.sleep(1.1)
        client.rename_folder("INBOX.Corbeille", "INBOX.Ancienne")
        client.create_folder("INBOX.Corbeille")
        fill(client, "INBOX.Corbeille", 9, 6)
        client.select_folder("INBOX")
        client.delete_folder("INBOX.Ancienne")
    status, said = site.run(*command, "--verify", given="any")
    assert status == 0, said
    assert [octets for _, octets in site.box("marie", "Trash")] == [letter(6), letter(9)]


@pytest.mark.parametrize("kind", ["dovecot", "cyrus"])
def test_a_run_that_is_killed_goes_on(site: Site, kind: str, request: pytest.FixtureRequest) -> None:
    server: Any = request.getfixturevalue(kind)
    where: tuple[str, ...]
    if kind == "cyrus":
        server.make("paul")
        where = (f"imap://127.0.0.1:{server.port}", "--plain-on-loopback")
    else:
        where = (f"imaps://localhost:{server.tls_port}", "--ca", str(server.ca))
    count = 250
    with server.client("paul") as client:
        fill(client, "INBOX", *range(count))
    command = site.command("import", "imap", "paul", *where, "--password-stdin")
    given = PASSWORD.encode() + b"\n"
    seen = [0]
    for _ in range(3):
        run = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert run.stdin is not None
        run.stdin.write(given)
        run.stdin.close()
        patience = time.monotonic() + 60
        while run.poll() is None and time.monotonic() < patience:
            if site.count("paul") > seen[-1]:
                run.send_signal(signal.SIGKILL)
            time.sleep(0.02)
        run.wait()
        assert run.stdout is not None
        run.stdout.close()
        seen.append(site.count("paul"))
    assert 0 < seen[1] < count
    status, said = site.run(*command[3:-2], "--verify", given=PASSWORD)
    assert status == 0, said
    assert [octets for _, octets in site.box("paul", "INBOX")] == [letter(n) for n in range(count)]
    status, said = site.run(*command[3:-2], given=PASSWORD)
    assert status == 0
    assert "paul: 0 messages with 0 octets came" in said


def test_many_accounts(site: Site, dovecot: Dovecot) -> None:
    logins = [f"eleve{n}" for n in range(6)]
    for login in logins[:5]:
        with dovecot.client(login) as client:
            fill(client, "INBOX", *range(10))
    table = site.folder / "comptes.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["account", "source", "user"])
        for login in logins:
            rows.writerow([login, f"imaps://localhost:{dovecot.tls_port}", login])
    status, said = site.run(
        *("import", "many", str(table), "--at-once", "3", "--master", MASTER, "--password-stdin"),
        *("--ca", str(dovecot.ca)),
        given=MASTER_PASSWORD,
    )
    assert status == 1
    assert "there is no account eleve5" in said
    assert "5 of 6 accounts are equal." in said
    assert [len(site.box(login, "INBOX")) for login in logins[:5]] == [10] * 5


def test_without_tls_only_this_machine_is_asked(site: Site) -> None:
    for url in ("imap://mail.example.net", "imaps://127.0.0.1", "http://x"):
        status, said = site.run("import", "imap", "marie", url, "--plain-on-loopback", "--password-stdin", given="x")
        assert status == 1
        assert said.startswith("mailserver: ")

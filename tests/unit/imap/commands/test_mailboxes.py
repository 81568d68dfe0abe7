"""Names that nobody can want, and more mailboxes than anybody has (RFC 5530: CANNOT, LIMIT)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from config.settings import Store
from storage import tables
from tests.fakes.imap_service import Client, Service, service, signed_in

#: Mailboxes of the account that has as many as it may.
MANY = 5000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("names")
    with service(folder, limits=Store(mailboxes=MANY)) as running:
        yield running


@pytest.fixture
def client(running: Service) -> Iterator[Client]:
    one = signed_in(running)
    yield one
    one.close()


REFUSED = {
    "levels that are paths": '"../../etc/passwd"',
    "a level that is one": "a/./b",
    "a name that is one": "..",
    "4,000 octets in one level": "x" * 4000,
    "4,000 octets in many levels": '"' + "/".join(["x" * 200] * 20) + '"',
    "a hundred levels": "/".join("a" * 100),
    "NUL in modified UTF-7": '"&AAA-"',
    "half a character in modified UTF-7": '"&2AA-"',
    "an empty level": "a//b",
    "no name": '""',
    "an escape": '"a\x1bb"',
    "a tab as a literal": "{3+}\r\na\tb",
}


@pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED)
def test_a_name_that_cannot_be_is_told_so(client: Client, name: str) -> None:
    assert b" NO [CANNOT] " in client.command(f"CREATE {name}")[-1]
    assert b" NO [CANNOT] " in client.command(f"RENAME Archive {name}")[-1]
    # Of a name that can't be there is no mailbox.
    for command in ("SELECT {}", "STATUS {} (MESSAGES)", "DELETE {}", "SUBSCRIBE {}", "APPEND {} {{1+}}\r\nx"):
        answer = client.command(command.format(name))[-1]
        assert b" NO [" in answer, (command, answer)
    client.ok("NOOP")


@pytest.mark.parametrize("name", ["a\0b", '"a\0b"', "{3+}\r\na\0b", '"a\rb"'])
def test_octets_that_no_string_can_have_are_bad(running: Service, name: str) -> None:
    client = signed_in(running)
    assert b" BAD " in client.command(f"CREATE {name}")[-1]
    client.close()
    assert not [box for box in running.store.mailboxes(running.account) if box.name[:1] == "a"]


def test_dots_in_a_name_lead_nowhere(running: Service, client: Client) -> None:
    client.command('CREATE "../nowhere-7391"')
    running.put("a.b/..c", b"Subject: x\r\n\r\n")
    assert not list(running.folder.parent.rglob("*nowhere-7391*"))
    account = next((running.folder / "mail").glob("*/marie*"))
    assert list((account / ".a\\2eb.\\2e\\2ec").glob("cur/*"))
    assert b"a.b/..c" in b"".join(client.ok('LIST "" a.b/*'))


@pytest.mark.parametrize("octets", [b"", b"\r\n", b"x", b"no header here", b": :\r\n\r\n", b"\r\n\r\n\r\n"])
def test_a_body_without_a_message_in_it_is_kept_or_refused_but_never_lost(client: Client, octets: bytes) -> None:
    client.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(octets), octets))
    answer = client.until(b"a")[-1]
    if not octets:
        assert answer.startswith(b"a NO"), answer
        return
    assert answer.startswith(b"a OK [APPENDUID "), answer
    uid = int(answer.split()[4].rstrip(b"]"))
    client.ok("SELECT INBOX")
    (data,) = client.ok(f"UID FETCH {uid} (RFC822.SIZE BODY.PEEK[] ENVELOPE BODYSTRUCTURE)")
    assert b"RFC822.SIZE %d" % len(octets) in data
    assert b"BODY[] {%d}\r\n%b" % (len(octets), octets) in data


def _make_many(running: Service, account: int) -> None:
    """Mailboxes as if they had been made one by one, until there are as many as there may be."""
    a, b = tables.account.c, tables.mailbox.c
    with running.database.write() as connection:
        mine = connection.execute(select(tables.mailbox).where(b.account_id == account)).mappings().all()
        (like,) = [dict(row) for row in mine if row["name"] == "Templates"]
        first = max(row["id"] for row in mine) + 1
        new = [f"Dossier {n:04}" for n in range(MANY - len(mine))]
        rows = [like | {"id": first + n, "name": name, "folder": f".{name}"} for n, name in enumerate(new)]
        connection.execute(insert(tables.mailbox), rows)
        connection.execute(update(tables.account).where(a.id == account).values(next_mailbox=first + len(rows)))


def test_an_account_full_of_mailboxes(running: Service) -> None:
    """As many as it may have: one more is refused, the list of all of them comes at once."""
    number = running.add_account("comptoir")
    _make_many(running, number)
    client = signed_in(running, login="comptoir")
    answer = client.command("CREATE more")[-1]
    assert b" NO [LIMIT] " in answer, answer
    assert b" NO [LIMIT] " in client.command("CREATE a/b/c")[-1]
    began = time.process_time()
    assert len(client.ok('LIST "" *')) == MANY
    assert len(client.ok('LIST "" "Dossier 48%"')) == 100
    assert time.process_time() - began < 10
    client.ok('RENAME "Dossier 0001" "Classe 1"')
    client.ok('DELETE "Classe 1"')
    client.ok("CREATE more")
    client.close()

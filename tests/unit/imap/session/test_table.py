"""Every command in every state: allowed or a tagged BAD, and nothing in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imap.session.states import State
from imap.session.table import TABLE, News
from imap.wire import commands as c
from imap.wire.parser import RULES, Limits, parse
from tests.fakes.imap_service import PASSWORD, Client, Service, service

SAMPLES: dict[type[c.Command], str] = {
    c.Capability: "CAPABILITY",
    c.Noop: "NOOP",
    c.Logout: "LOGOUT",
    c.Id: "ID NIL",
    c.StartTls: "STARTTLS",
    c.Authenticate: "AUTHENTICATE PLAIN =",
    c.Login: "LOGIN marie wrong",
    c.Enable: "ENABLE CONDSTORE",
    c.Compress: "COMPRESS DEFLATE",
    c.Unauthenticate: "UNAUTHENTICATE",
    c.Select: "SELECT INBOX",
    c.Create: "CREATE new",
    c.Delete: "DELETE nowhere",
    c.Rename: "RENAME nowhere elsewhere",
    c.Subscribe: "SUBSCRIBE INBOX",
    c.Status: "STATUS INBOX (MESSAGES)",
    c.List: 'LIST "" *',
    c.Lsub: 'LSUB "" *',
    c.Namespace: "NAMESPACE",
    c.Append: "APPEND INBOX {1+}\r\nx",
    c.Idle: "IDLE\r\nDONE",
    c.SetAcl: "SETACL INBOX paul lr",
    c.DeleteAcl: "DELETEACL INBOX paul",
    c.GetAcl: "GETACL INBOX",
    c.ListRights: "LISTRIGHTS INBOX paul",
    c.MyRights: "MYRIGHTS INBOX",
    c.Notify: "NOTIFY NONE",
    c.GetMetadata: "GETMETADATA INBOX /shared/comment",
    c.SetMetadata: "SETMETADATA INBOX (/shared/comment NIL)",
    c.GetQuota: 'GETQUOTA ""',
    c.GetQuotaRoot: "GETQUOTAROOT INBOX",
    c.SetQuota: 'SETQUOTA "" ()',
    c.Replace: "REPLACE 1 INBOX {1+}\r\nx",
    c.Check: "CHECK",
    c.Close: "CLOSE",
    c.Unselect: "UNSELECT",
    c.Expunge: "EXPUNGE",
    c.UidBatches: "UIDBATCHES 500",
    c.Search: "SEARCH ALL",
    c.Sort: "SORT (DATE) UTF-8 ALL",
    c.MakeThreads: "THREAD REFS UTF-8 ALL",
    c.MultiSearch: "ESEARCH IN (inboxes) ALL",
    c.Fetch: "FETCH 1 FLAGS",
    c.Store: "STORE 1 +FLAGS (\\Seen)",
    c.Copy: "COPY 1 INBOX",
    c.Move: "MOVE 1 Trash",
}

STATES = (State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(Path(tmp_path_factory.mktemp("imap")), failed_logins=100) as one:
        one.fill("INBOX", 2)
        yield one


def test_the_table_has_every_command_of_the_grammar() -> None:
    samples = (
        parse((f"a {text}".partition("\r\n")[0].removesuffix("{1+}").encode(),), (), Limits())
        for kind, text in SAMPLES.items()
        if kind not in (c.Append, c.Replace)
    )
    assert {type(request.command) for request in samples} | {c.Append, c.Replace} == set(TABLE) == set(SAMPLES)
    assert len(RULES) >= len(TABLE)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name.lower())
@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__.lower())
def test_a_command_in_a_state(running: Service, kind: type[c.Command], state: State) -> None:
    client = Client(running.port)
    client.line()
    if state is not State.NOT_AUTHENTICATED:
        client.ok(f'LOGIN marie "{PASSWORD}"')
    if state is State.SELECTED:
        client.ok("SELECT INBOX")
    client.send(f"x {SAMPLES[kind]}\r\n".encode())
    responses = [one for one in client.until(b"x") if not one.startswith(b"+")]
    allowed = state in TABLE[kind].states
    if allowed and kind is not c.StartTls:
        assert responses[-1].split(b" ")[1] in (b"OK", b"NO")
    elif not allowed:
        assert responses == [b"x BAD [CLIENTBUG] Not allowed when " + state.value.encode()]
    if kind not in (c.Logout, c.StartTls, c.Compress):
        client.send(b"y NOOP\r\n")
        assert client.until(b"y")[-1].startswith(b"y OK")
    client.close()


def test_only_commands_that_name_messages_by_number_hold_removals_back() -> None:
    """RFC 3501 section 7.4.1: FETCH, STORE, SEARCH; RFC 5256 sections 3 and 4: SORT, THREAD."""
    held_back = {c.Fetch, c.Store, c.Search, c.Sort, c.MakeThreads}
    assert {kind for kind, row in TABLE.items() if row.news is News.NO_REMOVALS} == held_back

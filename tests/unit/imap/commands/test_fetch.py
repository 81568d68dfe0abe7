"""FETCH of sections of a message with everything in it (RFC 3501 section 6.4.5), over a real connection."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from message.content import Content
from storage import tables
from storage.errors import Damaged
from storage.model import MessageRow
from tests.fakes.imap_service import Client, Service, eventually, service, signed_in

INNER = (
    b"From: inner@example.net\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
    b"--in\r\nContent-Type: text/plain\r\n\r\ninner plain\r\n"
    b"--in\r\nContent-Type: text/html\r\n\r\n<p>inner</p>\r\n--in--\r\n"
)
WHOLE = (
    b"From: outer@example.net\r\nTo: paul@example.org,\r\n marie@example.org\r\nX-Odd: one\r\nSubject: outer\r\n"
    b"X-Odd: two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n"
    b"preamble\r\n--out\r\nContent-Type: text/plain\r\nX-Part: yes\r\n\r\nhello\r\n"
    b"--out\r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"\r\n--out--\r\n"
)
PLAIN = b"Subject: plain\r\n\r\njust text\r\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(Path(tmp_path_factory.mktemp("imap"))) as one:
        for octets in (WHOLE, PLAIN, b"no header at all", b"Subject: only header\r\n", bytes(range(1, 256))):
            one.deliver(octets=octets)
        yield one


@pytest.fixture
def client(running: Service) -> Iterator[Client]:
    one = signed_in(running)
    one.ok("EXAMINE INBOX")
    yield one
    one.close()


def fetched(client: Client, number: int, section: str) -> bytes | None:
    """The octets of one BODY.PEEK item."""
    (response,) = client.ok(f"FETCH {number} BODY.PEEK{section}")
    found = re.fullmatch(rb"\* \d+ FETCH \(BODY(\[.*?\](?:<\d+>)?) (?:NIL|\{(\d+)\}\r\n(.*))\)", response, re.DOTALL)
    assert found, response
    label = re.sub(r"<(\d+)\.\d+>", r"<\1>", section)
    assert found[1].decode() == label
    if found[2] is None:
        return None
    assert len(found[3]) == int(found[2])
    return found[3]


HEADER = WHOLE[: WHOLE.index(b"\r\n\r\n") + 4]
INNER_HEADER = INNER[: INNER.index(b"\r\n\r\n") + 4]


@pytest.mark.parametrize(
    ("section", "octets"),
    [
        ("[]", WHOLE),
        ("[]<0.10>", WHOLE[:10]),
        ("[]<5.4294967295>", WHOLE[5:]),
        ("[]<999999.10>", b""),
        ("[HEADER]", HEADER),
        ("[TEXT]", WHOLE[len(HEADER) :]),
        ("[1]", b"hello"),
        ("[1.MIME]", b"Content-Type: text/plain\r\nX-Part: yes\r\n\r\n"),
        ("[2]", INNER),
        ("[2.MIME]", b"Content-Type: message/rfc822\r\n\r\n"),
        ("[2.HEADER]", INNER_HEADER),
        ("[2.TEXT]", INNER[len(INNER_HEADER) :]),
        ("[2.1]", b"inner plain"),
        ("[2.2]", b"<p>inner</p>"),
        ("[2.2.MIME]", b"Content-Type: text/html\r\n\r\n"),
        ("[2.HEADER.FIELDS (Subject X-None)]", b"Subject: inner\r\n\r\n"),
        ("[HEADER.FIELDS (X-Odd SUBJECT)]", b"X-Odd: one\r\nSubject: outer\r\nX-Odd: two\r\n\r\n"),
        ("[HEADER.FIELDS (To)]", b"To: paul@example.org,\r\n marie@example.org\r\n\r\n"),
        ("[HEADER.FIELDS (To)]<4.4>", b"paul"),
        ("[HEADER.FIELDS (None)]", b"\r\n"),
        ("[HEADER.FIELDS.NOT (From To X-Odd Subject)]", HEADER[HEADER.index(b"MIME-Version") :]),
        ("[3]", None),
        ("[1.1]", None),
        ("[1.HEADER]", None),
    ],
)
def test_sections(client: Client, section: str, octets: bytes | None) -> None:
    assert fetched(client, 1, section) == octets


@pytest.mark.parametrize(
    ("number", "section", "octets"),
    [
        (2, "[1]", b"just text\r\n"),
        (2, "[TEXT]", b"just text\r\n"),
        (2, "[1.MIME]", b"Subject: plain\r\n\r\n"),
        (3, "[]", b"no header at all"),
        (4, "[HEADER]", b"Subject: only header\r\n"),
        (4, "[TEXT]", b""),
        (5, "[]", bytes(range(1, 256))),
    ],
)
def test_sections_of_odd_messages(client: Client, number: int, section: str, octets: bytes) -> None:
    assert fetched(client, number, section) == octets


def test_structure_without_extensions(client: Client) -> None:
    (response,) = client.ok("FETCH 2 (BODY BODYSTRUCTURE)")
    assert b'BODY ("TEXT" "PLAIN"' in response.upper()
    assert b"BODYSTRUCTURE" in response


def test_several_items_in_one_answer(client: Client) -> None:
    (response,) = client.ok("UID FETCH 2 (FLAGS BODY.PEEK[HEADER] ENVELOPE BODY.PEEK[TEXT] RFC822.SIZE)")
    assert response.startswith(
        b"* 2 FETCH (UID 2 FLAGS (\\Recent) RFC822.SIZE 29 BODY[HEADER] {18}\r\nSubject: plain\r\n\r\n ENV"
    )
    assert response.endswith(b" BODY[TEXT] {11}\r\njust text\r\n)")


def test_old_names(client: Client) -> None:
    (response,) = client.ok("FETCH 2 (RFC822.HEADER RFC822.TEXT RFC822)")
    assert response == (
        b"* 2 FETCH (RFC822.HEADER {18}\r\nSubject: plain\r\n\r\n RFC822.TEXT {11}\r\njust text\r\n"
        b" RFC822 {29}\r\n" + PLAIN + b")"
    )


def test_a_read_only_mailbox_stays_unseen(client: Client) -> None:
    client.ok("FETCH 2 BODY[]")
    assert client.ok("FETCH 2 FLAGS") == [b"* 2 FETCH (FLAGS (\\Recent))"]


def test_a_body_that_is_cut_while_it_is_read_costs_its_own_answer_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that shrinks under its reader gives what a bad sector gives: an error of the read, never a signal."""
    big = b"Subject: grand\r\n\r\n" + b"x" * 400_000 + b"\r\n"
    with service(tmp_path) as running:
        for octets in (PLAIN, big):
            running.deliver(octets=octets)
        body = running.store.body

        def cut(account: int, mailbox: int, row: MessageRow) -> Content:
            [path] = tmp_path.rglob(f"cur/*S={row.size}*")
            os.truncate(path, row.size)
            content = body(account, mailbox, row)
            if row.uid == 2:
                os.truncate(path, 8192)
            return content

        monkeypatch.setattr(running.store, "body", cut)
        client = signed_in(running)
        client.ok("EXAMINE INBOX")
        for item in ("BODY.PEEK[]", "BODY.PEEK[TEXT]<300000.65536>", "BINARY.PEEK[1]", "BODY"):
            responses = client.command(f"FETCH 1:2 {item}")
            assert [response[:4] for response in responses[:-1]] == [b"* 1 "], item
            assert responses[-1].split(b" ", 1)[1].startswith(b"NO [UNAVAILABLE]"), item
        # What the disk still gives is sent.
        assert b"grand" in client.ok("FETCH 2 BODY.PEEK[]<0.100>")[0]
        client.close()


def test_a_damaged_message_does_not_hide_the_others(
    running: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = running.store.body

    def damaged(account: int, mailbox: int, row: MessageRow) -> Content:
        if row.uid == 2:
            raise Damaged("gone from the disk")
        return body(account, mailbox, row)

    monkeypatch.setattr(running.store, "body", damaged)
    responses = client.command("FETCH 1:3 BODY.PEEK[]")
    assert [response[:4] for response in responses[:-1]] == [b"* 1 ", b"* 3 "]
    assert responses[-1].split(b" ", 1)[1].startswith(b"NO [CORRUPTION]")


def test_news_that_cannot_be_had_do_not_cost_the_answer(running: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(running, "INBOX")

    def broken(*arguments: object) -> object:
        raise ZeroDivisionError

    running.deliver()
    monkeypatch.setattr(running.store, "view", broken)
    assert client.command("NOOP")[-1].split(b" ")[1] == b"OK"
    monkeypatch.undo()
    assert eventually(lambda: any(b"EXISTS" in response for response in client.ok("NOOP")))


def test_previews_of_mail_that_was_there_before_them(tmp_path: Path) -> None:
    with service(tmp_path) as running:
        running.fill("INBOX", 2)
        with running.database.write() as connection:
            connection.execute(update(tables.content).values(preview=None))
        client = signed_in(running, "INBOX")
        assert client.ok("FETCH 1 (PREVIEW (LAZY))") == [b"* 1 FETCH (PREVIEW NIL)"]
        words = "Bonjour à tous, à demain.".encode()
        assert client.ok("FETCH 1 (PREVIEW UID)") == [b"* 1 FETCH (UID 1 PREVIEW {%d}\r\n%b)" % (len(words), words)]


def test_what_was_appended_with_nul_comes_back(tmp_path: Path) -> None:
    """RFC 3516 sections 4.4 and 6: kept in base64, and decoded again on the way out."""
    with service(tmp_path) as running:
        client = signed_in(running, "INBOX")
        octets = b"Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01\x02"
        *_, tagged = client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(octets), octets))
        assert b" BAD " in tagged
        client.ok(b"APPEND INBOX ~{%d+}\r\n%b" % (len(octets), octets))
        stored = b"Content-Transfer-Encoding: base64\r\nContent-Type: image/png\r\n\r\nAAEC\r\n"
        assert client.ok("FETCH 1 BODY.PEEK[]") == [b"* 1 FETCH (BODY[] {%d}\r\n%b)" % (len(stored), stored)]
        assert client.ok("FETCH 1 BINARY.SIZE[1]") == [b"* 1 FETCH (BINARY.SIZE[1] 3)"]
        client.send(b"x FETCH 1 BINARY.PEEK[1]\r\n")
        assert client.line() == b"* 1 FETCH (BINARY[1] ~{3}"
        assert client.octets(3) == b"\x00\x01\x02"
        assert client.until(b"x")[0] == b")"
        *_, tagged = client.command(b"APPEND INBOX ~{15+}\r\nSubject: \x00\r\n\r\nx")
        assert b" NO [UNKNOWN-CTE] " in tagged

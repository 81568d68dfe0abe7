"""Limits of annotations on the wire, and entries by their names (RFC 5464)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Store
from imap.wire.commands import GetMetadata, SetMetadata
from imap.wire.encoder import encode
from imap.wire.errors import ParseError
from imap.wire.parser import Limits, parse
from imap.wire.responses import Metadata, MetadataChanged
from tests.fakes.imap_service import Client, Service, service, signed_in


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("narrow")
    limits = Store(annotation_size=1024, annotations=10)
    with service(folder, limits=limits, contact="mailto:postmaster@example.org") as running:
        yield running


@pytest.fixture
def client(narrow: Service) -> Iterator[Client]:
    one = signed_in(narrow)
    yield one
    one.close()


def test_too_big_and_too_many(client: Client) -> None:
    client.ok("SETMETADATA INBOX (/private/big {1024+}\r\n" + "x" * 1024 + ")")
    answer = client.command('SETMETADATA INBOX (/shared/comment "x" /private/big {1025+}\r\n' + "x" * 1025 + ")")
    assert b" NO [METADATA MAXSIZE 1024]" in answer[-1], answer
    pairs = " ".join(f'/private/{number} "x"' for number in range(10))
    answer = client.command(f'SETMETADATA INBOX (/shared/comment "x" {pairs})')
    assert b" NO [METADATA TOOMANY]" in answer[-1], answer
    assert client.ok("GETMETADATA INBOX /shared/comment")[0] == b"* METADATA INBOX (/shared/comment NIL)"


def test_the_way_to_the_administrators_is_configured(client: Client) -> None:
    assert client.ok('GETMETADATA "" (DEPTH 1) /shared')[0] == (
        b'* METADATA "" (/shared/admin "mailto:postmaster@example.org")'
    )


def parsed(text: bytes) -> object:
    return parse((b"t " + text,), (), Limits()).command


def test_options_stand_before_or_behind_the_mailbox() -> None:
    expected = GetMetadata("INBOX", ("/shared/a", "/private/B"), 7, None)
    assert parsed(b"GETMETADATA (MAXSIZE 7 DEPTH infinity) INBOX (/shared/a /private/B)") == expected
    assert parsed(b"GETMETADATA INBOX (depth INFINITY maxsize 7) /shared/a /private/B") == expected
    assert parsed(b'GETMETADATA "" "/private/depth 1"') == GetMetadata("", ("/private/depth 1",))
    assert parsed(b"SETMETADATA INBOX (/Shared/A NIL)") == SetMetadata("INBOX", (("/shared/a", None),))


@pytest.mark.parametrize(
    "text",
    [
        b"GETMETADATA INBOX",
        b"GETMETADATA INBOX ()",
        b"GETMETADATA INBOX (DEPTH 2) /private/a",
        b"GETMETADATA INBOX (DEPTH) /private/a",
        b"GETMETADATA INBOX (OTHER 2) /private/a",
        b"GETMETADATA INBOX (MAXSIZE -1) /private/a",
        b"GETMETADATA INBOX /privates/a",
        b"GETMETADATA INBOX /private/" + b"a" * 257,
        b'GETMETADATA INBOX "/private/\xc3\xa9"',
        b"GETMETADATA INBOX (" + b" ".join(b"/private/%d" % number for number in range(101)) + b")",
        b"SETMETADATA INBOX ()",
        b"SETMETADATA INBOX (/private/a)",
        b"SETMETADATA INBOX /private/a x",
        b"SETMETADATA INBOX (/private/a atom)",
        b"SETMETADATA INBOX (/shared/vendor x)",
    ],
)
def test_what_the_grammar_does_not_have(text: bytes) -> None:
    with pytest.raises(ParseError):
        parsed(text)


def test_values_on_the_wire() -> None:
    values = (("/private/a", None), ("/private/b", b"NIL"), ("/private/c d", b"\0\r\n"), ("/private/e", "é".encode()))
    assert encode(Metadata("", values)) == (
        b'* METADATA "" (/private/a NIL /private/b "NIL" "/private/c d" ~{3}\r\n\0\r\n /private/e {2}\r\n\xc3\xa9)\r\n'
    )
    assert encode(MetadataChanged("é", ("/shared/a", "/private/b"))) == (b'* METADATA "&AOk-" /shared/a /private/b\r\n')

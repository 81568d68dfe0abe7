"""SEARCH finds exactly what is there: with a text index, with half of one, and without.

The truth is what the mails were made of, compared letter by letter.
"""

from __future__ import annotations

import base64
import binascii
import html
import quopri
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.header import Header as EncodedHeader
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import Store as Settings
from message.content import MemoryContent
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.model import AllOf, Body, Header, NewMessage, Not, SearchKey, Text
from storage.store import Store
from storage.texts.indexer import Indexer
from storage.texts.trigrams import TrigramFiles

KIND = 'Content-Type: multipart/mixed; boundary="limit"'
WORDS = (
    "Réunion",
    "réunions",
    "ÉCOLE",
    "ecole",
    "élève",
    "Œuvre",
    "œuf",
    "a",
    "à",
    "où",
    "ou",
    "Noël",
    "NOEL",
    "l'été",
    "日本語",
    "ß",
)
SPACES = st.sampled_from((" ", ", ", "-", ""))
texts = st.lists(st.tuples(st.sampled_from(WORDS), SPACES), min_size=1, max_size=6).map(
    lambda pairs: "".join(word + space for word, space in pairs).strip()
)


@dataclass(frozen=True)
class Mail:
    """A mail and what is in it."""

    subject: str
    parts: tuple[tuple[str, str], ...]

    def octets(self) -> bytes:
        head = f"Subject: {EncodedHeader(self.subject, 'utf-8', maxlinelen=1000).encode()}\r\n{KIND}\r\n\r\n"
        body = b"".join(b"--limit\r\n" + _part(text, how) + b"\r\n" for text, how in self.parts)
        return head.encode() + body + b"--limit--\r\n"

    def has(self, key: SearchKey) -> bool:
        match key:
            case Header(needle=needle):
                return _folded(needle) in _folded(self.subject)
            case Body(needle=needle):
                return any(_folded(needle) in _folded(text) for text, _ in self.parts)
            case Text(needle=needle):
                fields = (f"Subject: {self.subject}", KIND)
                return any(_folded(needle) in _folded(field) for field in fields) or self.has(Body(needle))
            case Not(key=inner):
                return not self.has(inner)
            case AllOf(keys=keys):
                return all(map(self.has, keys))
        raise TypeError(key)


def _part(text: str, how: str) -> bytes:
    kind, encoding = how.split("/")
    charset = "iso-8859-15" if kind == "latin" and _fits(text) else "utf-8"
    source = f"<html><p>{html.escape(text)}</p></html>" if kind == "html" else text
    octets = source.encode(charset)
    if encoding == "base64":
        octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        octets = binascii.b2a_qp(octets).replace(b"\n", b"\r\n") if len(octets) < 70 else quopri.encodestring(octets)
    subtype = "html" if kind == "html" else "plain"
    head = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + octets


def _fits(text: str) -> bool:
    try:
        text.encode("iso-8859-15")
    except UnicodeEncodeError:
        return False
    return True


def _folded(text: str) -> str:
    """i;unicode-casemap, written out for the letters used here."""
    return "".join(unicodedata.normalize("NFD", one if one == "ß" else one.upper()) for one in text)


kinds = st.tuples(st.sampled_from(("plain", "latin", "html")), st.sampled_from(("8bit", "base64", "quoted-printable")))
mails = st.builds(Mail, texts, st.lists(st.tuples(texts, kinds.map("/".join)), min_size=1, max_size=3).map(tuple))


@st.composite
def needles(draw: st.DrawFn, among: Sequence[Mail]) -> str:
    """A piece of what is there, one or two letters, or something else."""
    text = draw(st.sampled_from([text for mail in among for text in (mail.subject, *(text for text, _ in mail.parts))]))
    start = draw(st.integers(0, len(text) - 1))
    piece = text[start : start + draw(st.sampled_from((1, 2, 3, 5, 40)))].strip() or "e"
    change = draw(st.sampled_from((str.upper, str.lower, str, lambda piece: unicodedata.normalize("NFD", piece))))
    return piece if "ß" in piece else change(piece)


@st.composite
def keys(draw: st.DrawFn, among: Sequence[Mail]) -> SearchKey:
    one, other = draw(needles(among)), draw(needles(among))
    key: SearchKey = draw(st.sampled_from((Body(one), Text(one), Header("Subject", one))))
    also: SearchKey = draw(st.sampled_from((AllOf(), Not(Body(other)), Not(Text(other)))))
    return AllOf((key, also))


@contextmanager
def stores() -> Iterator[tuple[Store, Store, Indexer, int]]:
    """The same mail seen with and without an index; the account's number."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder}/index.db")
        metadata.create_all(database.engine)
        doorbell, mail = Doorbell(folder / "bells"), Maildir(folder / "mail")
        index = TrigramFiles(folder / "text")
        with_index, without = (Store(database, mail, Settings(), doorbell, one) for one in (index, None))
        try:
            yield with_index, without, Indexer(database, index, with_index.body), with_index.open_account("marie")
        finally:
            for one in (with_index, without, index, doorbell, database):
                one.close()


@settings(max_examples=40)
@given(st.data(), st.lists(mails, min_size=1, max_size=6), st.lists(mails, max_size=3))
def test_what_is_found_is_what_is_there(data: st.DataObject, indexed: list[Mail], not_yet: list[Mail]) -> None:
    with stores() as (with_index, without, indexer, account):
        box = with_index.mailbox(account, "INBOX").id
        uids: dict[int, Mail] = {}
        for some in (indexed, not_yet):
            if some:
                new = [NewMessage(MemoryContent(mail.octets())) for mail in some]
                uids.update(zip(with_index.append(account, box, new), some, strict=True))
            if some is indexed:
                assert indexer.catch_up() == len(indexed)
        for _ in range(8):
            key = data.draw(keys([*indexed, *not_yet]))
            expected = [uid for uid, mail in uids.items() if mail.has(key)]
            assert with_index.search(account, box, key) == expected, key
            assert without.search(account, box, key) == expected, key

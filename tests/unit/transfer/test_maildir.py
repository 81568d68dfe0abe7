"""Maildirs as Dovecot and Courier leave them."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from storage.model import System
from tests.fakes.ordinary_user import ordinary_user
from transfer.maildir import MaildirSource
from transfer.source import SourceFolder, SourceRefused, Unreadable

DATE = 1_700_000_000


def folder(path: Path) -> Path:
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True, exist_ok=True)
    return path


def put(path: Path, name: str, octets: bytes = b"Subject: a\n\nb\n", date: int = DATE) -> Path:
    file = path / ("cur" if ":" in name else "new") / name
    file.write_bytes(octets)
    os.utime(file, (date, date))
    return file


def source(path: Path, largest: int = 10_000) -> MaildirSource:
    return MaildirSource(path, largest)


def test_flags_keywords_dates_and_the_order_of_the_uids(tmp_path: Path) -> None:
    root = folder(tmp_path / "Maildir")
    (root / "dovecot-keywords").write_text("0 $Label1\n1 à_faire\n")
    (root / "dovecot-uidlist").write_bytes(b"3 V1 N9 Gabc\n7 :2.b,S=14\n8 :1.a\n")
    put(root, "1.a,S=14,W=16:2,FRSab", date=DATE + 1)
    put(root, "2.b,S=14:2,DTP", date=DATE + 2)
    put(root, "0.c", date=DATE)
    listing = source(root).listing(SourceFolder("", ("INBOX",)))
    assert [one.key for one in listing.messages] == ["2.b", "1.a", "0.c"]
    second, first, third = listing.messages
    assert first.system == System.FLAGGED | System.ANSWERED | System.SEEN
    assert first.keywords == ("$Label1", "à_faire")
    assert (first.size, first.date) == (16, DATE + 1)
    assert (second.system, second.keywords) == (System.DRAFT | System.DELETED, ("$Forwarded",))
    assert (third.system, third.keywords, third.size) == (0, (), None)


def test_folders_of_maildir_plus_plus_and_of_plain_folders(tmp_path: Path) -> None:
    root = folder(tmp_path / "Maildir")
    for name in (".&AMk-l&AOg-ves.6e B", ".Élèves\\2e", ".Sent", "Projets/2024", ".vide"):
        folder(root / name)
    (root / ".vide" / "cur").rmdir()
    (root / "subscriptions").write_text("V\t2\n\nSent\n&AMk-l&AOg-ves\t6e B\n")
    found = {one.levels: one.subscribed for one in source(root).folders()}
    assert found == {
        ("INBOX",): True,
        ("Élèves", "6e B"): True,
        ("Élèves.",): False,
        ("Sent",): True,
        ("Projets", "2024"): False,
    }


def test_subscriptions_of_courier(tmp_path: Path) -> None:
    root = folder(tmp_path / "Maildir")
    folder(root / ".Sent")
    folder(root / ".Trash")
    (root / "courierimapsubscribed").write_text("INBOX\nINBOX.Sent\n")
    assert {one.levels: one.subscribed for one in source(root).folders()} == {
        ("INBOX",): True,
        ("Sent",): True,
        ("Trash",): False,
    }


def test_line_ends_and_packed_files(tmp_path: Path) -> None:
    root = folder(tmp_path / "Maildir")
    pack = zlib.compressobj(wbits=31)
    put(root, "1:2,", b"Subject: a\n\nb\r\nc\n")
    put(root, "2:2,", pack.compress(b"Subject: z\n\nz\n") + pack.flush())
    put(root, "3:2,", b"\x1f\x8b\x08broken")
    box = SourceFolder("", ("INBOX",))
    maildir = source(root)
    got = {one.key: octets for one, octets in maildir.octets(box, maildir.listing(box).messages)}
    assert got["1"] == b"Subject: a\r\n\r\nb\r\nc\r\n"
    assert got["2"] == b"Subject: z\r\n\r\nz\r\n"
    assert isinstance(got["3"], Unreadable)


def test_a_bomb_of_a_packed_file_is_not_unfolded(tmp_path: Path) -> None:
    root = folder(tmp_path / "Maildir")
    pack = zlib.compressobj(wbits=31)
    put(root, "1:2,", pack.compress(b"a" * 10_000_000) + pack.flush())
    box = SourceFolder("", ("INBOX",))
    maildir = source(root, largest=100_000)
    ((_, octets),) = maildir.octets(box, maildir.listing(box).messages)
    assert isinstance(octets, bytes)
    assert len(octets) == 100_001


def test_a_file_that_is_renamed_meanwhile_is_found(tmp_path: Path) -> None:
    root = folder(tmp_path / "Maildir")
    file = put(root, "1:2,")
    gone = put(root, "2:2,")
    box = SourceFolder("", ("INBOX",))
    maildir = source(root)
    messages = maildir.listing(box).messages
    file.rename(root / "cur" / "1:2,S")
    gone.unlink()
    got = {one.key: octets for one, octets in maildir.octets(box, messages)}
    assert got["1"] == b"Subject: a\r\n\r\nb\r\n"
    assert isinstance(got["2"], Unreadable)


def test_symbolic_links_lead_nowhere(tmp_path: Path) -> None:
    root = folder(tmp_path / "Maildir")
    (tmp_path / "secret").write_text("x")
    (root / "cur" / "1:2,").symlink_to(tmp_path / "secret")
    folder(tmp_path / "elsewhere")
    (root / ".Link").symlink_to(tmp_path / "elsewhere")
    assert source(root).listing(SourceFolder("", ("INBOX",))).messages == []
    assert [one.levels for one in source(root).folders()] == [("INBOX",)]


def test_a_folder_that_is_no_maildir_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused):
        source(tmp_path)


def test_rights(tmp_path: Path) -> None:
    root = folder(tmp_path / "Maildir")
    (root / "dovecot-acl").write_text("owner lrwstipekxa\nuser=paul lr :write-seen\nanyone lookup\n-user=eve r\n# x\n")
    found = source(root).grants(SourceFolder("", ("INBOX",)))
    assert found == {"paul": "lrs", "anyone": "l", "-eve": "r"}


@pytest.mark.parametrize("kept_from_us", [".", "cur", ".Sent", ".Sent/cur", "subscriptions", ".Sent/dovecot-acl"])
def test_what_may_not_be_read_is_told_and_not_left_behind(open_folder: Path, kept_from_us: str) -> None:
    root = folder(open_folder / "Maildir")
    sent = folder(root / ".Sent")
    (root / "subscriptions").write_text("Sent\n")
    (sent / "dovecot-acl").write_text("user=paul lr\n")
    (root / kept_from_us).chmod(0)

    def everything() -> None:
        tree = source(root)
        for one in tree.folders():
            tree.listing(one)
            tree.grants(one)

    with ordinary_user(), pytest.raises((SourceRefused, Unreadable), match="can't be read: Permission denied"):
        everything()
    (root / kept_from_us).chmod(0o755)
    with ordinary_user():
        everything()

"""mbox files of several programs."""

from __future__ import annotations

import mailbox
from pathlib import Path

import pytest

from storage.model import System
from tests.fakes.ordinary_user import ordinary_user
from transfer.mbox import MboxSource, Quoting
from transfer.source import SourceFolder, SourceMessage, SourceRefused

BOX = SourceFolder("", ("INBOX",))
LINE = b"From marie@ac.test Tue Nov 14 22:13:20 2023\n"


def read(path: Path, octets: bytes, quoting: Quoting = Quoting.RD) -> list[tuple[SourceMessage, bytes]]:
    path.write_bytes(octets)
    source = MboxSource(path, 10_000, quoting)
    got = [(one, octets) for one, octets in source.octets(BOX, source.listing(BOX).messages)]
    assert all(isinstance(octets, bytes) for _, octets in got)
    return got  # type: ignore[return-value]


def test_messages_flags_and_dates(tmp_path: Path) -> None:
    got = read(
        tmp_path / "box",
        LINE + b"Subject: a\nStatus: RO\nX-Status: AF\nX-Keywords: $Label1 vu\n   lu\nX-UID: 7\n\nun\n\n"
        b"From - Tue Nov 14 23:13:20 2023 +0100\nSubject: b\n\ndeux\n\nFrom here on it is text.\n\n"
        b"From x Tue Nov 14 22:13 2023\nSubject: c\n\n",
    )
    (first, one), (second, two), (third, three) = got
    assert one == b"Subject: a\r\n\r\nun\r\n"
    assert first.system == System.SEEN | System.ANSWERED | System.FLAGGED
    assert first.keywords == ("$Label1", "lu", "vu")
    assert (first.date, first.zone, first.size) == (1_700_000_000, 0, len(one))
    assert two == b"Subject: b\r\n\r\ndeux\r\n\r\nFrom here on it is text.\r\n"
    assert (second.date, second.zone) == (1_700_000_000, 60)
    assert three == b"Subject: c\r\n\r\n"
    assert third.system == 0


@pytest.mark.parametrize(
    ("quoting", "text"),
    [(Quoting.RD, b"From a\r\n>From b\r\n>b\r\n"), (Quoting.O, b"From a\r\n>>From b\r\n>b\r\n")],
)
def test_quoted_lines(tmp_path: Path, quoting: Quoting, text: bytes) -> None:
    ((_, octets),) = read(tmp_path / "box", LINE + b"Subject: a\n\n>From a\n>>From b\n>b\n", quoting)
    assert octets == b"Subject: a\r\n\r\n" + text


def test_what_a_message_holds_names_it_wherever_it_stands(tmp_path: Path) -> None:
    one, two = b"Subject: a\n\na\n\n", b"Subject: b\n\nb\n\n"
    before = [message.key for message, _ in read(tmp_path / "box", LINE + one + LINE + two + LINE + one)]
    assert len(set(before)) == 3
    after = [message.key for message, _ in read(tmp_path / "box", LINE + two + LINE + b"Status: R\n" + one)]
    assert after == [before[1], before[0]]


def test_crlf_files_and_the_note_of_pine(tmp_path: Path) -> None:
    note = b"From MAILER-DAEMON Tue Nov 14 22:13:20 2023\nDate: x\nSubject: DON'T DELETE THIS MESSAGE -- data\n\nx\n\n"
    got = read(tmp_path / "box", note + (LINE + b"Subject: a\n\nb\n").replace(b"\n", b"\r\n"))
    assert [octets for _, octets in got] == [b"Subject: a\r\n\r\nb\r\n"]


def test_a_file_of_pythons_own_library(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    message = mailbox.mboxMessage(b"Subject: a\n\nFrom b\n\nc\n")
    message.set_flags("RF")
    box.add(message)
    box.add(mailbox.mboxMessage(b"Subject: b\n\nd"))
    box.close()
    (first, one), (_, two) = read(tmp_path / "box", (tmp_path / "box").read_bytes())
    assert one == b"Subject: a\r\n\r\nFrom b\r\n\r\nc\r\n"
    assert first.system == System.SEEN | System.FLAGGED
    assert two.startswith(b"Subject: b\r\n\r\nd")


def test_folders_of_thunderbird(tmp_path: Path) -> None:
    for name in ("Inbox", "Archives.sbd/2023", "Archives"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(LINE + b"Subject: a\n\nb\n")
    (tmp_path / "Inbox.msf").write_text("// index")
    (tmp_path / "leer").write_bytes(b"")
    found = {one.levels for one in MboxSource(tmp_path, 1000).folders()}
    assert found == {("Inbox",), ("Archives",), ("Archives", "2023")}


def test_what_is_no_mbox_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("Subject: a\n\nb\n")
    for path in (tmp_path / "x", tmp_path / "nothing"):
        with pytest.raises(SourceRefused):
            MboxSource(path, 1000)


def test_a_long_line_is_no_danger(tmp_path: Path) -> None:
    """A "From " in the middle of a line that is read in pieces begins nothing."""
    got = read(tmp_path / "box", LINE + b"Subject: a\n\n" + b"x" * 65536 + b"From x Tue Nov 14 22:13:20 2023\n")
    assert len(got) == 1
    assert 10_000 < len(got[0][1]) < 10_010


def test_a_folder_without_mbox_files_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    (tmp_path / "cur" / "1.a:2,").write_bytes(b"Subject: a\r\n\r\nb\r\n")
    with pytest.raises(SourceRefused, match="there is no mbox file"):
        MboxSource(tmp_path, 10_000).folders()


def test_a_file_that_is_missing_asks_for_no_rights(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused) as told:
        MboxSource(tmp_path / "nowhere", 10_000)
    assert "No such file" in str(told.value)
    assert "rights" not in str(told.value)


@pytest.mark.parametrize("kept_from_us", [".", "amis", "amis.sbd", "amis.sbd/paul"])
def test_what_may_not_be_read_is_told_and_not_left_behind(open_folder: Path, kept_from_us: str) -> None:
    (open_folder / "boxes" / "amis.sbd").mkdir(parents=True)
    for name in ("amis", "amis.sbd/paul"):
        (open_folder / "boxes" / name).write_bytes(LINE + b"Subject: a\n\nb\n")
    (open_folder / "boxes" / kept_from_us).chmod(0)
    with ordinary_user(), pytest.raises(SourceRefused, match="can't be read: Permission denied"):
        MboxSource(open_folder / "boxes", 10_000).folders()
    (open_folder / "boxes" / kept_from_us).chmod(0o755)
    with ordinary_user():
        assert len(MboxSource(open_folder / "boxes", 10_000).folders()) == 2

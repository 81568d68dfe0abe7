from __future__ import annotations

import random
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import pairwise

import pytest

from message.cut import without_parts
from message.headers import parse_headers
from message.parts import Part, scan, walk


def made(*names: str, text: str = "Bonjour à tous.\n") -> bytes:
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"], mail["Subject"] = "a@exemple.org", "été"
    mail.set_content(text)
    mail.add_alternative(f"<p>{text}</p>", subtype="html")
    for name in names:
        mail.add_attachment(name.encode() * 50, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def place(octets: bytes, name: str) -> int:
    return next(part.header_start for part in walk(scan(octets)) if part.filename == name)


def cut(octets: bytes, notes: dict[int, str]) -> bytes | None:
    headers = parse_headers(octets)
    return without_parts(octets, headers, scan(octets, headers), notes)


def test_a_note_stands_in_the_place_of_a_file_and_all_else_stays() -> None:
    octets = made("un.exe", "deux.pdf")
    result = cut(octets, {place(octets, "un.exe"): "Retiré : « un.exe »\r\n"})
    assert result is not None
    read = message_from_bytes(result, policy=policy.default)
    assert [part.get_content_type() for part in read.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/plain"),
        "application/octet-stream",
    ]
    assert list(read.iter_attachments())[-1].get_content() == b"deux.pdf" * 50
    assert list(read.walk())[4].get_content().strip() == "Retiré : « un.exe »"
    start, end = octets.index(b"un.exe"), octets.index(b"deux.pdf")
    assert result.startswith(octets[: octets.rindex(b"--=", 0, start)])
    assert result.endswith(octets[octets.rindex(b"--=", 0, end) :])


def test_several_go_at_once() -> None:
    octets = made("un.exe", "deux.exe", "trois.pdf")
    result = cut(octets, {place(octets, name): name for name in ("un.exe", "deux.exe")})
    assert result is not None
    assert [part.filename for part in walk(scan(result)) if part.filename] == ["trois.pdf"]


def test_a_message_that_is_nothing_but_the_file() -> None:
    octets = (
        b"From: a@exemple.org\r\nContent-Type: application/x-msdownload; name=a.exe\r\nSubject: essai\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n"
    )
    result = cut(octets, {0: "Retiré."})
    assert result is not None
    read = message_from_bytes(result, policy=policy.default)
    assert (read["From"], read["Subject"], read.get_content_type()) == ("a@exemple.org", "essai", "text/plain")
    assert read.get_content().strip() == "Retiré."
    assert b"TVqQ" not in result


@pytest.mark.parametrize("sub", ["signed", "encrypted"])
def test_what_is_signed_is_left_whole(sub: str) -> None:
    octets = made("un.exe").replace(b"multipart/mixed", f"multipart/{sub}".encode())
    assert cut(octets, {place(octets, "un.exe"): "Retiré."}) is None


def test_a_forwarded_message_keeps_its_header() -> None:
    inner = made("un.exe")
    alone = b"Subject: seul\r\nContent-Type: application/octet-stream; name=deux.exe\r\n\r\nMZ\r\n"
    for octets, name, safe in ((inner, "un.exe", True), (alone, "deux.exe", False)):
        outer = b'Content-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n'
        outer += octets + b"\r\n--o--\r\n"
        result = cut(outer, {place(outer, name): "Retiré."})
        assert (result is not None) is safe
        assert result is None or b"=?utf-8?" in result


def test_what_is_no_leaf_or_not_there_is_not_cut() -> None:
    octets = made("un.exe")
    assert cut(octets, {0: "x"}) is None
    assert cut(octets, {5: "x"}) is None
    assert cut(octets, {}) is None


def parts_of(part: Part) -> list[tuple[str, str]]:
    return [(one.main, one.sub) for one in walk(part)]


def test_hostile_mail_is_cut_well_or_not_at_all() -> None:
    """Octets changed at random: what comes out is read as the same tree with notes, or nothing comes out."""
    chance = random.Random(16)
    octets = made("un.exe", "deux.pdf", "trois.zip")
    done = 0
    for _ in range(400):
        broken = bytearray(octets)
        for _ in range(chance.randrange(1, 12)):
            at = chance.randrange(len(broken))
            broken[at : at + chance.randrange(3)] = chance.choice((b"", b"\r\n", b"--=", b"\n\n", b'"', b":", b"\0"))
        hostile = bytes(broken)
        before = scan(hostile)
        leaves = [one for one in walk(before) if not one.children and one.message is None]
        chosen = chance.choice(leaves)
        result = cut(hostile, {chosen.header_start: "Retiré : " + "--=x\r\n" * 3})
        if result is None:
            continue
        done += 1
        after = scan(result)
        assert len(parts_of(after)) == len(parts_of(before))
        if chosen.size > 60:
            assert hostile[chosen.body_start : chosen.end] not in result
    assert done > 200


def test_parts_do_not_overlap() -> None:
    """What cutting stands on."""
    parts = [one for one in walk(scan(made("a", "b", "c"))) if not one.children]
    leaves = sorted((one.header_start, one.end) for one in parts)
    assert all(one[1] <= two[0] for one, two in pairwise(leaves))

import mmap

import pytest

from message.headers import parse_headers

LETTER = b"From: a@b\r\nSubject: one\r\n\ttwo\r\nX-Empty:\r\nsubject : three\r\n\r\nFrom: body\r\n"


def test_fields_have_offsets_into_the_octets():
    block = parse_headers(LETTER)
    subject = block.fields[1]
    assert LETTER[subject.start : subject.end] == b"Subject: one\r\n\ttwo\r\n"
    assert LETTER[subject.value_start : subject.end] == b" one\r\n\ttwo\r\n"
    assert LETTER[block.body_start :] == b"From: body\r\n"
    assert block.complete


def test_values_are_unfolded_and_names_compared_without_case():
    block = parse_headers(LETTER)
    assert block.first(b"SUBJECT") == b"one\ttwo"
    assert block.all(b"Subject") == [b"one\ttwo", b"three"]
    assert block.first(b"X-Empty") == b""
    assert block.first(b"X-Absent") is None
    assert block.text(b"X-Absent") == ""
    assert [field.name for field in block.named(b"from", b"x-empty")] == [b"From", b"X-Empty"]


@pytest.mark.parametrize(
    ("octets", "names", "body"),
    [
        (b"", [], b""),
        (b"\r\nbody", [], b"body"),
        (b"\nbody", [], b"body"),
        (b"A: 1", [b"A"], b""),
        (b"A: 1\nB: 2\n\nbody", [b"A", b"B"], b"body"),
        (b"A: 1\nB: 2\r\n\r\nbody\n\nmore", [b"A", b"B"], b"body\n\nmore"),
        (b"no field\r\nA: 1\r\n\r\n", [b"A"], b""),
        (b" folded first\r\nA: 1\r\n\r\n", [b"A"], b""),
        (b"A: 1\r\n \r\n 2\r\n\r\n", [b"A"], b""),
        (b": no name\r\nA B: no\r\n\r\n", [], b""),
        (b"A: 1\rB: 2\r\n\r\n", [b"A"], b""),
    ],
)
def test_odd_headers(octets, names, body):
    block = parse_headers(octets)
    assert [field.name for field in block.fields] == names
    assert octets[block.body_start :] == body


def test_a_part_of_the_buffer_can_be_read():
    octets = b"junk\r\nA: 1\r\n\r\nbody"
    block = parse_headers(octets, 6, 11)
    assert block.first(b"a") == b"1"
    assert block.body_start == 11


def test_too_many_fields_are_told():
    octets = b"A: 1\r\n" * 11 + b"\r\nbody"
    block = parse_headers(octets, max_fields=10)
    assert len(block.fields) == 10
    assert not block.complete
    assert octets[block.body_start :] == b"body"
    assert parse_headers(octets, max_fields=11).complete


def test_a_value_is_read_up_to_64_kib():
    assert len(parse_headers(b"A: " + b"x" * 100_000).first(b"a") or b"") == 65_535  # one is the space


def test_a_map_reads_as_octets_do(tmp_path):
    (tmp_path / "letter").write_bytes(LETTER)
    with (tmp_path / "letter").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
        block = parse_headers(octets)
        assert block.fields == parse_headers(LETTER).fields
        assert block.first(b"subject") == b"one\ttwo"

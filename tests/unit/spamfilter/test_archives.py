from __future__ import annotations

import gzip
import io
import tarfile
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spamfilter.archives import MAX_MEMBERS, MAX_UNPACKED, contents
from spamfilter.signatures import Kind

PROGRAM = b"MZ" + bytes(126) + b"PE\0\0" + bytes(100)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return octets.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return octets.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_of_a_zip_are_told_by_content(method: int) -> None:
    found = contents(zipped({"Photo.JPG": PROGRAM, "a.txt": b"Bonjour"}, method))
    assert [(m.name, m.kind) for m in found.members] == [("photo.jpg", Kind.PROGRAM), ("a.txt", Kind.UNKNOWN)]


def test_tar_and_gzip() -> None:
    found = contents(gzip.compress(tarred({"facture.exe": PROGRAM})))
    assert [(m.name, m.kind) for m in found.members] == [("facture.exe", Kind.PROGRAM)]
    assert [m.kind for m in contents(gzip.compress(PROGRAM)).members] == [Kind.PROGRAM]


def test_an_archive_in_an_archive_is_looked_into_but_no_deeper() -> None:
    inner = zipped({"x.exe": PROGRAM})
    assert "x.exe" in [m.name for m in contents(zipped({"b.zip": inner})).members]
    deep = contents(zipped({"c.zip": zipped({"b.zip": inner})}))
    assert deep.deep
    assert "x.exe" not in [m.name for m in deep.members]


def test_encryption_is_seen() -> None:
    octets = bytearray(zipped({"a.doc": b"secret"}))
    octets[6] |= 1
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    found = contents(bytes(octets))
    assert found.encrypted
    assert [(m.kind, m.encrypted) for m in found.members] == [(Kind.UNKNOWN, True)]
    assert contents(b"Rar!\x1a\x07\x01\x00" + bytes(5) + b"\x04").encrypted


def test_names_of_formats_without_unpacker() -> None:
    found = contents(b"Rar!\x1a\x07\x01\x00" + bytes(20) + b"facture.js" + bytes(20))
    assert found.opaque
    assert [m.name for m in found.members] == ["facture.js"]


def test_a_directory_that_is_cut_off_hides_nothing() -> None:
    octets = zipped({"x.exe": PROGRAM})
    found = contents(octets[: octets.index(b"PK\x01\x02")])
    assert [(m.name, m.kind) for m in found.members] == [("x.exe", Kind.PROGRAM)]


def test_limits() -> None:
    assert len(contents(zipped({f"{i}.txt": b"" for i in range(500)})).members) == MAX_MEMBERS
    assert contents(zipped({"a": bytes(4 << 20)})).bomb
    start = time.process_time()
    nested = zipped({f"{i}.zip": zipped({"z": bytes(40 << 20)}) for i in range(20)})
    made = time.process_time() - start
    start = time.process_time()
    found = contents(nested)
    assert found.bomb
    assert found.unpacked <= 2 * MAX_UNPACKED
    assert time.process_time() - start < max(made, 1.0) * 10


@given(st.binary(max_size=300), st.sampled_from([b"PK\x03\x04", b"\x1f\x8b\x08", b"Rar!\x1a\x07", b"PK\x05\x06", b""]))
def test_any_octets_are_read(octets: bytes, start: bytes) -> None:
    assert len(contents(start + octets).members) <= MAX_MEMBERS


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_zip_is_read(at: int, octet: int) -> None:
    octets = bytearray(zipped({"a.txt": b"Bonjour " * 20, "b.exe": PROGRAM}))
    octets[at % len(octets)] = octet
    assert len(contents(bytes(octets)).members) <= MAX_MEMBERS

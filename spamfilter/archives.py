"""What an archive holds, looked at within limits: depth 2, 100 members, 20 MiB unpacked, hundredfold growth. Pure.

Nothing is ever written to disk. Only what the judgement needs is unpacked: the start of each member, to tell its type,
and archives inside archives. The zip directory is read by hand, because ``zipfile`` reads all of it, however long
(APPNOTE 4.3; CVE-2024-0450).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from spamfilter.signatures import ARCHIVES, Kind, kind_of

MAX_MEMBERS = 100
MAX_DEPTH = 2
MAX_UNPACKED = 20 << 20
MAX_RATIO = 100
#: Octets of a member that tell its type.
START = 40 * 1024
#: Below this size nothing is called a bomb: runs of equal octets shrink a lot in honest files too.
_BOMB_FROM = 1 << 20

_END = b"PK\x05\x06"
_ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
# RAR and 7-Zip need their own unpackers; names of members stand in the clear in RAR files that aren't encrypted whole.
_NAME_IN_CLEAR = re.compile(rb"[\x20-\x7e]{1,60}\.(?:exe|scr|js|jse|vbs|vbe|wsf|lnk|iso|img|bat|cmd|ps1|hta|dll|msi)\b")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: ``name`` in lower case, ``kind`` by its content, unknown when it is encrypted."""

    name: str
    kind: Kind
    encrypted: bool


@dataclass(slots=True)
class Contents:
    """What was found, archives inside archives included. ``opaque`` when some of it can't be looked into, ``bomb`` when
    it grows out of all proportion, ``deep`` when it is nested deeper than is looked."""

    members: list[Member] = field(default_factory=list)
    encrypted: bool = False
    opaque: bool = False
    bomb: bool = False
    deep: bool = False
    unpacked: int = 0

    @property
    def full(self) -> bool:
        """True when a limit is reached: the rest is not looked at."""
        return self.bomb or len(self.members) >= MAX_MEMBERS or self.unpacked >= MAX_UNPACKED


def contents(octets: bytes) -> Contents:
    """The members of an archive; of anything else, none. Never raises."""
    found = Contents()
    _look(octets, kind_of(octets), found, 1)
    return found


def _look(octets: bytes, kind: Kind, found: Contents, depth: int) -> None:
    if kind is Kind.ZIP:
        for entry in _entries(octets):
            if found.full:
                return
            _add(entry.name, entry.flags & 1 == 1, entry.unpacked(octets, found), found, depth)
    elif kind is Kind.GZIP:
        inner = _inflated(octets, 31, found)
        if kind_of(inner) is Kind.TAR:
            _look(inner, Kind.TAR, found, depth)
        else:
            _add("", False, inner, found, depth)
    elif kind is Kind.TAR:
        for name, inner in _tar_members(octets):
            if found.full:
                return
            _add(name, False, inner, found, depth)
    elif kind in ARCHIVES:
        _look_from_outside(octets, kind, found)


def _add(name: str, encrypted: bool, octets: bytes, found: Contents, depth: int) -> None:
    kind = Kind.UNKNOWN if encrypted else kind_of(octets)
    found.encrypted |= encrypted
    found.members.append(Member(name.lower(), kind, encrypted))
    if kind in ARCHIVES and not name.lower().endswith((".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".jar")):
        if depth < MAX_DEPTH:
            _look(octets, kind, found, depth + 1)
        else:
            found.deep = True


def _look_from_outside(octets: bytes, kind: Kind, found: Contents) -> None:
    """Names and encryption as far as the first octets of a format tell them that we have no unpacker for."""
    found.opaque = True
    start = octets[: 64 * 1024]
    found.members += [
        Member(match[0].decode("ascii").lower(), Kind.UNKNOWN, False)
        for match, _ in zip(_NAME_IN_CLEAR.finditer(start), range(MAX_MEMBERS), strict=False)
    ]
    if kind is Kind.RAR:
        # RAR 5: a block of type 4 follows the signature; RAR 4: flag 0x80 of the main header.
        five = start[6:8] == b"\x01\0"
        found.encrypted |= start[13:14] == b"\x04" if five else len(start) > 11 and bool(start[10] & 0x80)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of a zip directory."""

    name: str
    flags: int
    method: int
    packed: int
    size: int
    offset: int

    def unpacked(self, octets: bytes, found: Contents) -> bytes:
        """The start of the member, all of it when it may be an archive; b"" when it can't be read."""
        if self.flags & 1 or self.offset + _LOCAL.size > len(octets):
            return b""
        header = _LOCAL.unpack_from(octets, self.offset)
        begin = self.offset + _LOCAL.size + header[9] + header[10]
        data = octets[begin : begin + self.packed] if self.packed else octets[begin:]
        if self.size > max(_BOMB_FROM, MAX_RATIO * max(self.packed, 1)):
            found.bomb = True
            return b""
        if self.method == 0:
            return data
        return _inflated(data, -15, found) if self.method == 8 else b""


def _entries(octets: bytes) -> Iterator[_Entry]:
    """The lines of the directory, or of the members themselves when there is none."""
    end = octets.rfind(_END, max(len(octets) - (1 << 16) - 22, 0))
    at = int.from_bytes(octets[end + 16 : end + 20], "little") if end >= 0 and end + 22 <= len(octets) else len(octets)
    seen = 0
    while seen < MAX_MEMBERS and octets[at : at + 4] == b"PK\x01\x02" and at + _ENTRY.size <= len(octets):
        e = _ENTRY.unpack_from(octets, at)
        name = octets[at + _ENTRY.size : at + _ENTRY.size + min(e[10], 255)].decode("utf-8", "replace")
        yield _Entry(name, e[3], e[4], e[8], e[9], e[16])
        at += _ENTRY.size + e[10] + e[11] + e[12]
        seen += 1
    if not seen:
        yield from _local_entries(octets)


def _local_entries(octets: bytes) -> Iterator[_Entry]:
    at = -1
    for _ in range(MAX_MEMBERS):
        at = octets.find(b"PK\x03\x04", at + 1)
        if at < 0 or at + _LOCAL.size > len(octets):
            return
        e = _LOCAL.unpack_from(octets, at)
        name = octets[at + _LOCAL.size : at + _LOCAL.size + min(e[9], 255)].decode("utf-8", "replace")
        yield _Entry(name, e[2], e[3], e[7], e[8], at)


def _inflated(data: bytes, window: int, found: Contents) -> bytes:
    """Unpacked octets: the start, and all of it within the limits when that is an archive again."""
    unpacker = zlib.decompressobj(window)
    try:
        octets = unpacker.decompress(data, START)
        if kind_of(octets) in ARCHIVES:
            octets += unpacker.decompress(unpacker.unconsumed_tail, max(MAX_UNPACKED - found.unpacked - START, 1))
    except zlib.error:
        return b""
    found.unpacked += len(octets)
    if len(octets) > max(_BOMB_FROM, MAX_RATIO * len(data)):
        found.bomb = True
    return octets


def _tar_members(octets: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    for _ in range(MAX_MEMBERS):
        header = octets[at : at + 512]
        if header[257:262] != b"ustar":
            return
        try:
            size = int(header[124:136].strip(b" \0") or b"0", 8)
        except ValueError:
            return
        yield header[:100].split(b"\0", 1)[0].decode("utf-8", "replace"), octets[at + 512 : at + 512 + size]
        at += 512 + (size + 511) // 512 * 512

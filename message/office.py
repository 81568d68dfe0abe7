"""The text of office documents, for searches: OOXML (ECMA-376) and OpenDocument (ISO/IEC 26300) are zip files of XML.

Bounded and never raising, whatever the octets are: a document that can't be read has no text.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zipfile
import zlib
from typing import IO
from xml.parsers import expat

from message.content import Buffer

#: Octets of a document that is looked into at all, and of its directory: some ten thousand members.
LARGEST, LARGEST_DIRECTORY = 16 * 1024 * 1024, 1024 * 1024

#: Octets of XML read of one document, and members of it (slides) at most.
MOST_XML, MOST_MEMBERS = 16 * 1024 * 1024, 500

_BLOCK = 64 * 1024
_END_OF_DIRECTORY, _ZIP64 = b"PK\5\6", b"PK\6\7"

#: Members that hold the text, by the extension of the kind of document; extensions by subtype where there is no name.
_MEMBERS = {
    "docx": re.compile(r"word/(document|header\d*|footer\d*|footnotes|endnotes|comments)\.xml"),
    "xlsx": re.compile(r"xl/sharedStrings\.xml"),
    "pptx": re.compile(r"ppt/(slides|notesSlides)/\w+\.xml"),
    **dict.fromkeys(("odt", "ods", "odp"), re.compile(r"content\.xml")),
}
_SUBTYPES = {
    "vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "vnd.oasis.opendocument.text": "odt",
    "vnd.oasis.opendocument.spreadsheet": "ods",
    "vnd.oasis.opendocument.presentation": "odp",
}
#: Elements after which a word ends: paragraphs, headings, cells, breaks, tabs.
_ENDS = frozenset(("p", "h", "si", "br", "tab", "line-break", "table-cell"))


class _Enough(Exception):
    """The limit is reached, or the XML declares entities, which no office program writes."""


#: Besides what is broken: encrypted, packed in a way that nobody knows, a directory that lies.
_FAULTS = (
    _Enough,
    expat.ExpatError,
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    KeyError,
    struct.error,
)


def document_kind(subtype: str, filename: str | None) -> str | None:
    """The kind of document that a part holds, by its type or else by its name; None when it is none."""
    kind = _SUBTYPES.get(subtype)
    if kind is None and filename:
        extension = filename.rpartition(".")[2].lower()
        kind = extension if extension in _MEMBERS else None
    return kind


def document_text(octets: Buffer, kind: str, limit: int) -> str:
    """The text of a document of that kind, at most ``limit`` characters of it; "" when it can't be read."""
    if len(octets) > LARGEST or _directory_size(octets) > LARGEST_DIRECTORY:
        return ""
    pieces: list[str] = []
    # What was read before something went wrong is text all the same.
    with contextlib.suppress(*_FAULTS), zipfile.ZipFile(io.BytesIO(octets)) as archive:
        names = sorted(name for name in archive.namelist() if _MEMBERS[kind].fullmatch(name))
        budget = MOST_XML
        for name in names[:MOST_MEMBERS]:
            with archive.open(name) as member:
                budget -= _read(member, kind, budget, limit, pieces)
    return "".join(pieces)[:limit]


def _directory_size(octets: Buffer) -> int:
    """What the end record says of the directory's octets; too many where there is none, or one of ZIP64 before it."""
    tail = bytes(octets[-(65_536 + 22) :])
    at = tail.rfind(_END_OF_DIRECTORY)
    if at < 0 or at + 16 > len(tail) or _ZIP64 in tail[max(0, at - 20) : at]:
        return LARGEST_DIRECTORY + 1
    return int(struct.unpack_from("<L", tail, at + 12)[0])


def _read(member: IO[bytes], kind: str, budget: int, limit: int, pieces: list[str]) -> int:
    """Add the text of an XML member to the pieces; returns how many octets were read. Raises _Enough, ExpatError."""
    opened = kind.startswith("od")
    within = 1 if opened else 0
    known = sum(map(len, pieces))

    def start(name: str, _: object) -> None:
        nonlocal within
        # OOXML has its text in elements "t", and much else that is none.
        within += not opened and name.rpartition(":")[2] == "t"

    def end(name: str) -> None:
        nonlocal within
        local = name.rpartition(":")[2]
        within -= not opened and local == "t"
        if local in _ENDS:
            pieces.append("\n")

    def text(data: str) -> None:
        nonlocal known
        if within:
            pieces.append(data)
            known += len(data)
            if known > limit:
                raise _Enough

    def entity(*_: object) -> None:
        raise _Enough

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = text, entity
    count = 0
    while block := member.read(_BLOCK):
        count += len(block)
        if count > budget:
            raise _Enough
        parser.Parse(block, False)
    parser.Parse(b"", True)
    return count

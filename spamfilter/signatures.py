"""What a file is by its octets, whatever its name and its declared type say. Pure.

A table of the types that matter to a judge of attachments, made by hand: libraries for it are large, native or wrong
about the small samples that mail is full of.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """Types of content."""

    PROGRAM = "program"
    SCRIPT = "script"
    SHORTCUT = "shortcut"
    DISK_IMAGE = "disk image"
    OLE = "compound document"
    ONENOTE = "notebook"
    RTF = "rich text"
    PDF = "pdf"
    ZIP = "zip"
    GZIP = "gzip"
    TAR = "tar"
    RAR = "rar"
    SEVEN_ZIP = "7z"
    CAB = "cab"
    OTHER_ARCHIVE = "archive"
    HTML = "html"
    SVG = "svg"
    IMAGE = "image"
    UNKNOWN = ""


#: Archives of any format.
ARCHIVES = frozenset((Kind.ZIP, Kind.GZIP, Kind.TAR, Kind.RAR, Kind.SEVEN_ZIP, Kind.CAB, Kind.OTHER_ARCHIVE))

_LEADING: tuple[tuple[bytes, Kind], ...] = (
    (b"\x7fELF", Kind.PROGRAM),
    (b"\xca\xfe\xba\xbe", Kind.PROGRAM),
    (b"\xfe\xed\xfa", Kind.PROGRAM),
    (b"\xcf\xfa\xed\xfe", Kind.PROGRAM),
    (b"dex\n", Kind.PROGRAM),
    (b"L\0\0\0\x01\x14\x02\0", Kind.SHORTCUT),
    (b"[InternetShortcut]", Kind.SHORTCUT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.OLE),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", Kind.ONENOTE),
    (b"{\\rt", Kind.RTF),
    (b"%PDF-", Kind.PDF),
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
    (b"\x1f\x8b\x08", Kind.GZIP),
    (b"Rar!\x1a\x07", Kind.RAR),
    (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
    (b"MSCF", Kind.CAB),
    (b"ITSF", Kind.PROGRAM),
    (b"BZh", Kind.OTHER_ARCHIVE),
    (b"\xfd7zXZ\0", Kind.OTHER_ARCHIVE),
    (b"\x60\xea", Kind.OTHER_ARCHIVE),
    (b"vhdxfile", Kind.DISK_IMAGE),
    (b"conectix", Kind.DISK_IMAGE),
    (b"\xff\xd8\xff", Kind.IMAGE),
    (b"\x89PNG\r\n\x1a\n", Kind.IMAGE),
    (b"GIF8", Kind.IMAGE),
)
_ISO_AT = 0x8001
_TAR_AT = 257
_TEXT_START = re.compile(rb"\A(?:\xef\xbb\xbf|\s|<!--[^>]{0,500}-->)*")
_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<form", b"<iframe", b"<meta", b"<base")
# Of lower case. Alternatives begin with plain letters: the search then skips all places where none stands.
_PROGRAM_TEXT = re.compile(
    rb"#!\s?/|@echo off|powershell(?:\.exe)?\s+-|wscript\.shell|new activexobject|createobject\s{0,4}\("
    rb"|invoke-expression|s(?<=\bs)tart-process\b|<job\b|<script language=\"?vbs|cmd(?:\.exe)? /c "
)


def kind_of(octets: bytes) -> Kind:
    """The type of a file from its first octets (33 KiB tell all types apart). Takes bounded time."""
    if octets[:2] == b"MZ":
        return Kind.PROGRAM if b"PE\0\0" in octets[:4096] or b"This program" in octets[:512] else Kind.UNKNOWN
    for leading, kind in _LEADING:
        if octets.startswith(leading):
            return kind
    if octets[_ISO_AT : _ISO_AT + 5] == b"CD001":
        return Kind.DISK_IMAGE
    if octets[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return Kind.TAR
    if b"%PDF-" in octets[:1024]:
        return Kind.PDF
    return _kind_of_text(octets[:4096])


def _kind_of_text(octets: bytes) -> Kind:
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        octets = octets[2:].replace(b"\0", b"")
    start = _TEXT_START.match(octets)
    text = octets[start.end() if start else 0 :].lower()
    if text.startswith((b"<svg", b"<?xml")) and b"<svg" in text:
        return Kind.SVG
    if text.startswith(_PAGE):
        return Kind.HTML
    return Kind.SCRIPT if _PROGRAM_TEXT.search(text) else Kind.UNKNOWN

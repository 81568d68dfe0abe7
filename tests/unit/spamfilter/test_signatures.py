from __future__ import annotations

import pytest

from spamfilter.signatures import Kind, kind_of


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"MZ" + bytes(126) + b"PE\0\0", Kind.PROGRAM),
        (b"MZ is how Max Zeller signs", Kind.UNKNOWN),
        (b"\x7fELF\x02", Kind.PROGRAM),
        (b"L\0\0\0\x01\x14\x02\0" + bytes(10), Kind.SHORTCUT),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.OLE),
        (b"%PDF-1.4", Kind.PDF),
        (b"\r\n\r\n%PDF-1.4", Kind.PDF),
        (b"PK\x03\x04", Kind.ZIP),
        (b"Rar!\x1a\x07\x01\x00", Kind.RAR),
        (bytes(0x8001) + b"CD001", Kind.DISK_IMAGE),
        (bytes(257) + b"ustar\x0000", Kind.TAR),
        (b"\xef\xbb\xbf  <!-- saved from x -->\n<HTML><body>", Kind.HTML),
        (b"<!DOCTYPE html>", Kind.HTML),
        ("<html>".encode("utf-16"), Kind.HTML),
        (b"<?xml version='1.0'?><svg xmlns=''>", Kind.SVG),
        (b"<?xml version='1.0'?><office/>", Kind.UNKNOWN),
        (b"@echo off\r\nstart x", Kind.SCRIPT),
        (b'Set s = CreateObject("WScript.Shell")', Kind.SCRIPT),
        (b"Bonjour, voici le compte rendu.", Kind.UNKNOWN),
        (b"", Kind.UNKNOWN),
    ],
)
def test_kinds(octets: bytes, kind: Kind) -> None:
    assert kind_of(octets) is kind

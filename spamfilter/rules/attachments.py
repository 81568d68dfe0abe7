"""Rules on attached files: what they are by content, what archives hold, what documents run."""

from __future__ import annotations

import re
from collections.abc import Collection

from spamfilter.lexicon import DISK_IMAGE, EXECUTABLE, HARMLESS, MACRO
from spamfilter.registry import RULES, Finding, rule
from spamfilter.signatures import ARCHIVES, Kind
from spamfilter.views import Attachment, Views

_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PASSWORD_NEAR = ("mot de passe", "password", "passcode", "code d'acces", "mdp :", "mdp:")
_SCRIPTED_SVG = (b"<script", b"onload=", b"javascript:", b"<foreignobject", b"window.location")
_PROGRAMS = frozenset((Kind.PROGRAM, Kind.SHORTCUT, Kind.DISK_IMAGE, Kind.SCRIPT))
_DANGEROUS = (EXECUTABLE | DISK_IMAGE) - {"com", "url", "inf", "xll"}
_OFFICE = frozenset(
    (
        "doc",
        "docx",
        "dot",
        "dotx",
        "xls",
        "xlsx",
        "xlt",
        "xltx",
        "ppt",
        "pptx",
        "pps",
        "ppsx",
        "odt",
        "ods",
        "odp",
        "rtf",
    )
)
#: Names under which nobody sends an archive.
_NO_ARCHIVE = frozenset(("pdf", "jpg", "jpeg", "png", "gif", "txt", "csv", "mp3", "mp4", "avi", "wav"))
#: Stream names of macros in compound documents, as UTF-16 the way their directory has them.
_OLE_MACROS = tuple(name.encode("utf-16-le") for name in ("_VBA_PROJECT", "VBA", "Macros"))
_SMUGGLING = (b"atob(", b"new blob(", b"mssaveoropenblob", b"createobjecturl", b"fromcharcode", b"unescape(")
_PDF_RUNS = (b"/JavaScript", b"/JS ", b"/JS(", b"/Launch", b"/EmbeddedFile")


def _named(views: Views, extensions: frozenset[str]) -> str | None:
    return next((a.name[-60:] for a in views.attachments if a.extension in extensions), None)


def _label(attachment: Attachment) -> str:
    return attachment.name[-60:] or attachment.type


@rule("EXECUTABLE_ATTACHMENT")
def executable_attachment(views: Views) -> Finding:
    if name := _named(views, EXECUTABLE):
        return name
    return next((_label(a) for a in views.attachments if a.kind is Kind.PROGRAM), None)


@rule("SHORTCUT_ATTACHMENT")
def shortcut_attachment(views: Views) -> Finding:
    """A Windows link file by content: it starts what it likes."""
    return next((_label(a) for a in views.attachments if a.kind is Kind.SHORTCUT), None)


@rule("SCRIPT_ATTACHMENT")
def script_attachment(views: Views) -> Finding:
    """A text that runs, under a name that doesn't say so."""
    files = (a for a in views.attachments if a.kind is Kind.SCRIPT and a.type not in ("text/x-diff", "text/x-patch"))
    return next((_label(a) for a in files if a.extension in HARMLESS or a.extension in _OFFICE), None)


@rule("DOUBLE_EXTENSION")
def double_extension(views: Views) -> Finding:
    dangerous = EXECUTABLE | DISK_IMAGE | {"html", "htm", "shtml", "svg"}
    for attachment in views.attachments:
        extensions = attachment.extensions
        if len(extensions) >= 2 and extensions[0] in dangerous and extensions[1] in HARMLESS:
            return attachment.name[-60:]
    return None


@rule("TURNED_NAME")
def turned_name(views: Views) -> Finding:
    """Characters that reverse the reading order make "exe.pdf" of "fdp.exe"."""
    return any(_TURNED.search(attachment.name) for attachment in views.attachments)


@rule("HTML_ATTACHMENT")
def html_attachment(views: Views) -> Finding:
    if name := _named(views, frozenset({"html", "htm", "shtml", "xhtml", "mht", "mhtml"})):
        return name
    return next((_label(a) for a in views.attachments if a.kind is Kind.HTML and a.name), None)


@rule("HTML_SMUGGLING")
def html_smuggling(views: Views) -> Finding:
    """A page that makes a file out of itself, past all that look at attachments."""
    for attachment in views.attachments:
        if attachment.kind is Kind.HTML or attachment.extension in ("html", "htm", "shtml"):
            start = attachment.start.lower()
            if sum(mark in start for mark in _SMUGGLING) >= 2:
                return _label(attachment)
    return None


@rule("HTML_FORM_ATTACHED")
def html_form_attached(views: Views) -> Finding:
    """A page that asks for a password, as a file: there is no address that one could look at."""
    for attachment in views.attachments:
        if attachment.kind is Kind.HTML or attachment.extension in ("html", "htm", "shtml"):
            start = attachment.start.lower()
            if b"<form" in start and b"password" in start:
                return _label(attachment)
    return None


@rule("SVG_ATTACHMENT")
def svg_attachment(views: Views) -> Finding:
    for attachment in views.attachments:
        if attachment.kind is Kind.SVG or attachment.extension == "svg" or attachment.type == "image/svg+xml":
            start = attachment.start[:16384].lower()
            if any(mark in start for mark in _SCRIPTED_SVG):
                return attachment.name[-60:] or "svg"
    return None


@rule("DISK_IMAGE")
def disk_image(views: Views) -> Finding:
    if name := _named(views, DISK_IMAGE):
        return name
    return next((_label(a) for a in views.attachments if a.kind is Kind.DISK_IMAGE), None)


@rule("NOTEBOOK_ATTACHMENT")
def notebook_attachment(views: Views) -> Finding:
    """OneNote files carry programs behind pictures of buttons."""
    return next((_label(a) for a in views.attachments if a.kind is Kind.ONENOTE or a.extension == "one"), None)


@rule("MACRO_DOCUMENT")
def macro_document(views: Views) -> Finding:
    for attachment in views.attachments:
        if attachment.extension in MACRO or any(m.name.endswith("vbaproject.bin") for m in attachment.contents.members):
            return attachment.name[-60:]
        if attachment.kind is Kind.OLE and any(name in attachment.start for name in _OLE_MACROS):
            return _label(attachment)
    return None


@rule("RTF_OBJECT")
def rtf_object(views: Views) -> Finding:
    """A rich text with an object inside that its program runs."""
    marks = (b"\\objdata", b"\\objupdate", b"\\objautlink")
    return next(
        (_label(a) for a in views.attachments if a.kind is Kind.RTF and any(m in a.start.lower() for m in marks)), None
    )


@rule("PDF_RUNS")
def pdf_runs(views: Views) -> Finding:
    """A document with a program or a file inside."""
    files = (a for a in views.attachments if a.kind is Kind.PDF)
    return next((_label(a) for a in files if any(mark in a.start for mark in _PDF_RUNS)), None)


@rule("ARCHIVED_PROGRAM")
def archived_program(views: Views) -> Finding:
    for attachment in views.attachments:
        if attachment.extension in ("jar", "apk", "docx", "xlsx", "pptx", "odt"):
            continue
        for member in attachment.contents.members:
            if member.name.rpartition(".")[2] in _DANGEROUS or (
                member.kind in _PROGRAMS and member.kind != Kind.SCRIPT
            ):
                return f"{attachment.name[-40:]}: {member.name[-40:]}"
    return None


@rule("ENCRYPTED_ARCHIVE")
def encrypted_archive(views: Views) -> Finding:
    """Encrypted, with the password in the text: nobody but the reader can look into it."""
    closed = next((_label(a) for a in views.attachments if a.contents.encrypted or a.contents.opaque), None)
    return closed if closed and any(phrase in views.folded for phrase in _PASSWORD_NEAR) else None


@rule("LOCKED_ARCHIVE")
def locked_archive(views: Views) -> Finding:
    """Encrypted: it can't be looked into."""
    return next((_label(a) for a in views.attachments if a.contents.encrypted), None)


@rule("OPAQUE_ARCHIVE")
def opaque_archive(views: Views) -> Finding:
    """Of a format that is not looked into."""
    return next((_label(a) for a in views.attachments if a.contents.opaque), None)


@rule("NESTED_ARCHIVE")
def nested_archive(views: Views) -> Finding:
    """An archive in an archive: they hide from those who look into the first only."""
    files = (a for a in views.attachments if a.extension not in _OFFICE)
    return next(
        (_label(a) for a in files if a.contents.deep or any(m.kind in ARCHIVES for m in a.contents.members
         if m.name.rpartition(".")[2] not in _OFFICE)),
        None,
    )  # fmt: skip


@rule("ARCHIVE_BOMB")
def archive_bomb(views: Views) -> Finding:
    """Grows a hundredfold or more: made to choke those who unpack it."""
    return next((_label(a) for a in views.attachments if a.contents.bomb), None)


@rule("TYPE_MISMATCH")
def type_mismatch(views: Views) -> Finding:
    """Declared or named as a document or picture, but its first octets are a program's or a web page's."""
    for attachment in views.attachments:
        claims = attachment.extension in HARMLESS or attachment.type.startswith(("image/", "application/pdf"))
        if (
            claims
            and attachment.type != "image/svg+xml"
            and attachment.kind in (Kind.PROGRAM, Kind.HTML, Kind.SHORTCUT)
        ):
            return _label(attachment)
    return None


@rule("ARCHIVE_UNDER_FALSE_NAME")
def archive_under_false_name(views: Views) -> Finding:
    """An archive that calls itself a picture or a PDF."""
    return next((_label(a) for a in views.attachments if a.kind in ARCHIVES and a.extension in _NO_ARCHIVE), None)


#: Rules of single files that policy may take out of a message.
OF_ONE_FILE = {
    symbol: RULES[symbol]
    for symbol in (
        *("EXECUTABLE_ATTACHMENT", "SHORTCUT_ATTACHMENT", "ARCHIVED_PROGRAM", "DISK_IMAGE", "SCRIPT_ATTACHMENT"),
        *("DOUBLE_EXTENSION", "TURNED_NAME", "ENCRYPTED_ARCHIVE", "LOCKED_ARCHIVE", "ARCHIVE_BOMB", "MACRO_DOCUMENT"),
        "RTF_OBJECT",
    )
}


def places(views: Views, symbols: Collection[str]) -> tuple[tuple[str, int], ...]:
    """For each of these symbols that is of single files, where those files are."""
    wanted = [(symbol, OF_ONE_FILE[symbol]) for symbol in sorted(symbols) if symbol in OF_ONE_FILE]
    if not wanted:
        return ()
    alone = [(one.at, views.with_only(one)) for one in views.attachments]
    return tuple((symbol, at) for symbol, rule in wanted for at, one in alone if rule(one))

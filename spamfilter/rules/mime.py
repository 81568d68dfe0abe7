"""Rules on how a message is built, and on what is attached to it."""

from __future__ import annotations

import re
from itertools import islice

from message.parts import walk
from message.text import codec
from spamfilter.lexicon import ARCHIVE, DISK_IMAGE, EXECUTABLE, HARMLESS, MACRO
from spamfilter.links import read_link
from spamfilter.registry import Finding, rule
from spamfilter.views import Attachment, Views

#: Members of an archive that are looked at; only those whose local header stands in the first 64 KiB are seen.
MAX_MEMBERS = 100
#: Hidden characters that are still taken for a preview line with its padding.
PREVIEW_LENGTH = 600

_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PASSWORD_NEAR = ("mot de passe", "password", "passcode", "code d'acces", "mdp :", "mdp:")
_SCRIPTED_SVG = (b"<script", b"onload=", b"javascript:", b"<foreignobject", b"window.location")


def _named(views: Views, extensions: frozenset[str]) -> str | None:
    return next((a.name[-60:] for a in views.attachments if a.extension in extensions), None)


def _members(attachment: Attachment) -> list[tuple[str, bool]]:
    """(name, encrypted) of the members of a zip file, from their local headers (APPNOTE 4.3.7)."""
    found: list[tuple[str, bool]] = []
    start, octets = 0, attachment.start
    while len(found) < MAX_MEMBERS and (start := octets.find(b"PK\x03\x04", start)) >= 0:
        flags = int.from_bytes(octets[start + 6 : start + 8], "little")
        length = int.from_bytes(octets[start + 26 : start + 28], "little")
        name = octets[start + 30 : start + 30 + min(length, 255)].decode("utf-8", "replace")
        found.append((name.lower(), bool(flags & 1)))
        start += 30
    return found


def _is_program(attachment: Attachment) -> bool:
    start = attachment.start
    return (start[:2] == b"MZ" and b"PE\0\0" in start[:4096]) or start[:4] == b"\x7fELF"


@rule("HTML_ONLY")
def html_only(views: Views) -> Finding:
    return bool(views.html) and not any(p.main == "text" and p.sub == "plain" for p in views.parts)


@rule("HTML_FORM")
def html_form(views: Views) -> Finding:
    return any(part.forms for part in views.html)


@rule("HTML_HIDDEN_TEXT")
def html_hidden_text(views: Views) -> Finding:
    """More is hidden than the preview line that newsletters put in front of their text."""
    return sum(part.hidden for part in views.html) >= PREVIEW_LENGTH


@rule("IMAGE_ONLY")
def image_only(views: Views) -> Finding:
    images = sum(len(part.images) for part in views.html)
    return images > 0 and bool(views.links) and len(views.body.split()) < 15


@rule("LINK_ONLY")
def link_only(views: Views) -> Finding:
    return 0 < len(views.web_links) <= 2 and len(views.body.split()) < 8 and not any(p.images for p in views.html)


@rule("NO_TEXT")
def no_text(views: Views) -> Finding:
    return not views.body.strip() and not views.attachments


@rule("ALTERNATIVES_DIFFER")
def alternatives_differ(views: Views) -> Finding:
    """The plain text speaks of other things than the HTML: it was written for filters."""
    if not views.html or not views.plain:
        return None
    plain, html = _words(views.plain), _words(views.html_text)
    if len(_long(plain & html)) >= 0.1 * min(len(plain), len(html)):
        return False  # already of all words, so of the long ones too: nearly all mail ends here
    plain, html = _long(plain), _long(html)
    return min(len(plain), len(html)) >= 20 and len(plain & html) < 0.1 * min(len(plain), len(html))


def _words(text: str) -> set[str]:
    return set(text[:4096].lower().split())


def _long(words: set[str]) -> set[str]:
    return {word for word in words if len(word) > 4 and word.isalpha()}


@rule("SPLIT_WORDS")
def split_words(views: Views) -> Finding:
    """Invisible characters inside words hide the words from filters only."""
    return views.splits_words


@rule("EXECUTABLE_ATTACHMENT")
def executable_attachment(views: Views) -> Finding:
    if name := _named(views, EXECUTABLE):
        return name
    return next((a.name[-60:] or a.type for a in views.attachments if _is_program(a)), None)


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
    return _named(views, frozenset({"html", "htm", "shtml", "xhtml", "mht", "mhtml"}))


@rule("SVG_ATTACHMENT")
def svg_attachment(views: Views) -> Finding:
    for attachment in views.attachments:
        if attachment.extension == "svg" or attachment.type == "image/svg+xml":
            start = attachment.start[:16384].lower()
            if any(mark in start for mark in _SCRIPTED_SVG):
                return attachment.name[-60:] or "svg"
    return None


@rule("DISK_IMAGE")
def disk_image(views: Views) -> Finding:
    return _named(views, DISK_IMAGE)


@rule("MACRO_DOCUMENT")
def macro_document(views: Views) -> Finding:
    for attachment in views.attachments:
        if attachment.extension in MACRO or any(name.endswith("vbaproject.bin") for name, _ in _members(attachment)):
            return attachment.name[-60:]
    return None


@rule("ARCHIVED_PROGRAM")
def archived_program(views: Views) -> Finding:
    dangerous = (EXECUTABLE | DISK_IMAGE) - {"com", "url", "inf", "xll"}
    for attachment in views.attachments:
        if attachment.extension in ("jar", "apk", "docx", "xlsx", "pptx", "odt"):
            continue
        for name, _ in _members(attachment):
            if name.rpartition(".")[2] in dangerous:
                return f"{attachment.name[-40:]}: {name[-40:]}"
    return None


@rule("ENCRYPTED_ARCHIVE")
def encrypted_archive(views: Views) -> Finding:
    """Encrypted, with the password in the text: nobody but the reader can look into it."""
    for attachment in views.attachments:
        locked = any(encrypted for _, encrypted in _members(attachment))
        if locked or attachment.extension in ARCHIVE - {"zip", "gz", "tar"}:
            return any(phrase in views.folded for phrase in _PASSWORD_NEAR) and attachment.name[-60:]
    return None


@rule("TYPE_MISMATCH")
def type_mismatch(views: Views) -> Finding:
    """Declared or named as a document or picture, but its first octets are a program's or a web page's."""
    for attachment in views.attachments:
        claims = attachment.extension in HARMLESS or attachment.type.startswith(("image/", "application/pdf"))
        start = attachment.start[:512].lstrip().lower()
        page = start.startswith((b"<!doctype html", b"<html", b"<script"))
        if claims and attachment.type != "image/svg+xml" and (_is_program(attachment) or page):
            return attachment.name[-60:] or attachment.type
    return None


@rule("BASE64_ASCII")
def base64_ascii(views: Views) -> Finding:
    """Plain English or French in base64 has no reason but hiding; long text with no accents at all, in short."""
    shown = [p for p in views.parts if p.main == "text" and p.disposition != "attachment"]
    encoded = bool(shown) and all(part.encoding == "base64" for part in shown)
    return encoded and len(views.body) > 200 and views.body.isascii()


@rule("HTML_PASSWORD_FIELD")
def html_password_field(views: Views) -> Finding:
    return any(part.passwords for part in views.html)


@rule("HTML_SCRIPT")
def html_script(views: Views) -> Finding:
    """A program inside the message: no mail program runs it, and no honest one writes it."""
    return any(part.scripts for part in views.html)


@rule("HTML_FRAME")
def html_frame(views: Views) -> Finding:
    return any(part.frames for part in views.html)


@rule("HTML_REFRESH")
def html_refresh(views: Views) -> Finding:
    return any(part.refreshes for part in views.html)


@rule("HTML_FORM_ELSEWHERE")
def html_form_elsewhere(views: Views) -> Finding:
    """What is filled in goes to a site that is neither the author's nor ours."""
    hosts = (read_link(action).host for part in views.html for action in part.actions[:20])
    return next((host[:60] for host in hosts if host and not views.is_authors(host) and not views.is_ours(host)), None)


@rule("MANY_PARTS")
def many_parts(views: Views) -> Finding:
    return len(views.parts) > 60


@rule("CALENDAR_INVITE")
def calendar_invite(views: Views) -> Finding:
    """An invitation, which many calendars show before anybody has read the mail."""
    return any(part.main == "text" and part.sub == "calendar" for part in views.parts)


@rule("MESSAGE_ATTACHED")
def message_attached(views: Views) -> Finding:
    return any(part.message is not None for part in islice(walk(views.evidence.root), 200))


@rule("CHARSET_UNKNOWN")
def charset_unknown(views: Views) -> Finding:
    """A character set that nobody knows: the text is for programs only."""
    for part in views.parts[:20]:
        name = (part.param("charset") or "")[:40]
        if part.main == "text" and name and codec(name) is None:
            return name
    return None

"""Rules on how a message is built."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import ceil

from message.parts import walk
from message.text import codec
from spamfilter.links import read_link
from spamfilter.registry import Finding, rule
from spamfilter.views import Views
from spamfilter.words import lower

#: Hidden characters that are still taken for a preview line with its padding.
PREVIEW_LENGTH = 600


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
    return images > 0 and bool(views.links) and views.words_up_to(15) < 15


@rule("LINK_ONLY")
def link_only(views: Views) -> Finding:
    return 0 < len(views.web_links) <= 2 and views.words_up_to(8) < 8 and not any(p.images for p in views.html)


@rule("NO_TEXT")
def no_text(views: Views) -> Finding:
    return not views.body.strip() and not views.attachments


@rule("ALTERNATIVES_DIFFER")
def alternatives_differ(views: Views) -> Finding:
    """The plain text speaks of other things than the HTML: it was written for filters."""
    if not views.html or not views.plain:
        return None
    plain, html = _words(views.plain), _words(views.html_text)
    enough = ceil(0.1 * min(len(plain), len(html)))
    if sum(1 for _ in islice(_long(plain & html), enough)) == enough:
        return False  # already of all words, so of the long ones too: nearly all mail ends here
    plain, html = set(_long(plain)), set(_long(html))
    return min(len(plain), len(html)) >= 20 and len(plain & html) < 0.1 * min(len(plain), len(html))


def _words(text: str) -> set[str]:
    return set(lower(text[:4096]).split())


def _long(words: set[str]) -> Iterator[str]:
    return (word for word in words if len(word) > 4 and word.isalpha())


@rule("SPLIT_WORDS")
def split_words(views: Views) -> Finding:
    """Invisible characters inside words hide the words from filters only."""
    return views.splits_words


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

"""Rules on the header block: missing, doubled and odd fields (RFC 5322 section 3.6), and marks of lists and replies."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

from spamfilter.domains import is_address, site
from spamfilter.registry import Finding, rule
from spamfilter.views import Views
from spamfilter.words import BLOCK

DAY = 86400.0

_ONCE_ONLY = (b"from", b"subject", b"date", b"message-id", b"to", b"reply-to", b"sender")
_REPLY_PREFIXES = ("re:", "re :", "aw:", "sv:", "antw:", "tr:", "fw:", "fwd:")


def sent_at(views: Views) -> float | None:
    """The Date field in seconds since the epoch; None when it is absent or can't be read."""
    value = views.headers.first(b"date")
    if value is None:
        return None
    try:
        return parsedate_to_datetime(value[:100].decode("latin-1")).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


@rule("MISSING_DATE")
def missing_date(views: Views) -> Finding:
    return not views.has(b"date")


@rule("DATE_INVALID")
def date_invalid(views: Views) -> Finding:
    return views.has(b"date") and views.once(sent_at) is None


@rule("DATE_FUTURE")
def date_future(views: Views) -> Finding:
    at = views.once(sent_at)
    return at is not None and at > views.evidence.envelope.received_at + DAY


@rule("DATE_PAST")
def date_past(views: Views) -> Finding:
    at = views.once(sent_at)
    return at is not None and at < views.evidence.envelope.received_at - 30 * DAY


@rule("MISSING_MESSAGE_ID")
def missing_message_id(views: Views) -> Finding:
    return not views.has(b"message-id")


@rule("MESSAGE_ID_ODD")
def message_id_odd(views: Views) -> Finding:
    value = views.headers.first(b"message-id")
    if value is None:
        return None
    value = value.strip()
    return not (value.startswith(b"<") and value.endswith(b">") and value.count(b"@") == 1)


@rule("MISSING_FROM")
def missing_from(views: Views) -> Finding:
    return not any(author.domain for author in views.authors)


@rule("SEVERAL_FROM")
def several_from(views: Views) -> Finding:
    """More than one field, or authors of different sites; an unquoted comma in a name is neither."""
    return views.headers.count(b"from") > 1 or len({site(a.domain) for a in views.authors if a.domain}) > 1


@rule("MISSING_TO")
def missing_to(views: Views) -> Finding:
    return not (views.has(b"to") or views.has(b"cc"))


@rule("UNDISCLOSED_RECIPIENTS")
def undisclosed_recipients(views: Views) -> Finding:
    return views.has(b"to") and not any(address.domain for address in views.recipients)


@rule("DOUBLED_FIELDS")
def doubled_fields(views: Views) -> Finding:
    doubled = [name.decode() for name in _ONCE_ONLY if views.headers.count(name) > 1]
    return ", ".join(doubled)


@rule("RAW_8BIT_HEADER")
def raw_8bit_header(views: Views) -> Finding:
    for name in (b"subject", b"from"):
        value = (views.headers.first(name) or b"")[:1000]
        if not value.isascii():
            try:
                value.decode("utf-8")  # RFC 6532 allows UTF-8 and nothing else
            except UnicodeDecodeError as error:
                return error.end < len(value)
    return None


@rule("FAKE_REPLY")
def fake_reply(views: Views) -> Finding:
    prefixed = views.subject.lower().startswith(("re:", "re :"))
    return prefixed and not views.has(b"in-reply-to") and not views.has(b"references")


@rule("REPLY")
def reply(views: Views) -> Finding:
    return views.has(b"in-reply-to") and views.subject.lower().startswith(_REPLY_PREFIXES)


@rule("LIST_HEADERS")
def list_headers(views: Views) -> Finding:
    return views.has(b"list-id") and (views.has(b"list-unsubscribe") or views.has(b"list-post"))


@rule("PHP_SCRIPT")
def php_script(views: Views) -> Finding:
    return views.has(b"x-php-originating-script") or views.has(b"x-php-script")


@rule("PRIORITY_HIGH")
def priority_high(views: Views) -> Finding:
    return (views.headers.first(b"x-priority") or b"")[:1] == b"1"


@rule("HELO_OURS")
def helo_ours(views: Views) -> Finding:
    client = views.evidence.envelope.client
    return client.account is None and client.helo != "" and views.is_ours(client.helo.lower().rstrip("."))


@rule("HELO_BARE")
def helo_bare(views: Views) -> Finding:
    helo = views.evidence.envelope.client.helo
    return helo != "" and not helo.startswith("[") and ("." not in helo or is_address(helo))


# Mass mailers sold to spammers, and the script that breaks into web sites most often bring along.
_MASS_MAILERS = (
    b"phpmailer", b"leaf", b"swiftmailer", b"sendblaster", b"atomic mail", b"king mailer", b"gammadyne",
    b"turbo-mailer", b"massmail", b"advanced mass sender", b"group mail", b"inxmail", b"the bat! (v1", b"swaks",
    b"dark mailer",
)  # fmt: skip
_FOREIGN_CHARSETS = (
    b"koi8", b"windows-1251", b"gb2312", b"gb18030", b"gbk", b"big5", b"iso-2022", b"euc-", b"shift_jis",
    b"windows-1256", b"windows-874", b"ks_c_5601", b"iso-8859-5", b"iso-8859-6", b"windows-1255",
)  # fmt: skip
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LOCAL_HOSTS = (b"localhost", b"localhost.localdomain", b"local", b"lan", b"home", b"internal")


@rule("DATE_ZONE_ODD")
def date_zone_odd(views: Views) -> Finding:
    """A zone that no clock on earth shows: beyond 14 hours, or not on a quarter of an hour."""
    zone = (views.headers.first(b"date") or b"")[:100].partition(b"(")[0].strip()[-5:]
    if len(zone) != 5 or zone[:1] not in (b"+", b"-") or not zone[1:].isdigit():
        return None
    return int(zone[1:3]) > 14 or int(zone[3:]) % 15 != 0


@rule("MESSAGE_ID_OURS")
def message_id_ours(views: Views) -> Finding:
    """An id of ours on a mail from outside, by an author who is none of us."""
    domain = _id_domain(views).decode("latin-1")
    return (
        views.evidence.envelope.client.account is None
        and not views.is_ours(views.author_domain)
        and (domain != "" and views.is_ours(domain))
    )


@rule("MESSAGE_ID_LOCAL")
def message_id_local(views: Views) -> Finding:
    """Made by a machine that does not know its own name."""
    domain = _id_domain(views)
    return domain != b"" and (b"." not in domain or domain.rpartition(b".")[2] in _LOCAL_HOSTS)


def _id_domain(views: Views) -> bytes:
    return (views.headers.first(b"message-id") or b"")[:500].strip().rstrip(b">").rpartition(b"@")[2].lower()


@rule("REPLY_TO_ITSELF")
def reply_to_itself(views: Views) -> Finding:
    """The message that it answers is itself: the thread is made up."""
    own = (views.headers.first(b"message-id") or b"").strip()
    return own != b"" and own == (views.headers.first(b"in-reply-to") or b"").strip()


@rule("MASS_MAILER")
def mass_mailer(views: Views) -> Finding:
    mailer = ((views.headers.first(b"x-mailer") or b"") + (views.headers.first(b"user-agent") or b""))[:200].lower()
    return next((name.decode() for name in _MASS_MAILERS if name in mailer), None)


@rule("BULK_PRECEDENCE")
def bulk_precedence(views: Views) -> Finding:
    return (views.headers.first(b"precedence") or b"")[:20].strip().lower() in (b"bulk", b"junk", b"list")


@rule("ONE_CLICK_UNSUBSCRIBE")
def one_click_unsubscribe(views: Views) -> Finding:
    """An unsubscribe link that a mail program can follow for its user."""
    return (
        views.has(b"list-unsubscribe-post") and b"<https:" in (views.headers.first(b"list-unsubscribe") or b"")[:4096]
    )


@rule("AUTOMATIC")
def automatic(views: Views) -> Finding:
    """RFC 3834: written by a program."""
    value = (views.headers.first(b"auto-submitted") or b"")[:30].strip().lower()
    return value != b"" and not value.startswith(b"no")


@rule("EMPTY_SENDER")
def empty_sender(views: Views) -> Finding:
    """The null reverse path is for reports and automatic answers (RFC 5321 section 4.5.5), and this is neither."""
    root = views.evidence.root
    report = root.main == "multipart" and root.sub == "report"
    return views.evidence.envelope.sender == "" and not report and not automatic(views)


@rule("NO_RECEIVED")
def no_received(views: Views) -> Finding:
    """It has passed no other server: it comes straight from the machine that wrote it."""
    return views.evidence.envelope.client.account is None and not views.has(b"received")


@rule("MANY_HOPS")
def many_hops(views: Views) -> Finding:
    return views.headers.count(b"received") >= 25


@rule("HEADER_CONTROLS")
def header_controls(views: Views) -> Finding:
    """Control characters in the subject or the author: somebody tries to write into other people's programs."""
    values = (views.headers.first(name) or b"" for name in (b"subject", b"from"))
    return any(_CONTROLS.search(value[:BLOCK]) for value in values)


@rule("CHARSET_FOREIGN")
def charset_foreign(views: Views) -> Finding:
    """Written in a character set of languages that few people here read."""
    names = [(part.param("charset") or "")[:40].lower().encode("ascii", "replace") for part in views.parts[:10]]
    names.append((views.headers.first(b"subject") or b"")[:200].lower())
    written = b"\n".join(names)
    return any(charset in written for charset in _FOREIGN_CHARSETS)


@rule("RECIPIENT_NOT_SHOWN")
def recipient_not_shown(views: Views) -> Finding:
    """Addresses are shown, and none of them is one that this copy goes to."""
    shown = {(a.local.lower(), a.domain) for a in views.recipients if a.domain}
    to = [r.address.lower().rpartition("@") for r in views.evidence.envelope.recipients[:50]]
    return bool(shown and to) and not any((local, domain) in shown for local, _, domain in to)


@rule("MIME_NO_VERSION")
def mime_no_version(views: Views) -> Finding:
    """Built of parts without the field that says so (RFC 2045 section 4)."""
    return views.evidence.root.main == "multipart" and not views.has(b"mime-version")

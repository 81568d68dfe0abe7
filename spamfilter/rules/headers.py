"""Rules on the header block: missing, doubled and odd fields (RFC 5322 section 3.6), and marks of lists and replies."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from spamfilter.domains import is_address, site
from spamfilter.registry import Finding, rule
from spamfilter.views import Views

DAY = 86400.0

_ONCE_ONLY = (b"from", b"subject", b"date", b"message-id", b"to", b"reply-to", b"sender")
_REPLY_PREFIXES = ("re:", "re :", "aw:", "sv:", "antw:", "tr:", "fw:", "fwd:")


def _sent_at(views: Views) -> float | None:
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
    return views.has(b"date") and _sent_at(views) is None


@rule("DATE_FUTURE")
def date_future(views: Views) -> Finding:
    sent_at = _sent_at(views)
    return sent_at is not None and sent_at > views.evidence.envelope.received_at + DAY


@rule("DATE_PAST")
def date_past(views: Views) -> Finding:
    sent_at = _sent_at(views)
    return sent_at is not None and sent_at < views.evidence.envelope.received_at - 30 * DAY


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
    return len(views.headers.all(b"from")) > 1 or len({site(a.domain) for a in views.authors if a.domain}) > 1


@rule("MISSING_TO")
def missing_to(views: Views) -> Finding:
    return not (views.has(b"to") or views.has(b"cc"))


@rule("UNDISCLOSED_RECIPIENTS")
def undisclosed_recipients(views: Views) -> Finding:
    return views.has(b"to") and not any(address.domain for address in views.recipients)


@rule("DOUBLED_FIELDS")
def doubled_fields(views: Views) -> Finding:
    doubled = [name.decode() for name in _ONCE_ONLY if len(views.headers.all(name)) > 1]
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

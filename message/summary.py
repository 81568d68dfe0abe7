"""What the store keeps beside a message so that mail programs' list views never open its body.

``summarise`` reads the octets once and returns everything a row carries: ENVELOPE and BODYSTRUCTURE as ready octets
(RFC 9051 section 7.5.2), the header fields that list views ask for, the MIME part offsets, and the decoded strings that
SEARCH and SORT use.
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import date

from message.address import Entry, address, entries
from message.content import Buffer
from message.headers import HeaderBlock, parse_headers
from message.parts import Part, dump, scan, walk
from message.preview import preview
from message.structure import ADDRESS_LIMIT, bodystructure, envelope
from message.words import FIELD_LIMIT, decode_words, printable

#: Header fields kept as raw octets, in message order, for ``BODY[HEADER.FIELDS (...)]`` without opening the body.
LIST_FIELDS: frozenset[bytes] = frozenset(
    name.lower()
    for name in (
        b"From", b"Sender", b"Reply-To", b"To", b"Cc", b"Bcc", b"Subject", b"Date", b"Message-ID", b"In-Reply-To",
        b"References", b"Priority", b"X-Priority", b"Importance", b"Newsgroups", b"Content-Type",
        b"Content-Transfer-Encoding", b"MIME-Version", b"Resent-Message-ID", b"List-Id", b"List-Post",
        b"List-Unsubscribe", b"Mail-Followup-To", b"Disposition-Notification-To", b"Return-Receipt-To",
        b"X-Draft-Info", b"X-Spam-Status", b"Auto-Submitted",
    )
)  # fmt: skip

#: Stands for the address of a group in address values.
GROUP = ":"

_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,990}>")
_REFERENCES = 200
_SUBJECT_COMPARED = 1000

# RFC 5256 section 5 (subj-blob, subj-refwd, subj-trailer).
_SUBJECT_LEADER = re.compile(r"(?:\[[^\[\]]*+\]\s*+)*+(?:re|fwd?)\s*+(?:\[[^\[\]]*+\]\s*+)?:\s*+", re.IGNORECASE)
_SUBJECT_BLOB = re.compile(r"\[[^\[\]]*+\]\s*+")
_SUBJECT_TRAILER = "(fwd)"
_SUBJECT_FORWARD = "[fwd:"

_DATE = re.compile(
    rb"\s*(?:[A-Za-z]{1,10}\.?\s*,?\s*)?(\d{1,2})[ \t-]+([A-Za-z]{3})[A-Za-z]{0,6}\.?,?[ \t-]+(\d{2,4})"
    rb"(?:[ \t]+(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:\.\d{1,9})?)?(?:[ \t]*([+-]\d{4}|[A-Za-z]{1,5}))?)?"
)
_DATE_LENGTH = 200
_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
# RFC 5322 section 4.3; other names and single letters mean UTC.
_ZONES = {b"EDT": -4, b"EST": -5, b"CDT": -5, b"CST": -6, b"MDT": -6, b"MST": -7, b"PDT": -7, b"PST": -8}
_SECONDS_OF_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Summary:
    """Facts of one message, a pure function of its octets.

    ``size`` is the number of octets. ``envelope`` and ``bodystructure`` are IMAP responses' parenthesised octets, 7-bit
    clean or with literals. ``fields`` holds the raw ``LIST_FIELDS`` header lines with their CRLFs, without the blank
    line. ``parts`` is the MIME tree with byte offsets as written by ``message.parts.dump``. The text values are decoded
    (RFC 2047) and free of control characters; address values are ``Name <local@domain>`` joined by ``", "``, where a
    group begins with ``Name <:>``.
    ``sent_at`` is the Date field in seconds since the epoch or None, ``sent_day`` the day written in it as
    ``yyyymmdd`` (its own time zone disregarded, RFC 9051 section 6.4.4) or None. ``preview`` are the first words.
    """

    size: int
    envelope: bytes
    bodystructure: bytes
    fields: bytes
    parts: bytes
    subject: str
    base_subject: str
    from_: str
    to: str
    cc: str
    bcc: str
    message_id: str
    references: str
    sent_at: int | None
    sent_day: int | None
    has_attachment: bool
    preview: str


def summarise(buffer: Buffer, headers: HeaderBlock | None = None, root: Part | None = None) -> Summary:
    """The facts of a whole message; its header block and MIME tree are read here when they are not given. Never raises.

    ``references`` holds the message ids of References, or of In-Reply-To when there are none (RFC 5256 section 3),
    separated by spaces.
    """
    headers = headers or parse_headers(buffer)
    root = root or scan(buffer, headers)
    subject = headers.text(b"subject")
    sent_at, sent_day = parse_date(headers.first(b"date") or b"")
    return Summary(
        size=len(buffer),
        envelope=envelope(headers),
        bodystructure=bodystructure(buffer, root),
        fields=_list_fields(headers),
        parts=dump(root),
        subject=subject,
        base_subject=base_subject(subject),
        from_=_addresses(headers, b"from"),
        to=_addresses(headers, b"to"),
        cc=_addresses(headers, b"cc"),
        bcc=_addresses(headers, b"bcc"),
        message_id=message_id(headers),
        references=_references(headers),
        sent_at=sent_at,
        sent_day=sent_day,
        has_attachment=any(_is_attachment(part) for part in walk(root)),
        preview=preview(buffer, root),
    )


def _list_fields(headers: HeaderBlock) -> bytes:
    lines = [headers.buffer[f.start : f.end] for f in headers.fields if f.name.lower() in LIST_FIELDS]
    if lines and not lines[-1].endswith(b"\n"):
        lines.append(b"\r\n")  # the message ends within its header
    return b"".join(lines)


def _addresses(headers: HeaderBlock, name: bytes) -> str:
    found = (entry for value in headers.all(name) for entry in entries(value[:FIELD_LIMIT], ADDRESS_LIMIT))
    return ", ".join(_shown(entry) for entry in found if entry.local is not None)


def _shown(entry: Entry) -> str:
    if entry.domain is None:
        name, spec = decode_words(entry.local or b""), GROUP
    else:
        found = address(entry)
        name, spec = found.name, found.spec
    return f"{name} <{spec}>" if name else f"<{spec}>"


def message_id(headers: HeaderBlock) -> str:
    """The Message-ID in its angle brackets, what else stands in the field, or "" (RFC 5322 section 3.6.4)."""
    value = headers.first(b"message-id") or b""
    found = _MESSAGE_ID.search(value)
    return printable((found[0] if found else value).decode("utf-8", "replace"))


def _references(headers: HeaderBlock) -> str:
    for name in (b"references", b"in-reply-to"):
        if ids := _MESSAGE_ID.findall(headers.first(name) or b""):
            # The oldest one roots the thread, the last ones are nearest: what is too much goes from the middle.
            kept = ids if len(ids) <= _REFERENCES else [ids[0], *ids[1 - _REFERENCES :]]
            return printable(b" ".join(kept).decode("utf-8", "replace"))
    return ""


def _is_attachment(part: Part) -> bool:
    """Whether people would call the part an attachment: said to be one, or named and not shown within an HTML body."""
    if part.main == "multipart":
        return False
    if part.disposition == "attachment" or part.message is not None:
        return True
    return part.filename is not None and not (part.main in ("image", "text") and part.id is not None)


def base_subject(subject: str) -> str:
    """The subject without marks of replies and forwards (RFC 5256 section 2.1), for SORT and THREAD.

    The first 1,000 characters are looked at, so that a pile of marks costs nothing.
    """
    text = " ".join(subject[:_SUBJECT_COMPARED].split())
    while True:
        while text.lower().endswith(_SUBJECT_TRAILER):
            text = text[: -len(_SUBJECT_TRAILER)].rstrip()
        text = _without_leaders(text)
        if not (text.lower().startswith(_SUBJECT_FORWARD) and text.endswith("]")):
            return text
        text = text[len(_SUBJECT_FORWARD) : -1].strip()


def is_reply(subject: str) -> bool:
    """Whether ``base_subject`` takes a mark of a reply or forward away (RFC 5256 section 2.1)."""
    text = " ".join(subject[:_SUBJECT_COMPARED].split())
    while (blob := _SUBJECT_BLOB.match(text)) and blob.end() < len(text) and not _SUBJECT_LEADER.match(text):
        text = text[blob.end() :]
    forwarded = text.lower().startswith(_SUBJECT_FORWARD) and text.endswith("]")
    return forwarded or text.lower().endswith(_SUBJECT_TRAILER) or _SUBJECT_LEADER.match(text) is not None


def _without_leaders(text: str) -> str:
    while True:
        if leader := _SUBJECT_LEADER.match(text):
            text = text[leader.end() :]
        elif (blob := _SUBJECT_BLOB.match(text)) and blob.end() < len(text):
            text = text[blob.end() :]
        else:
            return text


def parse_date(value: bytes) -> tuple[int | None, int | None]:
    """A Date value (RFC 5322 section 3.3, obsolete forms of 4.3) as seconds since the epoch and as the day written.

    The day is ``yyyymmdd`` in the date's own zone. Without a time midnight is taken, without a zone UTC. Both are None
    when there is no date to be read.
    """
    match = _DATE.match(value[:_DATE_LENGTH])
    if match is None:
        return None, None
    day, month_name, year, hour, minute, second, zone = match.groups()
    try:
        on = date(_full_year(year), _MONTHS.index(month_name.lower()) + 1, int(day))
    except ValueError:
        return None, None
    written = on.year * 10_000 + on.month * 100 + on.day
    time_of_day = (min(int(hour or 0), 23), min(int(minute or 0), 59), min(int(second or 0), 60))
    return timegm((on.year, on.month, on.day, *time_of_day)) - _zone_seconds(zone or b""), written


def _full_year(written: bytes) -> int:
    """Years of two and three digits as RFC 5322 section 4.3 reads them."""
    year = int(written)
    if len(written) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(written) == 3 else year


def _zone_seconds(zone: bytes) -> int:
    if zone[:1] in (b"+", b"-"):
        seconds = int(zone[1:3]) * _SECONDS_OF_HOUR + int(zone[3:5]) * 60
        return -seconds if zone.startswith(b"-") else seconds
    return _ZONES.get(zone.upper(), 0) * _SECONDS_OF_HOUR

"""Mails that this server writes itself: delivery reports (RFC 3461, RFC 3464) and notices.

Pure: time, identity and texts are arguments. Every value is put on one line and cut before it goes into a header or a
status field, so that nothing a sender or a far server says can add a line.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from message.trace import rfc5322_date
from message.words import printable

_VALUE_LENGTH = 900  # octets in one line of a header, well under 998 (RFC 5322 section 2.1.1)
_WORD_OCTETS = 42  # 56 characters of base64: an encoded word stays under 75 (RFC 2047 section 2)
_NOT_IN_BOUNDARY = re.compile(r"[^A-Za-z0-9]")
_NOT_IN_NAME = re.compile(r"[^\w .-]")
_NOT_IN_ADDRESS = re.compile(r"[\s<>,;]")


def delivery_report(
    *,
    sender: str,
    sender_name: str,
    recipient: str,
    subject: str,
    text: str,
    message_fields: Sequence[tuple[str, str]],
    recipient_fields: Sequence[Sequence[tuple[str, str]]],
    original: bytes,
    whole: bool,
    date: float,
    message_id: str,
) -> bytes:
    """A delivery status notification as a whole message with CRLF line ends (RFC 3464, RFC 6522).

    ``recipient`` is the reverse path of the message reported on; the report itself is sent with the null one. ``text``
    is for people; ``message_fields`` and one list of ``recipient_fields`` for each recipient are for programs. Of
    ``original`` everything is given back: the message (``whole``) or its header. ``date`` is seconds since the epoch,
    ``message_id`` unique and without angle brackets.
    """
    parts = (
        _text_part(text),
        _status_part(message_fields, recipient_fields),
        _returned_part(original, whole),
    )
    boundary = _boundary(message_id, parts)
    header = _header(sender_name, sender, recipient, subject, date, message_id, "auto-replied")
    kind = b'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="%b"\r\n\r\n' % boundary
    return header + kind + b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


def plain(
    *,
    sender: str,
    sender_name: str,
    recipient: str,
    subject: str,
    text: str,
    date: float,
    message_id: str,
    auto_submitted: str | None = "auto-generated",
) -> bytes:
    """A mail of plain text with CRLF line ends.

    ``recipient`` is an address, "" where several get it. ``auto_submitted`` is as in RFC 3834 section 5, None for none.
    """
    return _header(sender_name, sender, recipient, subject, date, message_id, auto_submitted) + _text_part(text)


def alternative(
    *,
    sender: str,
    sender_name: str,
    recipient: str,
    subject: str,
    text: str,
    html: str,
    date: float,
    message_id: str,
) -> bytes:
    """The same with an HTML form beside the text (RFC 2046 section 5.1.4). ``html`` is a whole document, escaped."""
    parts = (_text_part(text), _text_part(html, "html"))
    boundary = _boundary(message_id, parts)
    header = _header(sender_name, sender, recipient, subject, date, message_id, "auto-generated")
    kind = b'Content-Type: multipart/alternative;\r\n\tboundary="%b"\r\n\r\n' % boundary
    return header + kind + b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


def _header(
    sender_name: str, sender: str, to: str, subject: str, date: float, message_id: str, auto_submitted: str | None
) -> bytes:
    name = f'"{_NOT_IN_NAME.sub("", sender_name)}"' if sender_name.isascii() else encode_words(sender_name)
    lines = [
        f"Date: {rfc5322_date(date)}",
        f"From: {name} <{_address(sender)}>",
        f"To: <{_address(to)}>" if to else "To: undisclosed-recipients:;",
        f"Subject: {encode_words(subject)}",
        f"Message-ID: <{_address(message_id)}>",
        *([f"Auto-Submitted: {_line(auto_submitted)}"] if auto_submitted else []),
        "MIME-Version: 1.0",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def encode_words(text: str) -> str:
    """The text for a header: as it is when ASCII, else in encoded words on folded lines (RFC 2047)."""
    line = printable(text)
    if line.isascii():
        return line[:_VALUE_LENGTH]
    chunks: list[bytes] = [b""]
    for character in line[:_VALUE_LENGTH]:
        octets = character.encode("utf-8")
        if len(chunks[-1]) + len(octets) > _WORD_OCTETS:
            chunks.append(b"")
        chunks[-1] += octets
    return "\r\n ".join(f"=?utf-8?B?{base64.b64encode(chunk).decode('ascii')}?=" for chunk in chunks)


def _text_part(text: str, subtype: str = "plain") -> bytes:
    """Header lines and body of a text part in quoted-printable, which passes everywhere."""
    lines = [printable(line) for line in text.split("\n")]
    encoded = binascii.b2a_qp("\n".join(lines).encode("utf-8"), istext=True).replace(b"\n", b"\r\n")
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head.encode() + encoded + (b"" if encoded.endswith(b"\r\n") else b"\r\n")


def _status_part(
    message_fields: Sequence[tuple[str, str]], recipient_fields: Sequence[Sequence[tuple[str, str]]]
) -> bytes:
    """Groups of fields with a blank line between them (RFC 3464 section 2.1).

    An internationalised address makes the part a message/global-delivery-status (RFC 6533 section 4), which more
    readers know than the 7-bit form of such addresses.
    """
    groups = ["".join(map(_status_field, fields)) for fields in (message_fields, *recipient_fields)]
    body = "\r\n".join(groups).encode()
    if body.isascii():
        return b"Content-Type: message/delivery-status\r\n\r\n" + body
    return b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body


def _status_field(field: tuple[str, str]) -> str:
    name, value = field
    line = _line(value)
    if not name.endswith("-Recipient"):
        line = line.encode("ascii", "replace").decode("ascii")
    return f"{name}: {line}\r\n"


def _returned_part(original: bytes, whole: bool) -> bytes:
    kind = b"message/rfc822" if whole else b"text/rfc822-headers"
    encoding = b"7bit" if original.isascii() else b"8bit"
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (kind, encoding, original)


def _boundary(message_id: str, parts: Sequence[bytes]) -> bytes:
    """A boundary that is nowhere in the parts (RFC 2046 section 5.1.1), without chance."""
    boundary = b"=_" + _NOT_IN_BOUNDARY.sub("", message_id)[:40].encode("ascii")
    while any(boundary in part for part in parts):
        boundary += b"_"
    return boundary


def _line(value: str) -> str:
    return printable(value)[:_VALUE_LENGTH]


def _address(value: str) -> str:
    return _NOT_IN_ADDRESS.sub("", _line(value))

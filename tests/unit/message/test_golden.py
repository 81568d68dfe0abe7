"""Mails with the ENVELOPE (first line) and BODYSTRUCTURE (second line) that they must have.

The expected answers follow the standard and were compared with another server's (Dovecot 2.3). They differ where the
line end before an outer delimiter would be counted to a message/rfc822 body (RFC 2046 section 5.1.1), and for content
against the rules: a bad media type is text/plain, a multipart without boundary too (RFC 2045 section 5.2), and an
encoded message is an application/octet-stream instead of an empty message.
"""

from pathlib import Path

import pytest

from message.summary import summarise

FOLDER = Path(__file__).parents[2] / "golden" / "message"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.eml")))
def test_a_mail(name):
    octets = (FOLDER / f"{name}.eml").read_bytes()
    expected_envelope, expected_structure = (FOLDER / f"{name}.txt").read_bytes().splitlines()
    facts = summarise(octets)
    assert facts.envelope == expected_envelope
    assert facts.bodystructure == expected_structure


def test_there_are_mails():
    assert len(list(FOLDER.glob("*.eml"))) >= 4

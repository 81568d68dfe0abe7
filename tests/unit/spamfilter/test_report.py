from __future__ import annotations

from email import message_from_bytes, policy

from delivery.fields import ours
from message.headers import parse_headers
from spamfilter.report import verdict_headers
from spamfilter.verdict import Action, Hit, Verdict


def verdict(action: Action, hits: tuple[Hit, ...], score: float = 7.5) -> Verdict:
    return Verdict(score, action, hits, None, 6.0, 15.0)


HITS = (
    Hit(
        "LINK_LOOKALIKE",
        4.0,
        "Un lien mène à l'imitation d'un site",
        "A link imitates a site",
        "ac-ly0n.fr ~ ac-lyon.fr",
    ),
    Hit("SUBJECT_URGENT", 1.0, "L'objet presse", "The subject hurries", "urgent\r\nBcc: x@y"),
    Hit("REPLY", -0.5, "Répond", "Replies"),
    *(Hit(f"WEIGHTLESS_RULE_{i:02}", 0.0, "rien", "nothing") for i in range(20)),
)


def test_junk_is_flagged_with_reasons_in_french() -> None:
    octets = verdict_headers(verdict(Action.JUNK, HITS), "fr")
    message = message_from_bytes(octets + b"\r\n", policy=policy.default)
    assert message["X-Spam-Flag"] == "YES"
    assert message["X-Spam-Score"] == "7.5"
    assert message["X-Spam-Status"].startswith("Yes, score=7.5 required=6.0 tests=LINK_LOOKALIKE,")
    report = message["X-Spam-Report"]
    assert "+4,0 Un lien mène à l'imitation d'un site (ac-ly0n.fr ~ ac-lyon.fr);" in report
    assert "-0,5 Répond" in report
    assert "WEIGHTLESS" not in report


def test_ham_has_no_flag_and_english_words() -> None:
    octets = verdict_headers(verdict(Action.ACCEPT, HITS[2:3], -0.5), "en")
    assert octets == (
        b"X-Spam-Score: -0.5\r\n"
        b"X-Spam-Status: No, score=-0.5 required=6.0 tests=REPLY\r\n"
        b"X-Spam-Report:\r\n -0.5 Replies\r\n"
    )


def test_no_hits() -> None:
    octets = verdict_headers(verdict(Action.ACCEPT, (), 0.0), "fr")
    assert octets == b"X-Spam-Score: 0.0\r\nX-Spam-Status: No, score=0.0 required=6.0 tests=none\r\n"


def test_what_a_rule_saw_cannot_add_a_field() -> None:
    octets = verdict_headers(verdict(Action.JUNK, HITS), "fr")
    assert b"\nBcc" not in octets
    # What comes in under such names is cut out: nobody else writes them.
    headers = parse_headers(octets + b"\r\n")
    assert ours(headers) == list(headers.fields)


def test_lines_are_short_ascii_and_end_with_crlf() -> None:
    octets = verdict_headers(verdict(Action.JUNK, HITS), "fr")
    assert octets.isascii()
    assert octets.endswith(b"\r\n")
    lines = octets.split(b"\r\n")
    assert all(len(line) <= 78 and b"\n" not in line and b"\r" not in line for line in lines[:-1])
    assert all(line.strip() for line in lines[:-1])


def test_encoded_looking_detail_is_encoded() -> None:
    hit = Hit("SUBJECT_URGENT", 1.0, "x", "x", "=?utf-8?q?piege?=")
    assert b"=?utf-8?q?piege" not in verdict_headers(verdict(Action.JUNK, (hit,)), "en")


def test_not_scanned() -> None:
    passed = Verdict(0.0, Action.ACCEPT, (), None, 6.0, 15.0, scanned=False, note="time budget used up")
    assert verdict_headers(passed, "fr") == b"X-Spam-Status: No, not scanned (time budget used up)\r\n"

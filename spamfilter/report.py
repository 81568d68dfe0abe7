"""A verdict as header fields that people and mail programs read.

``X-Spam-Status``, ``X-Spam-Score``, ``X-Spam-Flag`` are written the way SpamAssassin made customary, because mail
programs and Sieve scripts look for them; ``X-Spam-Report`` gives the strongest reasons in words.
"""

from __future__ import annotations

from base64 import b64encode

from spamfilter.verdict import Action, Hit, Verdict

REASONS = 5

#: Preferred and greatest length of a line without its CRLF (RFC 5322 section 2.1.1), and of an encoded word (RFC 2047
#: section 2).
_LINE = 76
_ENCODED_OCTETS = 42
_TESTS = 60


def verdict_headers(verdict: Verdict, language: str) -> bytes:
    """The header fields for a verdict, each with CRLF; ``language`` is "fr" or "en" and rules the report's words."""
    if not verdict.scanned:
        return _field("X-Spam-Status", [f"No, not scanned ({_clean(verdict.note)})"])
    junk = verdict.action is not Action.ACCEPT
    tests = [hit.symbol for hit in verdict.hits[:_TESTS]]
    fields = [_field("X-Spam-Flag", ["YES"])] if junk else []
    fields += [
        _field("X-Spam-Score", [f"{verdict.score:.1f}"]),
        _field(
            "X-Spam-Status",
            [
                "Yes," if junk else "No,",
                f"score={verdict.score:.1f}",
                f"required={verdict.junk_from:.1f}",
                *_joined("tests=", tests or ["none"]),
            ],
        ),
    ]
    if verdict.guarded:
        fields.append(_text_field("X-Spam-Warning", [warning(verdict, language)]))
    if reasons := strongest(verdict):
        fields.append(_text_field("X-Spam-Report", [_reason(hit, language) for hit in reasons]))
    return b"".join(fields)


def strongest(verdict: Verdict) -> list[Hit]:
    """The hits that moved the score most, at most ``REASONS``."""
    return [hit for hit in verdict.hits if abs(hit.weight) >= 0.05][:REASONS]


def warning(verdict: Verdict, language: str) -> str:
    """The banner of a guarded message: who it is not from, and what to do."""
    person = next((hit.detail for hit in verdict.hits if hit.symbol == "COLLEAGUE_NAME"), "")
    reason = next(hit for hit in verdict.hits if hit.symbol in verdict.guarded)
    words = (reason.french if language == "fr" else reason.english) + (f" ({reason.detail})" if reason.detail else "")
    if language == "fr":
        who = f" Il n'est sans doute pas de {person}." if person else ""
        return _clean(f"Attention, hameçonnage probable : {words}.{who} Ne cliquez pas, ne répondez pas, signalez-le.")
    who = f" It is probably not from {person}." if person else ""
    return _clean(f"Beware, probably phishing: {words}.{who} Do not click, do not answer, report it.")


def _reason(hit: Hit, language: str) -> str:
    words = hit.french if language == "fr" else hit.english
    detail = f" ({_clean(hit.detail)[:60].strip()})" if hit.detail else ""
    points = f"{hit.weight:+.1f}"
    return f"{points.replace('.', ',') if language == 'fr' else points} {words}{detail}"


def _clean(text: str) -> str:
    """One line without control characters: what a rule saw comes from the message."""
    return "".join(c if c.isprintable() else " " for c in text)


def _joined(prefix: str, names: list[str]) -> list[str]:
    """Names separated by commas, each a word of its own for folding: a line may end after any comma."""
    last = len(names) - 1
    return [(prefix if i == 0 else "") + name + ("," if i < last else "") for i, name in enumerate(names)]


def _field(name: str, words: list[str]) -> bytes:
    """A field of ASCII words, folded between them (RFC 5322 section 2.2.3)."""
    lines, line = [], f"{name}:"
    for word in words:
        if len(line) + 1 + len(word) > _LINE and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {word}"
    lines.append(line)
    return "\r\n".join(lines).encode("ascii", "replace") + b"\r\n"


def _text_field(name: str, sentences: list[str]) -> bytes:
    """A field of sentences, one a line; one with other than ASCII letters goes into encoded words (RFC 2047)."""
    last = len(sentences) - 1
    lines = [name + ":"]
    for i, sentence in enumerate(sentences):
        text = sentence + (";" if i < last else "")
        lines += [f" {line}" for line in ([text] if _is_plain(text) else _encoded_words(text))]
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def _is_plain(text: str) -> bool:
    return text.isascii() and "=?" not in text


def _encoded_words(text: str) -> list[str]:
    """Encoded words of whole characters; the space that separates them is not part of the text, so it goes into one."""
    octets = f"{text} ".encode("utf-8", "replace")
    words: list[str] = []
    start = 0
    while start < len(octets):
        end = min(start + _ENCODED_OCTETS, len(octets))
        while end < len(octets) and octets[end] & 0xC0 == 0x80:  # within a character of UTF-8
            end -= 1
        words.append(f"=?utf-8?b?{b64encode(octets[start:end]).decode()}?=")
        start = end
    return words

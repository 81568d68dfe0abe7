"""A verdict told to people, in French or English: what was decided, why, and what would have turned it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from spamfilter.verdict import Action, Hit, Verdict

_DECIDED = {
    Action.ACCEPT: ("remis dans la boîte de réception", "delivered to the inbox"),
    Action.JUNK: ("classé en indésirables", "filed as junk"),
    Action.REJECT: ("refusé", "refused"),
}


def told(verdict: Verdict, language: str) -> Iterator[str]:
    """Lines: the decision with its thresholds, every reason, the strongest first, and the turning point.

    ``language`` is "fr" or "en".
    """
    french = language == "fr"
    if not verdict.scanned:
        yield f"Non examiné : {verdict.note}" if french else f"Not scanned: {verdict.note}"
        return
    score, junk = _points(verdict.score, french), _points(verdict.junk_from, french)
    decided = _DECIDED[verdict.action][0 if french else 1]
    if french:
        yield f"{score} points : {decided} (indésirable à partir de {junk}{_refused_from(verdict, french)})"
    else:
        yield f"{score} points: {decided} (junk from {junk}{_refused_from(verdict, french)})"
    for hit in verdict.hits:
        detail = f" ({hit.detail})" if hit.detail else ""
        colon = " :" if french else ":"
        yield f"  {_points(hit.weight, french, signed=True)} {hit.symbol}{colon} {_words(hit, french)}{detail}"
    yield "  " + turning_point(verdict, language)


def turning_point(verdict: Verdict, language: str) -> str:
    """The smallest change that would have made it another verdict: the fewest reasons without which it had passed, or
    the points that were missing."""
    french = language == "fr"
    distance = _points(abs(verdict.score - verdict.junk_from), french)
    if verdict.action is Action.ACCEPT:
        return (
            f"Il manquait {distance} points pour le classer en indésirables."
            if french
            else f"{distance} points were missing to file it as junk."
        )
    without = fewest_to_pass(verdict)
    names = ", ".join(hit.symbol for hit in without)
    if french:
        return f"Il dépasse le seuil de {distance} points : il serait passé sans {names}."
    return f"It is {distance} points over: it would have passed without {names}."


def fewest_to_pass(verdict: Verdict) -> list[Hit]:
    """The fewest reasons without which the message had stayed below the threshold: the strongest ones."""
    left = verdict.score
    found: list[Hit] = []
    for hit in sorted(verdict.hits, key=lambda hit: -hit.weight):
        if left < verdict.junk_from or hit.weight <= 0:
            break
        found.append(hit)
        left -= hit.weight
    return found


def _refused_from(verdict: Verdict, french: bool) -> str:
    if not verdict.reject_from:
        return ""
    points = _points(verdict.reject_from, french)
    return f", refusé à partir de {points}" if french else f", refused from {points}"


def _points(value: float, french: bool, *, signed: bool = False) -> str:
    text = f"{value:+6.2f}" if signed else f"{value:.2f}"
    return text.replace(".", ",") if french else text


def _words(hit: Hit, french: bool) -> str:
    return (hit.french if french else hit.english) or hit.symbol

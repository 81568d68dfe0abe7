from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import numpy as np

from spamfilter import features as module
from spamfilter.features import COUNT, features, rule_number
from spamfilter.views import Views


def test_groups_are_distinct_rising_numbers(views: Callable[..., Views]) -> None:
    for group in features(views(), ("LINK_IP",)):
        assert len(group)
        assert (np.diff(group) > 0).all()
        assert group[0] >= 0
        assert group[-1] < COUNT


def test_rules_are_features(views: Callable[..., Views]) -> None:
    without, with_one = features(views(), ()).rules, features(views(), ("LINK_IP",)).rules
    assert set(with_one.tolist()) - set(without.tolist()) == {rule_number("LINK_IP")}
    assert len(without) == 1, "a constant that every message has"


def test_line_ends_and_dates_change_no_header_feature(views: Callable[..., Views]) -> None:
    one = features(views(fields={"Date": "Mon, 21 Sep 2026 12:00:00 +0000"}), ()).header
    other = features(views(fields={"Date": "Fri, 1 May 2009 08:00:00 +0200"}), ()).header
    assert one.tolist() == other.tolist()
    first = features(views(fields={"Message-ID": "<20260921.1@exemple.org>"}), ()).header
    second = features(views(fields={"Message-ID": "<19990330.7@exemple.org>"}), ()).header
    assert first.tolist() == second.tolist()


def test_text_is_read_without_accents_case_and_spacing(views: Callable[..., Views]) -> None:
    one = features(views(text="L'été   ARRIVE\r\nenfin"), ()).text
    other = features(views(text="l'ete arrive enfin"), ()).text
    assert one.tolist() == other.tolist()


def test_all_runs_of_four_octets_by_hand() -> None:
    multiplier = np.uint32(2654435761)
    expected = {
        (int.from_bytes(run, "little") * 2654435761 % 2**32) >> (32 - module.BITS)
        for run in (b"abcd", b"bcde", b"cdef", b"defg")
    }
    assert module._grams(b"abcdefg", multiplier).tolist() == sorted(expected)
    assert module._grams(b"abc", multiplier).tolist() == []


def test_a_long_message_costs_no_more_than_its_beginning(views: Callable[..., Views]) -> None:
    found = features(views(text="mot " * 200_000), ())
    assert len(found.text) <= 2 * module.TEXT_READ
    assert len(found.header) <= module.HEADER_READ


def test_numbers_are_fixed() -> None:
    # They are kept in the database: they may not differ between processes or releases.
    assert module.numbered(["école", "s:reunion"]) == {
        "école": crc32("école".encode()) % COUNT,
        "s:reunion": crc32(b"s:reunion") % COUNT,
    }

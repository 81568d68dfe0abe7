from __future__ import annotations

import pytest

from smtp.reception import Pace


@pytest.mark.parametrize(
    ("now", "size", "deadline"),
    [
        (1000, 0, 1060),
        (1050, 30_000, 1060),
        (1050, 60_000, 1120),
        (1100, 1_000_000, 1400),
        (1500, 1_000_000, 1600),
        (1000, 10**9, 1300),
    ],
)
def test_pace(now, size, deadline):
    """500 octets a second from the 60th on, pauses of 300 s, 600 s for all."""
    assert Pace(began=1000, timeout=600, rate=500, silence=300).deadline(now, size) == deadline


def test_no_rate():
    assert Pace(began=0, timeout=600, rate=0, silence=300).deadline(200, 1) == 500

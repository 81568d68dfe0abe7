"""The site's time zone."""

from __future__ import annotations

import time


def local_zone(moment: float) -> int:
    """Offset of local time from UTC at a moment (seconds since the epoch), in minutes."""
    return time.localtime(moment).tm_gmtoff // 60

from __future__ import annotations

import dataclasses
from pathlib import Path

from config.settings import Settings, Site, Spam
from mailserver.wiring import Rooms


def test_a_site_that_judges_no_mail_closes_all_it_opened(tmp_path: Path) -> None:
    settings = dataclasses.replace(Settings(), site=Site(data=tmp_path), spam=Spam(enabled=False))
    rooms = Rooms(settings)
    rooms.migrate()
    assert rooms.judge is None
    assert rooms.inbound is not None
    rooms.close()

from __future__ import annotations

import re

from smtp.peer import helo_name
from smtp.transaction import envelope_id, new_id


def test_ids_sort_by_time():
    ids = [envelope_id(now, chance) for now, chance in ((0, 1), (1.7e9, 2**30 - 1), (1.7e9 + 0.001, 0), (4e9, 5))]
    assert ids == sorted(ids)
    assert {len(one) for one in ids} == {15}
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]+", one) for one in ids)


def test_ids_differ():
    assert len({new_id(1.0) for _ in range(1000)}) == 1000


def test_helo_names():
    assert helo_name(b"mail.example") == "mail.example"
    assert helo_name(b"[IPv6:2001:db8::1]") == "[IPv6:2001:db8::1]"
    assert helo_name("PC-Élève".encode()) == "PC--l-ve"
    assert helo_name(b"a(b)<c>;\"'") == "a-b--c----"
    for name in (b"", b"  ", b"a b", b"x" * 256):
        assert helo_name(name) == ""

"""The doorbell between processes, here between two doorbells of one folder."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.doorbell import Doorbell
from tests.fakes.imap_service import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bells"


@pytest.fixture
def ringing(folder: Path) -> Iterator[Doorbell]:
    bell = Doorbell(folder)
    yield bell
    bell.close()


def test_bells_are_heard_by_those_who_watch_the_account(folder: Path, ringing: Doorbell) -> None:
    listening, heard, own = Doorbell(folder), [], []
    end = listening.watch(1, heard.append)
    ringing.watch(1, own.append)
    ringing.ring([(1, 5), (2, 6)])
    assert own == [5]
    assert eventually(lambda: heard == [5])
    end()
    ringing.ring([(1, 7)])
    assert own == [5, 7]
    listening.close()
    assert len(os.listdir(folder)) == 1


def test_no_bell_is_lost_on_a_process_that_listens_late(folder: Path, ringing: Doorbell) -> None:
    listening, heard, go_on = Doorbell(folder), set(), threading.Event()

    def slow(mailbox: int) -> None:
        go_on.wait(30)
        heard.add(mailbox)

    listening.watch(1, slow)
    # Many more than the kernel keeps for a socket.
    for mailbox in range(1, 2001):
        ringing.ring([(1, mailbox)])
    assert not heard
    go_on.set()
    assert eventually(lambda: heard == set(range(1, 2001)))
    # And again, once everything was rung.
    ringing.ring([(1, 9999)])
    assert eventually(lambda: 9999 in heard)
    listening.close()


def test_sockets_of_ended_processes_are_taken_away(folder: Path, ringing: Doorbell) -> None:
    folder.mkdir()
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(str(folder / "4711-left"))
    # Full, and then gone: what is owed to it is let go.
    for mailbox in range(100):
        ringing.ring([(1, mailbox)])
    left.close()
    ringing.ring([(1, 1)])
    assert eventually(lambda: not os.listdir(folder))
    assert eventually(lambda: "doorbell-again" not in {one.name for one in threading.enumerate()})

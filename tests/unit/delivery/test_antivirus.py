"""clamd, the real one with a signature database of our own, and daemons that misbehave."""

from __future__ import annotations

import base64
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.settings import Spam
from delivery.antivirus import Clamd, Scan
from message.content import MemoryContent

#: The industry's harmless test file, written so that this file is none.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def message(attached: bytes) -> MemoryContent:
    return MemoryContent(
        b"From: a@far.example\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=a.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(attached).replace(b"\n", b"\r\n")
    )


@pytest.fixture
def clamd(tmp_path: Path, need: Callable[[str, str], str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    program = need("clamd", "clamav-daemon")
    signatures, path = tmp_path / "db", tmp_path / "s"
    signatures.mkdir(mode=0o755)
    (signatures / "own.ndb").write_text(f"Eicar-Own:0:*:{EICAR.hex()}\n")
    (tmp_path / "clamd.conf").write_text(
        f"LocalSocket {path}\nDatabaseDirectory {signatures}\nForeground yes\nTemporaryDirectory {tmp_path}\n"
        "StreamMaxLength 1M\nScanMail yes\n"
    )
    process = subprocess.Popen(
        [program, "-c", str(tmp_path / "clamd.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not _answers(path):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield str(path), process
    process.kill()
    process.wait()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
        connection.sendall(b"zPING\0")
        return connection.recv(10).startswith(b"PONG")


def test_the_real_daemon(clamd: tuple[str, subprocess.Popen[bytes]]) -> None:
    path, process = clamd
    scanner = Clamd(Spam(clamd=path))
    assert scanner.scan(message(EICAR)).virus.startswith("Eicar-Own")
    assert scanner.scan(message(b"Bonjour" * 1000)) == Scan()
    too_large = scanner.scan(message(b"x" * (2 << 20)))
    assert (too_large.virus, too_large.scanned) == ("", False)
    process.kill()
    process.wait()
    assert not scanner.scan(message(EICAR)).scanned
    assert scanner.away == 2


@pytest.mark.parametrize("answer", [b"", b"stream: broken ERROR\0", b"what\0", b"\xff" * 10_000])
def test_a_daemon_that_answers_nonsense_has_not_scanned(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        scan = Clamd(Spam(clamd=f"127.0.0.1:{server.getsockname()[1]}")).scan(message(b"Bonjour"))
        thread.join(10)
    assert not scan.scanned


def test_a_daemon_that_does_not_answer_costs_the_timeout_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        assert not Clamd(Spam(clamd=where, clamd_timeout=0.2)).scan(message(b"Bonjour")).scanned

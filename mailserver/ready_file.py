"""``python -m mailserver.ready_file FILE``: writes standard input to FILE in one step, when it has come whole."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write a file that only its owner may read; others see the old one or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    fd = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def main() -> None:
    """Ends without writing when the other side closes without a word: the demo was stopped before it was ready."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    text = sys.stdin.read()
    if text:
        write_atomically(Path(sys.argv[1]), text)


if __name__ == "__main__":
    main()

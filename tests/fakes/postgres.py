"""A real PostgreSQL server of one's own: in a temporary folder, on a Unix socket, as an unprivileged user."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text

from storage.database import metadata


def programs() -> Path:
    """Folder of the newest server's programs; skips where there is none (fails under CI)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found and find_spec("psycopg"):
        return found[-1].parent
    if os.environ.get("CI"):
        pytest.fail("PostgreSQL is missing: install the Debian package postgresql and the locked requirements")
    pytest.skip("needs the Debian package postgresql, and psycopg")


class PostgresServer:
    """A running server; ``close`` ends it and takes its folder away."""

    def __init__(self, options: Sequence[str] = ("-c", "fsync=off")) -> None:
        self._programs = programs()
        self._options = options
        self._folder = Path(tempfile.mkdtemp(prefix="mailserver-pg-"))
        self._numbers = itertools.count(1)
        self._free: list[str] = []
        # Anybody on the machine reaches the socket; the data has a folder of its own.
        self._folder.chmod(0o755)
        # The server refuses to run as root.
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        # An order of letters that is not the one of code points, as a site may have it.
        self._call("initdb", "-D", "data", "-U", "mail", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions",
                   "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=fr")  # fmt: skip
        self.process = self.start()
        template = create_engine(self._make("template"))
        metadata.create_all(template)
        template.dispose()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers."""
        process = subprocess.Popen(
            [
                *(self._programs / "postgres", "-D", "data", "-k", str(self._folder), "-c", "listen_addresses="),
                *("-c", "max_connections=200", *self._options),
            ],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._user,
        )
        for _ in range(600):
            if process.poll() is not None:
                raise RuntimeError("the database server did not start")
            ready = [self._programs / "pg_isready", "-h", str(self._folder)]
            if subprocess.run(ready, stdout=subprocess.DEVNULL).returncode == 0:
                return process
            time.sleep(0.05)
        raise RuntimeError("the database server does not answer")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT cuts its sessions off, SIGQUIT is a crash."""
        self.process.send_signal(how)
        self.process.wait(60)

    def restart(self) -> None:
        """Start it again after ``stop``."""
        self.process = self.start()

    def database(self, *, empty: bool = False) -> str:
        """URL of a new database, with all tables or with none."""
        return self._make(f"mail{next(self._numbers)}", "" if empty else "TEMPLATE template")

    @contextmanager
    def lent(self) -> Iterator[str]:
        """URL of a database with all tables, empty; made once, and swept for the next."""
        url = self._free.pop() if self._free else self.database()
        yield url
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            sequences = connection.scalars(text("SELECT sequencename FROM pg_sequences")).all()
            sweep = [f'DELETE FROM "{table.name}"' for table in reversed(metadata.sorted_tables)]  # noqa: S608
            connection.exec_driver_sql("; ".join([*sweep, *(f'ALTER SEQUENCE "{one}" RESTART' for one in sequences)]))
        self._free.append(url)

    def close(self) -> None:
        """End the server."""
        if self.process.poll() is None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://mail@/{name}?host={self._folder}"

    def _make(self, name: str, how: str = "") -> str:
        engine = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} {how}"))
        engine.dispose()
        return self._url(name)

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
            **self._user,
        )

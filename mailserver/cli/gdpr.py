"""``mailserver account export`` and ``account erase``: what the law gives a person (GDPR articles 15, 17 and 20)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, open_rooms, progress


def register(app: typer.Typer) -> None:
    """Add the commands to those of accounts."""
    app.command("export")(account_export)


def account_export(
    login: str,
    file: Annotated[Path, typer.Argument(help="New zip file.")],
    form: Annotated[str, typer.Option("--format", help="maildir or mbox.")] = "mbox",
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Write all mail and data of a person into a zip file, while the server runs (GDPR articles 15 and 20)."""
    from transfer.export import Exporter, Format, check

    try:
        how = Format(form)
    except ValueError:
        raise Failure(f"there is no format {form!r}: give maildir or mbox") from None
    try:
        # Before the rights of root are given up: the file is the operator's.
        out = open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600), "w+b")  # noqa: SIM115
    except OSError as error:
        raise Failure(f"{file} can't be made: {error.strerror}") from None
    try:
        with out, open_rooms(config, assignments) as rooms, progress("Exported") as tell:
            account = rooms.accounts.show(login)
            done = Exporter(rooms.database, rooms.store, rooms.bodies, tell).write(account, out, how, time.time())
            out.flush()
            os.fsync(out.fileno())
            done.missing += check(out)
    except BaseException as error:
        # Half an export is none; where the folder is root's alone, an empty file is left.
        with suppress(OSError):
            os.truncate(file, 0)
        with suppress(OSError):
            file.unlink()
        if isinstance(error, OSError):
            raise Failure(f"{file} can't be written: {error.strerror}") from None
        raise
    print(f"{file}: {done.messages} messages with {done.octets} octets of {login}.")
    for text in done.missing:
        print(f"missing: {text}")
    if done.missing:
        raise typer.Exit(1)

"""What the commands share: their options, the parts of the server, progress, and errors for the operator."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from config.settings import Settings
    from mailserver.wiring import Rooms

DEFAULT = Path("/etc/mailserver/mailserver.toml")

ConfigOption = Annotated[
    Path | None,
    # Not checked for being readable here: access(2) does not know of capabilities, opening it does.
    typer.Option(
        "--config",
        "-c",
        readable=False,
        envvar="MAILSERVER_CONFIG",
        help=f"Configuration file; {DEFAULT} if it is there.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Overrides a setting; may be repeated."),
]


class Failure(Exception):
    """An error whose text tells the operator what happened, why, and what to do."""


def load_settings(config: Path | None, assignments: list[str] | None) -> Settings:
    from config.load import load

    if config is None and DEFAULT.exists():
        config = DEFAULT
    return load(config, environ=os.environ, assignments=assignments or ())


@contextmanager
def open_rooms(config: Path | None, assignments: list[str] | None) -> Iterator[Rooms]:
    """The parts of the server for a command of the operator; warnings go to standard error as text."""
    import dataclasses

    from config.settings import Log
    from mailserver import lifecycle, logs
    from mailserver.wiring import Rooms

    settings = load_settings(config, assignments)
    logs.set_up(dataclasses.replace(Log(), level="warning", format="text"), "cli")
    # What a command of root makes in the data folder must belong to the server.
    lifecycle.drop_rights(settings.site.user, settings.site.data)
    rooms = Rooms(settings)
    try:
        rooms.migrate()
        yield rooms
    finally:
        rooms.close()


def moment(seconds: float) -> str:
    """A time as operators read it."""
    import datetime

    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


#: Messages between two lines of progress where there is no terminal.
TOLD_EVERY = 500


@contextmanager
def progress(label: str) -> Iterator[Callable[[int], None]]:
    """A counter on standard error with its rate: one that moves on a terminal, a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:.0f} a second")

    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}: {task.completed} messages"), Rate(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(label, total=None)
            yield lambda seen: progress.update(task, completed=seen)
        return
    told, begun = 0, time.monotonic()

    def tell(seen: int) -> None:
        nonlocal told
        if seen - told >= TOLD_EVERY:
            told = seen
            rate = seen / max(0.001, time.monotonic() - begun)
            print(f"{label}: {seen} messages so far, {rate:.0f} a second", file=sys.stderr, flush=True)

    yield tell

"""``mailserver serve``, ``demo``, ``check-config`` and ``migrate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, load_settings, open_rooms

app = typer.Typer()


@app.command()
def serve(
    role: Annotated[str, typer.Argument(help="all, or one of smtp, imap, queue, web.")] = "all",
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Run the server (all roles under a supervisor), or one role alone."""
    settings = load_settings(config, assignments)
    if role == "all":
        from mailserver.processes.everything import run

        arguments = ["--config", str(config)] if config else []
        for assignment in assignments or ():
            arguments += ["--set", assignment]
        sys.exit(run(settings, arguments))
    if role not in ("smtp", "imap", "queue", "web"):
        raise Failure(f"there is no role {role!r}: choose all, smtp, imap, queue or web")
    from importlib import import_module

    sys.exit(import_module(f"mailserver.processes.{role}").run(settings))


@app.command()
def demo(
    data: Annotated[Path, typer.Option(readable=False, help="Folder of the demo académie; kept between runs.")],
    port_base: Annotated[int, typer.Option(help="First of eight ports.", min=1, max=65500)] = 2500,
    ready: Annotated[
        Path | None,
        typer.Option(help="Written when all ports answer: JSON for programs."),
    ] = None,
    smarthost: Annotated[str, typer.Option(metavar="HOST:PORT", help="Takes all outgoing mail.")] = "",
    exempt: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Network spared per-address limits and slow-downs; may be repeated."),
    ] = None,
    assignments: SetOption = None,
) -> None:
    """Build a small académie in a folder and run the whole stack on it, on unprivileged ports."""
    from mailserver.demo import Demo

    sys.exit(Demo(data, port_base, ready, smarthost, exempt or [], assignments or []).run())


@app.command("check-config")
def check_config(
    config: ConfigOption = None,
    assignments: SetOption = None,
    example: Annotated[bool, typer.Option("--example", help="Print a commented example file.")] = False,
    reference: Annotated[bool, typer.Option("--reference", help="Print all settings as a Markdown page.")] = False,
) -> None:
    """Check the configuration and report everything that is wrong with it."""
    if example or reference:
        from config import reference as pages

        print(pages.example() if example else pages.page(), end="")
        return
    from spamfilter.pictures import missing

    settings = load_settings(config, assignments)
    print("The configuration is good.")
    if settings.spam.enabled and (packages := missing()):
        print(f"Pictures are not searched for QR codes: install {' and '.join(packages)} (mailserver[pictures]).")


@app.command()
def migrate(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Bring the database to this release's schema (serve does it by itself)."""
    with open_rooms(config, assignments):
        print("The database has the schema of this release.")

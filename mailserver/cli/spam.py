"""``mailserver spam``: the filter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, open_rooms, progress

app = typer.Typer(no_args_is_help=True, help="The spam filter.")


@app.command("train")
def spam_train(
    ham: Annotated[list[Path] | None, typer.Option(help="Maildir, mbox, folder or file of wanted mail.")] = None,
    spam: Annotated[list[Path] | None, typer.Option(help="The same of spam.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Teach the site's model; a message already learnt is passed over."""
    from spamfilter.corpus import train_paths

    if not ham and not spam:
        raise Failure("nothing to learn: give --ham or --spam with a Maildir, mbox, folder or file")
    for path in [*(ham or ()), *(spam or ())]:
        if not path.exists():
            raise Failure(f"there is no {path}")
    with open_rooms(config, assignments) as rooms:
        for label, paths, is_spam in (("ham", ham or [], False), ("spam", spam or [], True)):
            if paths:
                with progress(label) as tell:
                    counts = train_paths(rooms.trainer, paths, is_spam, tell)
                print(f"{label}: {counts.learnt} learnt, {counts.known} known already, {counts.failed} unreadable")

"""``mailserver spam``: the filter."""

from __future__ import annotations

import os
import sys
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


@app.command("pipe")
def spam_pipe(
    prior: Annotated[bool, typer.Option(help="Begin with what the package knows, or with nothing.")] = True,
) -> None:
    """Judge and learn files named on standard input, on a state of its own in $SPAM_STATE, for measuring the filter."""
    from config.settings import Spam
    from mailserver.spam_pipe import SpamPipe
    from spamfilter.prior import nothing_known, shipped_prior

    state = os.environ.get("SPAM_STATE")
    if not state:
        raise Failure("SPAM_STATE is not set: name a folder for the filter's state, it is made if need be")
    pipe = SpamPipe(Path(state), Spam(), shipped_prior() if prior else nothing_known())
    # File names are octets: those that are no UTF-8 come through as they are.
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    for answer in pipe.answers(sys.stdin):
        print(answer, flush=True)

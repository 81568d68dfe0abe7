"""The command line: one file for each group of commands.

Heavy modules are imported inside the commands: ``--help`` and ``check-config`` answer at once.
"""

from __future__ import annotations

import sys

import typer

from mailserver.cli import accounts, backup, folders, gdpr, importing, quarantine, queue, restore, running, spam, store
from mailserver.cli.common import Failure

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A mail server for an education authority.",
)
app.add_typer(running.app)
gdpr.register(accounts.account_app)
app.add_typer(accounts.account_app, name="account")
app.add_typer(accounts.alias_app, name="alias")
app.add_typer(accounts.group_app, name="group")
app.add_typer(folders.app, name="folder")
app.add_typer(spam.app, name="spam")
app.add_typer(store.app, name="store")
app.add_typer(backup.app, name="backup")
app.add_typer(restore.app)
app.add_typer(importing.app, name="import")
app.add_typer(queue.app, name="queue")
app.add_typer(quarantine.app, name="quarantine")


def main() -> None:
    """Entry point; an expected error is one line on standard error and status 1 (2 for a bad configuration)."""
    from config.load import ConfigurationError
    from directory.errors import DirectoryError
    from mailserver.lifecycle import CannotDrop
    from mailserver.listening import CannotBind
    from storage.errors import StoreError
    from transfer.source import SourceError

    try:
        app()
    except ConfigurationError as error:
        print("The configuration can't be used:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        sys.exit(2)
    except (Failure, CannotBind, CannotDrop, StoreError, DirectoryError, SourceError) as error:
        print(f"mailserver: {error}", file=sys.stderr)
        sys.exit(1)

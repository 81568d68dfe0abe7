"""``mailserver folder``: what support sets for single mailboxes."""

from __future__ import annotations

from typing import Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, open_rooms

app = typer.Typer(no_args_is_help=True, help="Mailboxes of an account.")


@app.callback()
def _folder() -> None:
    """With one command only, typer would leave its name out."""


@app.command("expire")
def folder_expire(
    login: str,
    folder: Annotated[str | None, typer.Argument(help="Name of the mailbox; without it all rules are shown.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Messages go so many days after they came into it.")] = None,
    never: Annotated[bool, typer.Option("--never", help="Messages stay until they are deleted.")] = False,
    site: Annotated[bool, typer.Option("--site", help="Again as the site has it: Junk and Trash expire.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Show and set how long messages stay in a mailbox; a legal hold beats it, and `restore` brings back what went."""
    if (folder is not None) != (sum((days is not None, never, site)) == 1):
        raise Failure("a mailbox takes one of --days N, --never and --site; without a mailbox all rules are shown")
    from storage.model import SpecialUse
    from storage.retention import DAY

    with open_rooms(config, assignments) as rooms:
        account = rooms.store.open_account(rooms.accounts.show(login).key)
        if folder is not None:
            box = rooms.store.mailbox(account, folder)
            rooms.retention.rule(account, box.id, None if site else days or 0)
        ruled = rooms.retention.rules(account)
        for name, kept in ruled.items():
            print(f"{name}\t{f'{kept} days' if kept else 'until deleted'}")
        limits = rooms.settings.store
        by_use = {SpecialUse.JUNK: limits.keep_junk, SpecialUse.TRASH: limits.keep_trash}
        for box in rooms.store.mailboxes(account):
            if box.special_use in by_use and box.name not in ruled:
                age = by_use[box.special_use]
                print(f"{box.name}\t{f'{age / DAY:g} days' if age else 'until deleted'}, the site's rule")

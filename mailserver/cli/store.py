"""``mailserver store``: the mail itself."""

from __future__ import annotations

from typing import Annotated

import typer

from mailserver.cli.common import ConfigOption, SetOption, open_rooms, progress

app = typer.Typer(no_args_is_help=True, help="The mail store.")


@app.command("reindex")
def store_reindex(
    login: Annotated[str | None, typer.Argument(help="One account; all without.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Make the text index anew while the server runs; searches open bodies until it is there."""
    with open_rooms(config, assignments) as rooms:
        accounts = None if login is None else [rooms.store.open_account(rooms.accounts.show(login).key)]
        count = rooms.indexer.begin_again(accounts)
        seen = 0
        with progress(f"of {count} messages indexed") as tell:

            def told(added: int, seconds: float) -> bool:
                nonlocal seen
                seen += added
                tell(seen)
                return False

            rooms.indexer.catch_up(told)
        print(f"{seen} messages are indexed.")

"""``mailserver restore``: the time machine."""

from __future__ import annotations

import datetime
import re
import time
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, moment, open_rooms, progress

if TYPE_CHECKING:
    from storage.restore import FolderPlan

app = typer.Typer()

_AGO = re.compile(r"(\d+)([smhd])")
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_moment(text: str, now: float) -> int:
    """Seconds since the epoch of ``2026-11-23 04:30`` (local time unless it says) or ``90m`` (ago). Raises Failure."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return int(now) - int(ago[1]) * _UNIT[ago[2]]
    try:
        then = int(datetime.datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        raise Failure(f"{text} is no time: give 2026-11-23T04:30, or 90m, 2h, 3d for so long ago") from None
    if then > now:
        raise Failure(f"{text} is still to come: nothing was changed")
    return then


def describe(folder: FolderPlan) -> list[str]:
    """What is to be done for a mailbox, in words."""
    name = folder.past.name
    moved = sum(one.leaves is not None for one in folder.back)
    flags = sum(map(len, folder.flags.values()))
    return [
        text
        for needed, text in (
            (folder.missing, f"{name}: the deleted mailbox is made again, with a new UIDVALIDITY"),
            (folder.now, f"{name}: the mailbox named {folder.now} today gets its name back"),
            (folder.back, f"{name}: {len(folder.back)} messages return"),
            (moved, f"{name}: {moved} of these leave the mailboxes where they stand today"),
            (flags, f"{name}: {flags} messages get their flags of then"),
            (folder.rights, f"{name}: others get the rights they had"),
        )
        if needed
    ]


@app.command("restore")
def restore(
    login: Annotated[str, typer.Argument(help="The account.")],
    to: Annotated[str, typer.Option("--to", metavar="TIME", help="2026-11-23T04:30, or 90m, 2h, 3d ago.")],
    folder: Annotated[str | None, typer.Option(help="One mailbox, by its name of then; all without.")] = None,
    rights: Annotated[bool, typer.Option("--rights", help="Access control lists too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Bring an account's mail back as it was at a moment, while the server runs; what came since stays."""
    from storage.restore import TimeMachine

    with open_rooms(config, assignments) as rooms:
        now = time.time()
        then = parse_moment(to, now)
        if then < now - rooms.settings.store.keep_history:
            raise Failure(
                f"{moment(then)} is longer ago than store.keep_history keeps what goes away: give a later moment"
            )
        account = rooms.store.open_account(rooms.accounts.show(login).key)
        with progress("Restored") as tell:
            machine = TimeMachine(rooms.database, rooms.bodies, rooms.store, rooms.doorbell, tell)
            plan = machine.plan(account, then, folder, rights=rights)
            lines = [line for one in plan.folders for line in describe(one)]
            if not dry_run:
                machine.apply(plan)
        for line in lines:
            print(line)
        for refused in plan.refused:
            print(f"not done: {refused}")
        if not lines:
            print(f"Nothing is missing: all is as it was at {moment(then)}, but for what came since.")
        elif dry_run:
            print(f"This would lead back to {moment(then)}. Nothing was changed.")
        else:
            print(f"The mail of {login} is as it was at {moment(then)}; what came since is still there.")
        if plan.refused:
            raise typer.Exit(1)

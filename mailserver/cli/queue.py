"""``mailserver queue``: outgoing mail that waits."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, moment, open_rooms

app = typer.Typer(no_args_is_help=True, help="Outgoing mail that waits.")


@app.command("list")
def queue_list(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Show what waits, for whom, why, and when it is tried next."""
    with open_rooms(config, assignments) as rooms:
        entries = rooms.queue.entries()
        for entry in entries:
            when = "held" if entry.held else f"next {moment(entry.due_at)}"
            print(
                f"{entry.id}  id={entry.message_id}  from <{entry.sender}>  to {entry.destination}  "
                f"{entry.size} octets  attempts {entry.attempts}  {when}"
            )
            for recipient in entry.recipients:
                print(f"    <{recipient.address}> {recipient.state.value} {recipient.text}".rstrip())
        print(f"{rooms.queue.depth()} in the queue.")


@app.command("retry")
def queue_retry(
    item: Annotated[int | None, typer.Argument(help="Number; all without.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Try now."""
    with open_rooms(config, assignments) as rooms:
        count = rooms.queue.kick(time.time(), item)
        rooms.ring_queue()
        print(f"{count} to be tried now.")


@app.command("hold")
def queue_hold(item: int, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Keep a message from being tried until it is released."""
    with open_rooms(config, assignments) as rooms:
        if not rooms.queue.hold(item):
            raise Failure(f"there is no item {item} in the queue")
        print(f"{item} is held.")


@app.command("release")
def queue_release(item: int, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Let a held message be tried again."""
    with open_rooms(config, assignments) as rooms:
        if not rooms.queue.unhold(item):
            raise Failure(f"there is no item {item} in the queue")
        rooms.ring_queue()
        print(f"{item} is released.")


@app.command("remove")
def queue_remove(item: int, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Take a message out of the queue without a report to its sender."""
    with open_rooms(config, assignments) as rooms:
        if not rooms.queue.remove(item):
            raise Failure(f"there is no item {item} in the queue")
        print(f"{item} is removed.")

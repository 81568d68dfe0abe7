"""``mailserver spam recall``: a message is taken back out of all mailboxes."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, moment, open_rooms, progress

if TYPE_CHECKING:
    from mailserver.wiring import Rooms
    from storage.recall import Copy


def spam_recall(
    message: Annotated[
        str | None, typer.Argument(metavar="[MESSAGE]", help="Its Message-ID, or the id in our Received field.")
    ] = None,
    similar: Annotated[bool, typer.Option("--similar", help="All mail of the same making.")] = False,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Look for the Message-ID in all mailboxes, not only where it came.")
    ] = False,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for the journal.")] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who asks; the user who runs this without it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell who has it, and who has read it.")] = False,
    undo: Annotated[int | None, typer.Option(metavar="NUMBER", help="Give back what a recall took.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Take a message out of all mailboxes while the server runs; without MESSAGE, list the recalls there were."""
    if message is not None and undo is not None:
        raise Failure("give a message to recall, or --undo NUMBER, not both")
    with open_rooms(config, assignments) as rooms:
        if undo is not None:
            _undo(rooms, undo, by or _whoever())
        elif message is None:
            _journal(rooms)
        else:
            _recall(rooms, message, similar, everywhere, dry_run, by or _whoever(), reason)


def _recall(
    rooms: Rooms, message: str, similar: bool, everywhere: bool, dry_run: bool, by: str, reason: str | None
) -> None:
    from mailserver.recalling import NotFound, Request, copies, recall, search

    if not dry_run and not reason:
        raise Failure("say why with --reason, for the journal; --dry-run tells first who has it")
    request = Request(message, similar, everywhere)
    try:
        with progress("Records") as tell:
            found = search(rooms, request, tell)
    except NotFound as error:
        raise Failure(str(error)) from error
    number = 0 if dry_run else rooms.recalls.begin(request.asked, by, reason or "")
    count, read, boxes = 0, 0, set[str]()
    taken = copies(rooms, found) if dry_run else recall(rooms, number, found)
    with progress("Recalled") as tell:
        for one in taken:
            print(_line(one))
            count, read = count + 1, read + one.seen
            boxes.add(one.key)
            tell(count)
    if dry_run:
        print(f"{count} copies in {len(boxes)} boxes, {read} of them read. Nothing was changed.")
    elif count:
        print(f"{count} copies were taken out of {len(boxes)} boxes, {read} of them read: recall {number}.")
        print(f"`mailserver spam recall --undo {number}` gives them back.")
    else:
        print("No mailbox has it (any more).")


def _line(one: Copy) -> str:
    return f"{one.key}\t{one.name}\t{'read' if one.seen else 'not read'}\t{one.subject[:80]!r} from {one.author[:80]}"


def _undo(rooms: Rooms, number: int, by: str) -> None:
    from storage.recall import NoSuchRecall

    try:
        count, refused = rooms.recalls.undo(number, by)
    except NoSuchRecall as error:
        raise Failure(f"{error}: `mailserver spam recall` lists those there were") from error
    for text in refused:
        print(f"not done: {text}")
    print(f"{count} copies are back.")
    if refused:
        raise typer.Exit(1)


def _journal(rooms: Rooms) -> None:
    for one, count in rooms.recalls.journal(50):
        end = f"undone {moment(one.undone)} by {one.undone_by}" if one.undone else ""
        end = end or ("done" if one.finished else "cut off: ask for it again to go on")
        print(f"{one.number}: {moment(one.started)} {one.by}: {one.asked} ({one.reason}); {count} copies; {end}")


def _whoever() -> str:
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name

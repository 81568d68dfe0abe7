"""``mailserver quarantine``: mail that is held back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, moment, open_rooms

if TYPE_CHECKING:
    from delivery.quarantine import Waiting
    from mailserver.wiring import Rooms

app = typer.Typer(no_args_is_help=True, help="Mail that is held back.")

Who = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Login or address of the recipient.")]
Number = Annotated[int, typer.Argument(metavar="MESSAGE", help="Number of the message, from the list.")]


@app.command("list")
def quarantine_list(
    who: Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", help="Whose; everybody's without it.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Show what is held back: number, time, author, subject, and the strongest reason."""
    with open_rooms(config, assignments) as rooms:
        if who is not None:
            accounts = {_number(rooms, who): who}
        else:
            accounts = rooms.held.waiting()
        for number, name in accounts.items():
            for one in rooms.quarantine.waiting(number):
                print(f"{name} {_line(one)}")


@app.command("show")
def quarantine_show(
    who: Who,
    message: Number,
    language: Annotated[str, typer.Option(help="Language of the reasons: fr or en.")] = "fr",
    raw: Annotated[bool, typer.Option("--raw", help="The octets of the message instead.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Show a message that is held back, and why it is."""
    from spamfilter.telling import told

    if language not in ("fr", "en"):
        raise Failure(f"there are no reasons in {language!r}: choose fr or en")
    with open_rooms(config, assignments) as rooms:
        number = _number(rooms, who)
        if raw:
            content = rooms.held.content(number, message)
            sys.stdout.buffer.write(content.buffer())
            content.close()
            return
        one = rooms.quarantine.one(number, message)
        print(_line(one))
        if one.verdict is not None:
            print("\n".join(told(one.verdict, language)))


@app.command("release")
def quarantine_release(who: Who, message: Number, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Let a message into its recipient's inbox; the filter learns that it was wanted."""
    with open_rooms(config, assignments) as rooms:
        rooms.quarantine.release(*_account(rooms, who), message)
        print("released")


@app.command("allow")
def quarantine_allow(who: Who, message: Number, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Release a message, and always let mail of its author in from now on."""
    from spamfilter.people import NoSender

    with open_rooms(config, assignments) as rooms:
        try:
            key, number = _account(rooms, who)
            author = rooms.quarantine.allow(key, rooms.quarantine.one(number, message).address)
            rooms.quarantine.release(key, number, message)
        except NoSender as error:
            raise Failure(f"the message has no author to allow ({error}): release it instead") from error
        print(f"released, {author} is always allowed")


@app.command("delete")
def quarantine_delete(who: Who, message: Number, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Delete a message that is held back."""
    with open_rooms(config, assignments) as rooms:
        rooms.quarantine.delete(*_account(rooms, who), message)
        print("deleted")


@app.command("digest")
def quarantine_digest(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Tell people now what was held back for them since they were told last, instead of at the digest hour."""
    import time

    with open_rooms(config, assignments) as rooms:
        print(f"{rooms.digests.catch_up(time.time(), at_once=True)} told")


def _account(rooms: Rooms, who: str) -> tuple[str, int]:
    key = rooms.accounts.show(who).key
    return key, rooms.store.open_account(key)


def _number(rooms: Rooms, who: str) -> int:
    return _account(rooms, who)[1]


def _line(one: Waiting) -> str:
    from delivery.quarantine import strongest_reason

    held, reason = one.held, strongest_reason(one.verdict)
    return f"{held.uid} {moment(held.held_at)} {held.author!r} {held.subject!r} ({reason.symbol if reason else '-'})"

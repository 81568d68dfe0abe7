"""``mailserver account export`` and ``account erase``: what the law gives a person (GDPR articles 15, 17 and 20)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, moment, open_rooms, progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailserver.wiring import Rooms
    from transfer.erasure import Eraser, Proof


def register(app: typer.Typer) -> None:
    """Add the commands to those of accounts."""
    app.command("export")(account_export)
    app.command("erase")(account_erase)
    app.command("erasures")(account_erasures)


def account_export(
    login: str,
    file: Annotated[Path, typer.Argument(help="New zip file.")],
    form: Annotated[str, typer.Option("--format", help="maildir or mbox.")] = "mbox",
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Write all mail and data of a person into a zip file, while the server runs (GDPR articles 15 and 20)."""
    from transfer.export import Exporter, Format, check

    try:
        how = Format(form)
    except ValueError:
        raise Failure(f"there is no format {form!r}: give maildir or mbox") from None
    try:
        # Before the rights of root are given up: the file is the operator's.
        out = open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600), "w+b")  # noqa: SIM115
    except OSError as error:
        raise Failure(f"{file} can't be made: {error.strerror}") from None
    try:
        with out, open_rooms(config, assignments) as rooms, progress("Exported") as tell:
            account = rooms.accounts.show(login)
            done = Exporter(rooms.database, rooms.store, rooms.bodies, tell).write(account, out, how, time.time())
            out.flush()
            os.fsync(out.fileno())
            done.missing += check(out)
    except BaseException as error:
        # Half an export is none; where the folder is root's alone, an empty file is left.
        with suppress(OSError):
            os.truncate(file, 0)
        with suppress(OSError):
            file.unlink()
        if isinstance(error, OSError):
            raise Failure(f"{file} can't be written: {error.strerror}") from None
        raise
    print(f"{file}: {done.messages} messages with {done.octets} octets of {login}.")
    for text in done.missing:
        print(f"missing: {text}")
    if done.missing:
        raise typer.Exit(1)


def account_erase(
    login: Annotated[str | None, typer.Argument(help="Without it those that were cut off are finished.")] = None,
    asked_by: Annotated[str, typer.Option(help="Who asked for it; stands in the proof.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Remove everything of a person for good, and keep a proof without personal data (GDPR article 17)."""
    import getpass

    if login is not None and not asked_by:
        asked_by = os.environ.get("SUDO_USER") or getpass.getuser()
    with open_rooms(config, assignments) as rooms:
        account = None if login is None else rooms.accounts.show(login)
        if account is not None and not yes:
            used = rooms.store.quota(rooms.store.open_account(account.key))
            typer.confirm(
                f"Remove {account.login} <{account.addresses[0]}> with {used.used_messages} messages for good? "
                "Nothing brings them back but a backup.",
                abort=True,
            )
        with progress("Erased") as tell:
            eraser = _eraser(rooms, tell)
            now = time.time()
            proofs = eraser.finish(now) if account is None else [eraser.erase(account, asked_by, now)]
    for proof in proofs:
        _print(proof)
    if not proofs:
        print("Nothing was cut off: there is nothing to finish.")


def account_erasures(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Show the proofs of erasures; status 1 when one was changed or left out."""
    with open_rooms(config, assignments) as rooms:
        proofs = _eraser(rooms, lambda count: None).proofs()
    for proof in proofs:
        _print(proof)
    bad = sum(not proof.valid for proof in proofs)
    print(
        f"{len(proofs)} erasures" + (f", {bad} proofs do not hold: they or their order were changed." if bad else ".")
    )
    if bad:
        raise typer.Exit(1)


def _eraser(rooms: Rooms, told: Callable[[int], None]) -> Eraser:
    from transfer.erasure import Eraser

    return Eraser(rooms.database, rooms.accounts, rooms.bodies, rooms.texts, rooms.queue, rooms.doorbell, told)


def _print(proof: Proof) -> None:
    record = proof.record
    print(f"Proof {proof.digest}" + ("" if proof.valid else "  DOES NOT HOLD"))
    print(f"  account  {record['account']} (SHA-256 of its key)")
    print(f"  asked by {record['asked_by']}; from {moment(record['began_at'])} to {moment(record['finished_at'])}")
    removed = ", ".join(f"{name} {count}" for name, count in sorted(record["removed"].items()))
    print(f"  removed  {removed}; {record['queue']} outgoing")
    for text in record["remains"]:
        print(f"  remains  {text}")
    print(f"  after    {record['previous'] or 'none: it is the first'}")

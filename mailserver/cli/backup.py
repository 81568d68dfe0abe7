"""``mailserver backup``: copies of all mail and accounts, made and proven while the server runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, moment, open_rooms, progress

if TYPE_CHECKING:
    from storage.backup.seal import Seal

app = typer.Typer(no_args_is_help=True, help="Backups.")

FolderArgument = Annotated[Path, typer.Argument(help="Folder of the backups, on another disk at best.")]
NameArgument = Annotated[str | None, typer.Argument(help="Which backup; the last one without.")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="File with the private key of a sealed backup.")]


def _seal(key: Path | None, public: str | None = None) -> Seal:
    from storage.backup.seal import Seal

    try:
        return Seal(public=public, private=key.read_text("ascii") if key else None)
    except OSError as error:
        raise Failure(f"the key in {key} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise Failure(f"the key in {key} can't be read: {error}") from None


def _there(folder: Path) -> list[str]:
    from storage.backup.form import backups
    from storage.backup.target import FolderTarget

    there = backups(FolderTarget(folder))
    if not there:
        raise Failure(f"there is no backup in {folder}, or it can't be read")
    return there


def _last(folder: Path, name: str | None) -> str:
    there = _there(folder)
    if name is not None and name not in there:
        raise Failure(f"there is no backup named {name}; `backup list` shows those that are there")
    return name or there[-1]


def _tell(wrong: list[str], good: str = "") -> None:
    """The faults with status 1, or what is good without any."""
    for text in wrong:
        print(text)
    if wrong:
        print(f"{len(wrong)} faults.")
        raise typer.Exit(1)
    if good:
        print(good)


@app.command("key")
def backup_key(file: Annotated[Path, typer.Argument(help="New file for the private key.")]) -> None:
    """Make a key pair: the private key goes into a file to be kept elsewhere, the public one is printed."""
    import os

    from storage.backup.seal import new_key

    private, public = new_key()
    try:
        with open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
            out.write(private + "\n")
    except OSError as error:
        raise Failure(f"{file} can't be made: {error.strerror}") from None
    print(public)


@app.command("create")
def backup_create(
    folder: FolderArgument,
    public: Annotated[str | None, typer.Option("--seal", metavar="KEY", help="Public key; see `backup key`.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Back up accounts and mail as they are now; only what changed since the last time is written."""
    from storage.backup.create import BackupWriter
    from storage.backup.target import FolderTarget

    with open_rooms(config, assignments) as rooms, progress("Saved") as tell:
        writer = BackupWriter(rooms.database, rooms.bodies, FolderTarget(folder), _seal(None, public), tell)
        name, made = writer.create()
    print(f"{name}: {made.messages} messages, {made.octets} octets, {len(made.accounts)} accounts.")
    _tell(made.missing)


@app.command("list")
def backup_list(folder: FolderArgument) -> None:
    """Show the backups that are there."""
    from storage.backup.prune import listed
    from storage.backup.target import FolderTarget

    target = FolderTarget(folder)
    for name in _there(folder):
        facts = listed(target, name)[0]
        print(
            f"{name}  {moment(facts['made_at'])}  {facts['accounts']} accounts, {facts['messages']} messages, "
            f"{facts['octets']} octets" + (f", {facts['missing']} missing" if facts["missing"] else "")
        )


@app.command("verify")
def backup_verify(folder: FolderArgument, name: NameArgument = None, key: KeyOption = None) -> None:
    """Read a backup from end to end and compare everything with its checksums."""
    import mailserver.wiring  # all rooms' tables
    from storage.backup.restore import BackupReader
    from storage.backup.target import FolderTarget

    assert mailserver.wiring
    name = _last(folder, name)
    with progress("Verified") as tell:
        reader = BackupReader(FolderTarget(folder), _seal(key), name, tell)
        wrong = reader.verify()
    _tell(wrong, f"{name}: all {reader.manifest.messages} messages are there and whole.")


@app.command("restore")
def backup_restore(
    folder: FolderArgument,
    name: NameArgument = None,
    login: Annotated[
        str | None, typer.Option("--account", help="One account; all, into an empty store, without.")
    ] = None,
    mailbox: Annotated[str | None, typer.Option("--folder", help="One mailbox of the account.")] = None,
    uid: Annotated[int | None, typer.Option(help="One message of the mailbox, by its UID.", min=1)] = None,
    key: KeyOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Bring back a message, a mailbox, an account, or everything; what is there already is passed over."""
    from sqlalchemy import func, select

    from storage import tables
    from storage.backup.restore import BackupReader
    from storage.backup.target import FolderTarget

    if (uid is not None and mailbox is None) or (mailbox is not None and login is None):
        raise Failure("--folder needs --account, and --uid needs --folder")
    with open_rooms(config, assignments) as rooms, progress("Read") as tell:
        reader = BackupReader(FolderTarget(folder), _seal(key), _last(folder, name), tell)
        if login is None:
            wrong = reader.restore_all(rooms.database, rooms.bodies)
            with rooms.database.read() as connection:
                accounts = connection.scalar(select(func.count()).select_from(tables.account))
                messages = connection.scalar(select(func.coalesce(func.sum(tables.mailbox.c.messages), 0)))
            done = f"{messages} messages of {accounts} accounts are back."
        else:
            account = rooms.accounts.show(login).key
            came, there, wrong = reader.bring(
                rooms.store,
                account,
                rooms.store.open_account(account),
                lambda one: mailbox in (None, one.mailbox) and uid in (None, one.uid),
            )
            done = f"{came} messages came back, {there} were there."
            if mailbox is not None and not (came or there or wrong):
                what = mailbox if uid is None else f"{mailbox}, UID {uid}"
                raise Failure(f"the backup has no message of {login} in {what}: nothing was changed")
    print(done)
    _tell(wrong)


@app.command("rehearse")
def backup_rehearse(folder: FolderArgument, name: NameArgument = None, key: KeyOption = None) -> None:
    """Restore a backup into a folder beside it, compare everything, and take the folder away again."""
    import mailserver.wiring  # all rooms' tables
    from storage.backup.rehearsal import rehearse
    from storage.backup.restore import BackupReader
    from storage.backup.target import FolderTarget

    assert mailserver.wiring
    name = _last(folder, name)
    with progress("Restored") as tell:
        reader = BackupReader(FolderTarget(folder), _seal(key), name, tell)
        wrong, count = rehearse(reader, folder)
    _tell(wrong, f"{name} can be restored: {count} messages were, and each is what the backup says.")


@app.command("prune")
def backup_prune(
    folder: FolderArgument, keep: Annotated[int, typer.Option(help="How many of the last backups stay.", min=1)] = 30
) -> None:
    """Forget old backups and what only they held."""
    from storage.backup.prune import prune
    from storage.backup.target import FolderTarget

    _there(folder)
    old, objects = prune(FolderTarget(folder), keep)
    print(f"{len(old)} backups and {objects} objects were removed.")

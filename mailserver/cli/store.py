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
    import time

    began = time.monotonic()
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
        seconds = max(time.monotonic() - began, 0.001)
        print(f"{seen} messages are indexed, {seen / seconds:.0f} a second.")


@app.command("status")
def store_status(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Show how much the store holds, and how far and how large its text index is."""
    from sqlalchemy import func, select

    from storage import tables

    with open_rooms(config, assignments) as rooms:
        # By mailbox: quotas leave out what is held back.
        sums = (func.coalesce(func.sum(column), 0) for column in (tables.mailbox.c.messages, tables.mailbox.c.size))
        with rooms.database.read() as connection:
            accounts = connection.scalar(select(func.count()).select_from(tables.account))
            messages, octets = connection.execute(select(*sums)).one()
        texts = rooms.indexer.coverage()
        share = f", {100 * texts.octets / octets:.0f} % of that" if octets else ""
        for label, value in (
            ("accounts", accounts),
            ("messages", messages),
            ("octets", octets),
            ("text index", f"{texts.octets} octets{share}"),
            ("waiting for it", f"{texts.waiting} of {texts.contents} contents"),
        ):
            print(f"{label:15} {value}")


@app.command("verify")
def store_verify(
    login: Annotated[str | None, typer.Argument(help="One account; all without.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be, set the rest aside.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Compare all bodies, counters and quotas with the index while the server runs; status 1 when faults are left."""
    import time

    from storage.check.repair import Repair
    from storage.check.verify import Count, Verifier

    with open_rooms(config, assignments) as rooms:
        accounts = None if login is None else [rooms.store.open_account(rooms.accounts.show(login).key)]
        with progress("Verified") as tell:

            def told(count: Count) -> None:
                tell(count.messages)

            verifier = Verifier(
                rooms.database,
                rooms.bodies,
                orphans_before=time.time() - rooms.settings.store.orphan_age,
                repair=Repair(rooms.database, rooms.bodies, rooms.doorbell) if repair else None,
                told=told,
            )
            found = left = 0
            for finding in verifier.run(accounts):
                found += 1
                left += not finding.repaired
                print(finding, flush=True)
        count = verifier.count
        said = f"{count.messages} messages with {count.octets} octets of {count.accounts} accounts were compared"
        if not found:
            print(f"{said}: index and bodies agree.")
            return
        print(f"{said}: {found} faults, {found - left} repaired." + ("" if repair else " --repair mends what can be."))
        if left:
            raise typer.Exit(1)


@app.command("rebuild")
def store_rebuild(
    login: Annotated[str | None, typer.Argument(help="One account; all that have mail on disk without.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Make the index of mail again from the bodies on disk: keywords are lost, mail programs fetch everything anew."""
    from storage.check.rebuild import Rebuilder

    with open_rooms(config, assignments) as rooms:
        keys = [rooms.accounts.show(login).key] if login else list(rooms.bodies.accounts())
        if not yes:
            typer.confirm(f"Forget the index of {len(keys)} accounts, and read their mail from disk again?", abort=True)
        messages = octets = removed = 0
        with progress("Rebuilt") as tell:
            rebuilder = Rebuilder(rooms.database, rooms.bodies, rooms.doorbell, tell)
            for key in keys:
                result = rebuilder.account(key)
                messages, octets = messages + result.messages, octets + result.octets
                removed += result.removed
                for text in result.passed_over:
                    print(f"passed over: {text}", flush=True)
        print(f"{messages} messages with {octets} octets of {len(keys)} accounts are in the index again.")
        if removed:
            print(f"{removed} messages that were removed can be brought back by `mailserver restore`.")

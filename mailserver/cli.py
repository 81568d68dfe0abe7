"""The command line: ``mailserver serve``, ``demo``, ``check-config``, ``account``, ``alias``, ``spam``, ``queue``.

Heavy modules are imported inside the commands: ``--help`` and ``check-config`` answer at once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from config.settings import Settings
    from mailserver.wiring import Rooms

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A mail server for an education authority.",
)
account_app = typer.Typer(no_args_is_help=True, help="People and functions with a mailbox.")
alias_app = typer.Typer(no_args_is_help=True, help="Addresses that lead to others.")
group_app = typer.Typer(no_args_is_help=True, help="Groups of accounts; an alias to group:NAME gives one an address.")
spam_app = typer.Typer(no_args_is_help=True, help="The spam filter.")
store_app = typer.Typer(no_args_is_help=True, help="The mail store.")
queue_app = typer.Typer(no_args_is_help=True, help="Outgoing mail that waits.")
app.add_typer(account_app, name="account")
app.add_typer(alias_app, name="alias")
app.add_typer(group_app, name="group")
app.add_typer(spam_app, name="spam")
app.add_typer(store_app, name="store")
app.add_typer(queue_app, name="queue")

DEFAULT = Path("/etc/mailserver/mailserver.toml")

ConfigOption = Annotated[
    Path | None,
    # Not checked for being readable here: access(2) does not know of capabilities, opening it does.
    typer.Option(
        "--config",
        "-c",
        readable=False,
        envvar="MAILSERVER_CONFIG",
        help=f"Configuration file; {DEFAULT} if it is there.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Overrides a setting; may be repeated."),
]


class Failure(Exception):
    """An error whose text tells the operator what happened, why, and what to do."""


def main() -> None:
    """Entry point; an expected error is one line on standard error and status 1 (2 for a bad configuration)."""
    from config.load import ConfigurationError
    from directory.errors import DirectoryError
    from mailserver.lifecycle import CannotDrop
    from mailserver.listening import CannotBind
    from storage.errors import StoreError

    try:
        app()
    except ConfigurationError as error:
        print("The configuration can't be used:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        sys.exit(2)
    except (Failure, CannotBind, CannotDrop, StoreError, DirectoryError) as error:
        print(f"mailserver: {error}", file=sys.stderr)
        sys.exit(1)


def _settings(config: Path | None, assignments: list[str] | None) -> Settings:
    from config.load import load

    if config is None and DEFAULT.exists():
        config = DEFAULT
    return load(config, environ=os.environ, assignments=assignments or ())


@contextmanager
def _rooms(config: Path | None, assignments: list[str] | None) -> Iterator[Rooms]:
    """The parts of the server for a command of the operator; warnings go to standard error as text."""
    import dataclasses

    from config.settings import Log
    from mailserver import lifecycle, logs
    from mailserver.wiring import Rooms

    settings = _settings(config, assignments)
    logs.set_up(dataclasses.replace(Log(), level="warning", format="text"), "cli")
    # What a command of root makes in the data folder must belong to the server.
    lifecycle.drop_rights(settings.site.user, settings.site.data)
    rooms = Rooms(settings)
    try:
        rooms.migrate()
        yield rooms
    finally:
        rooms.close()


# -------------------------------------------------------------------- running


@app.command()
def serve(
    role: Annotated[str, typer.Argument(help="all, or one of smtp, imap, queue.")] = "all",
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Run the server (all roles under a supervisor), or one role alone."""
    settings = _settings(config, assignments)
    if role == "all":
        from mailserver.processes.everything import run

        arguments = ["--config", str(config)] if config else []
        for assignment in assignments or ():
            arguments += ["--set", assignment]
        sys.exit(run(settings, arguments))
    if role not in ("smtp", "imap", "queue"):
        raise Failure(f"there is no role {role!r}: choose all, smtp, imap or queue")
    from importlib import import_module

    sys.exit(import_module(f"mailserver.processes.{role}").run(settings))


@app.command()
def demo(
    data: Annotated[Path, typer.Option(readable=False, help="Folder of the demo académie; kept between runs.")],
    port_base: Annotated[int, typer.Option(help="First of eight ports.", min=1, max=65500)] = 2500,
    ready: Annotated[
        Path | None,
        typer.Option(help="Written when all ports answer: JSON for programs."),
    ] = None,
    smarthost: Annotated[str, typer.Option(metavar="HOST:PORT", help="Takes all outgoing mail.")] = "",
    exempt: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Network spared per-address limits and slow-downs; may be repeated."),
    ] = None,
    assignments: SetOption = None,
) -> None:
    """Build a small académie in a folder and run the whole stack on it, on unprivileged ports."""
    from mailserver.demo import Demo

    sys.exit(Demo(data, port_base, ready, smarthost, exempt or [], assignments or []).run())


@app.command("check-config")
def check_config(
    config: ConfigOption = None,
    assignments: SetOption = None,
    example: Annotated[bool, typer.Option("--example", help="Print a commented example file.")] = False,
    reference: Annotated[bool, typer.Option("--reference", help="Print all settings as a Markdown page.")] = False,
) -> None:
    """Check the configuration and report everything that is wrong with it."""
    if example or reference:
        from config import reference as pages

        print(pages.example() if example else pages.page(), end="")
        return
    _settings(config, assignments)
    print("The configuration is good.")


@app.command()
def migrate(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Bring the database to this release's schema (serve does it by itself)."""
    with _rooms(config, assignments):
        print("The database has the schema of this release.")


# -------------------------------------------------------------------- accounts


def _moment(seconds: float) -> str:
    """A time as operators read it."""
    import datetime

    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def _password(given: bool) -> str:
    """A password from standard input or the terminal, never from the command line."""
    import getpass

    if given or not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise Failure("the two passwords differ: nothing was changed")
    if not password:
        raise Failure("the password is empty: nothing was changed")
    return password


PasswordOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def _ours(rooms: Rooms, addresses: list[str]) -> None:
    """Fail for an address to which no mail would ever come."""
    for address in addresses:
        domain = address.rpartition("@")[2]
        if "@" in address and not rooms.directory.is_local_domain(domain):
            raise Failure(f"{address}: no mail for {domain} comes here; add the domain to site.domains first")


@account_app.command("add")
def account_add(
    login: Annotated[str, typer.Argument(help="Name typed at sign-in.")],
    name: Annotated[str, typer.Option(help="Display name.")],
    address: Annotated[list[str], typer.Option(help="Mail address; the first is the primary one.")],
    role: Annotated[str, typer.Option(help="teacher, staff, head, inspector, student, ops, support.")] = "staff",
    school: Annotated[str, typer.Option(help="School code (UAI).")] = "",
    quota: Annotated[int, typer.Option(help="Octets; 0: no limit; -1: the site's default.", min=-1)] = -1,
    password_stdin: PasswordOption = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Add an account with its mailbox."""
    from directory.accounts import NewAccount
    from directory.model import Role

    if role not in [one.value for one in Role]:
        raise Failure(f"there is no role {role!r}: choose {', '.join(one.value for one in Role)}")
    password = _password(password_stdin)
    with _rooms(config, assignments) as rooms:
        _ours(rooms, address)
        account = rooms.accounts.add(
            NewAccount(
                login=login,
                name=name,
                role=Role(role),
                school=school or None,
                addresses=tuple(address),
                password=password,
                quota_bytes=None if quota < 0 else quota,
            )
        )
        number = rooms.store.open_account(account.key)
        if quota >= 0:
            rooms.store.set_quota(number, quota, None)
        print(f"Added {account.login} <{account.addresses[0]}>.")


@account_app.command("passwd")
def account_passwd(
    login: str, password_stdin: PasswordOption = False, config: ConfigOption = None, assignments: SetOption = None
) -> None:
    """Set a new password; the old one stops working at once."""
    password = _password(password_stdin)
    with _rooms(config, assignments) as rooms:
        rooms.accounts.set_password(login, password)
        print(f"The password of {login} is changed.")


@account_app.command("lock")
def account_lock(
    login: str,
    reason: Annotated[str, typer.Option(help="Shown by account show.")] = "by support",
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Lock an account until support unlocks it; its live sessions end within a minute."""
    with _rooms(config, assignments) as rooms:
        rooms.attempts.lock(rooms.accounts.show(login).key, reason, time.time())
        print(f"{login} is locked.")


@account_app.command("unlock")
def account_unlock(login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Lift a lock and forget the failures that led to it."""
    with _rooms(config, assignments) as rooms:
        changed = rooms.attempts.unlock(rooms.accounts.show(login).key)
        print(f"{login} is unlocked." if changed else f"{login} was not locked.")


@account_app.command("enable")
def account_enable(login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Let a disabled account in again."""
    with _rooms(config, assignments) as rooms:
        rooms.accounts.set_enabled(login, True)
        print(f"{login} is enabled.")


@account_app.command("disable")
def account_disable(login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Refuse sign-ins and mail of an account; its mail stays."""
    with _rooms(config, assignments) as rooms:
        rooms.accounts.set_enabled(login, False)
        print(f"{login} is disabled.")


@account_app.command("quota")
def account_quota(
    login: str,
    octets: Annotated[int, typer.Argument(help="Octets; 0: no limit; -1: the site's default.", min=-1)],
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Set how much an account may hold."""
    with _rooms(config, assignments) as rooms:
        account = rooms.accounts.show(login)
        rooms.store.set_quota(rooms.store.open_account(account.key), None if octets < 0 else octets, None)
        print(f"The quota of {login} is changed.")


@account_app.command("add-address")
def account_add_address(
    login: str,
    address: str,
    primary: Annotated[bool, typer.Option("--primary", help="Make it the first one.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Give an account one more address."""
    with _rooms(config, assignments) as rooms:
        _ours(rooms, [address])
        rooms.accounts.add_address(login, address, primary=primary)
        print(f"{address} leads to {login}.")


@account_app.command("remove-address")
def account_remove_address(
    login: str, address: str, config: ConfigOption = None, assignments: SetOption = None
) -> None:
    """Take an address away from an account; not the last one."""
    with _rooms(config, assignments) as rooms:
        rooms.accounts.remove_address(login, address)
        print(f"{address} is removed.")


@account_app.command("list")
def account_list(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """List all accounts."""
    from rich.console import Console
    from rich.table import Table

    columns = ("login", "name", "role", "school", "address", "enabled")
    with _rooms(config, assignments) as rooms:
        rows = [
            (
                account.login,
                account.name,
                account.role.value,
                account.school or "",
                account.addresses[0] if account.addresses else "",
                "yes" if account.enabled else "no",
            )
            for account in rooms.accounts.every()
        ]
    if sys.stdout.isatty():
        table = Table(*columns, box=None)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
    else:
        # For scripts: nothing cut, one tab between fields.
        for row in (columns, *rows):
            print("\t".join(row))


@account_app.command("show")
def account_show(login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Show an account: addresses, quota, locks."""
    with _rooms(config, assignments) as rooms:
        account = rooms.accounts.show(login)
        quota = rooms.store.quota(rooms.store.open_account(account.key))
        limit = "no limit" if quota.limit_bytes is None else f"of {quota.limit_bytes} octets"
        for label, value in (
            ("login", account.login),
            ("key", account.key),
            ("name", account.name),
            ("role", account.role.value),
            ("school", account.school or "-"),
            ("addresses", ", ".join(account.addresses)),
            ("enabled", "yes" if account.enabled else "no"),
            ("quota", f"{quota.used_bytes} {limit}, {quota.used_messages} messages"),
        ):
            print(f"{label:10} {value}")
        for lock in rooms.attempts.locks(account.key, time.time()):
            print(f"{'locked':10} {lock.describe()}")


@alias_app.command("add")
def alias_add(
    address: str,
    targets: Annotated[list[str], typer.Argument(help="Logins or addresses.")],
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Make an address lead to accounts, groups or addresses elsewhere."""
    with _rooms(config, assignments) as rooms:
        _ours(rooms, [address])
        rooms.accounts.add_alias(address, tuple(targets))
        print(f"{address} leads to {', '.join(targets)}.")


@alias_app.command("remove")
def alias_remove(address: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Take an alias away."""
    with _rooms(config, assignments) as rooms:
        rooms.accounts.remove_alias(address)
        print(f"{address} is removed.")


@alias_app.command("list")
def alias_list(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """List all aliases."""
    with _rooms(config, assignments) as rooms:
        for alias in rooms.accounts.aliases():
            print(f"{alias.address} -> {', '.join(alias.targets)}")


@group_app.command("add")
def group_add(
    name: str,
    members: Annotated[list[str] | None, typer.Argument(help="Logins or addresses.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Make a group."""
    with _rooms(config, assignments) as rooms:
        rooms.accounts.add_group(name, members or ())
        print(f"The group {name} has {len(members or ())} members.")


@group_app.command("remove")
def group_remove(name: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Remove a group; its members stay."""
    with _rooms(config, assignments) as rooms:
        rooms.accounts.remove_group(name)
        print(f"The group {name} is removed.")


@group_app.command("join")
def group_join(name: str, login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Make an account a member."""
    with _rooms(config, assignments) as rooms:
        rooms.accounts.add_member(name, login)
        print(f"{login} is in the group {name}.")


@group_app.command("leave")
def group_leave(name: str, login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Make an account a member no more."""
    with _rooms(config, assignments) as rooms:
        rooms.accounts.remove_member(name, login)
        print(f"{login} is not in the group {name}.")


@group_app.command("list")
def group_list(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """List all groups with their members."""
    with _rooms(config, assignments) as rooms:
        for name, members in rooms.accounts.groups().items():
            print(f"{name}: {', '.join(member.login for member in members)}")


# -------------------------------------------------------------------- spam


@spam_app.command("train")
def spam_train(
    ham: Annotated[list[Path] | None, typer.Option(help="Maildir, mbox, folder or file of wanted mail.")] = None,
    spam: Annotated[list[Path] | None, typer.Option(help="The same of spam.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Teach the site's model; a message already learnt is passed over."""
    from spamfilter.corpus import train_paths

    if not ham and not spam:
        raise Failure("nothing to learn: give --ham or --spam with a Maildir, mbox, folder or file")
    for path in [*(ham or ()), *(spam or ())]:
        if not path.exists():
            raise Failure(f"there is no {path}")
    with _rooms(config, assignments) as rooms:
        for label, paths, is_spam in (("ham", ham or [], False), ("spam", spam or [], True)):
            if paths:
                with _progress(label) as tell:
                    counts = train_paths(rooms.trainer, paths, is_spam, tell)
                print(f"{label}: {counts.learnt} learnt, {counts.known} known already, {counts.failed} unreadable")


@spam_app.command("pipe")
def spam_pipe(
    prior: Annotated[bool, typer.Option(help="Begin with what the package knows, or with nothing.")] = True,
) -> None:
    """Judge and learn files named on standard input, on a state of its own in $SPAM_STATE, for measuring the filter."""
    from config.settings import Spam
    from mailserver.spam_pipe import SpamPipe
    from spamfilter.prior import nothing_known, shipped_prior

    state = os.environ.get("SPAM_STATE")
    if not state:
        raise Failure("SPAM_STATE is not set: name a folder for the filter's state, it is made if need be")
    pipe = SpamPipe(Path(state), Spam(), shipped_prior() if prior else nothing_known())
    # File names are octets: those that are no UTF-8 come through as they are.
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    for answer in pipe.answers(sys.stdin):
        print(answer, flush=True)


#: Messages between two lines of progress where there is no terminal.
TOLD_EVERY = 500


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int], None]]:
    """A counter on standard error: one that moves on a terminal, a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}: {task.completed} messages"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(label, total=None)
            yield lambda seen: progress.update(task, completed=seen)
        return
    told = 0

    def tell(seen: int) -> None:
        nonlocal told
        if seen - told >= TOLD_EVERY:
            told = seen
            print(f"{label}: {seen} messages so far", file=sys.stderr, flush=True)

    yield tell


# -------------------------------------------------------------------- store


@store_app.command("reindex")
def store_reindex(
    login: Annotated[str | None, typer.Argument(help="One account; all without.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Make the text index anew while the server runs; searches open bodies until it is there."""
    with _rooms(config, assignments) as rooms:
        accounts = None if login is None else [rooms.store.open_account(rooms.accounts.show(login).key)]
        count = rooms.indexer.begin_again(accounts)
        seen = 0
        with _progress(f"of {count} messages indexed") as tell:

            def told(added: int, seconds: float) -> bool:
                nonlocal seen
                seen += added
                tell(seen)
                return False

            rooms.indexer.catch_up(told)
        print(f"{seen} messages are indexed.")


# -------------------------------------------------------------------- queue


@queue_app.command("list")
def queue_list(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Show what waits, for whom, why, and when it is tried next."""
    with _rooms(config, assignments) as rooms:
        entries = rooms.queue.entries()
        for entry in entries:
            when = "held" if entry.held else f"next {_moment(entry.due_at)}"
            print(
                f"{entry.id}  id={entry.message_id}  from <{entry.sender}>  to {entry.destination}  "
                f"{entry.size} octets  attempts {entry.attempts}  {when}"
            )
            for recipient in entry.recipients:
                print(f"    <{recipient.address}> {recipient.state.value} {recipient.text}".rstrip())
        print(f"{rooms.queue.depth()} in the queue.")


@queue_app.command("retry")
def queue_retry(
    item: Annotated[int | None, typer.Argument(help="Number; all without.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Try now."""
    with _rooms(config, assignments) as rooms:
        count = rooms.queue.kick(time.time(), item)
        rooms.ring_queue()
        print(f"{count} to be tried now.")


@queue_app.command("hold")
def queue_hold(item: int, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Keep a message from being tried until it is released."""
    with _rooms(config, assignments) as rooms:
        if not rooms.queue.hold(item):
            raise Failure(f"there is no item {item} in the queue")
        print(f"{item} is held.")


@queue_app.command("release")
def queue_release(item: int, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Let a held message be tried again."""
    with _rooms(config, assignments) as rooms:
        if not rooms.queue.unhold(item):
            raise Failure(f"there is no item {item} in the queue")
        rooms.ring_queue()
        print(f"{item} is released.")


@queue_app.command("remove")
def queue_remove(item: int, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Take a message out of the queue without a report to its sender."""
    with _rooms(config, assignments) as rooms:
        if not rooms.queue.remove(item):
            raise Failure(f"there is no item {item} in the queue")
        print(f"{item} is removed.")

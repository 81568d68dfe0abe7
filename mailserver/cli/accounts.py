"""``mailserver account``, ``alias`` and ``group``: the embedded directory."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from directory.names import login_key
from mailserver.cli.common import ConfigOption, Failure, SetOption, open_rooms

if TYPE_CHECKING:
    from mailserver.wiring import Rooms

account_app = typer.Typer(no_args_is_help=True, help="People and functions with a mailbox.")
alias_app = typer.Typer(no_args_is_help=True, help="Addresses that lead to others.")
group_app = typer.Typer(no_args_is_help=True, help="Groups of accounts; an alias to group:NAME gives one an address.")


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
    with open_rooms(config, assignments) as rooms:
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
    with open_rooms(config, assignments) as rooms:
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
    with open_rooms(config, assignments) as rooms:
        rooms.attempts.lock(rooms.accounts.show(login).key, reason, time.time())
        print(f"{login} is locked.")


@account_app.command("unlock")
def account_unlock(login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Lift a lock and forget the failures that led to it."""
    with open_rooms(config, assignments) as rooms:
        changed = rooms.attempts.unlock(rooms.accounts.show(login).key)
        print(f"{login} is unlocked." if changed else f"{login} was not locked.")


@account_app.command("enable")
def account_enable(login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Let a disabled account in again."""
    with open_rooms(config, assignments) as rooms:
        rooms.accounts.set_enabled(login, True)
        print(f"{login} is enabled.")


@account_app.command("disable")
def account_disable(login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Refuse sign-ins and mail of an account; its mail stays."""
    with open_rooms(config, assignments) as rooms:
        rooms.accounts.set_enabled(login, False)
        print(f"{login} is disabled.")


# -1 is a number here, no option.
@account_app.command("quota", context_settings={"ignore_unknown_options": True})
def account_quota(
    login: str,
    octets: Annotated[int, typer.Argument(help="Octets; 0: no limit; -1: the site's default.", min=-1)],
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Set how much an account may hold."""
    with open_rooms(config, assignments) as rooms:
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
    with open_rooms(config, assignments) as rooms:
        _ours(rooms, [address])
        rooms.accounts.add_address(login, address, primary=primary)
        print(f"{address} leads to {login}.")


@account_app.command("remove-address")
def account_remove_address(
    login: str, address: str, config: ConfigOption = None, assignments: SetOption = None
) -> None:
    """Take an address away from an account; not the last one."""
    with open_rooms(config, assignments) as rooms:
        rooms.accounts.remove_address(login, address)
        print(f"{address} is removed.")


@account_app.command("hold")
def account_hold(
    login: str,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Legal hold: nothing of the account's mail goes for good until the hold is released; the owner sees no change."""
    with open_rooms(config, assignments) as rooms:
        rooms.retention.hold(rooms.store.open_account(rooms.accounts.show(login).key), not release)
    print(f"{login}: the hold is released." if release else f"{login} is on hold: nothing goes for good.")


@account_app.command("list")
def account_list(
    locked: Annotated[bool, typer.Option("--locked", help="Only those somebody is locked out of.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """List all accounts, or those that are locked."""
    from rich.console import Console
    from rich.table import Table

    columns = ("login", "name", "role", "school", "address", "enabled")
    with open_rooms(config, assignments) as rooms:
        locks = rooms.attempts.locked_accounts(time.time()) if locked else {}
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
            if not locked or account.key in locks
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
    """Show an account: addresses, quota, legal hold, locks."""
    with open_rooms(config, assignments) as rooms:
        account = rooms.accounts.show(login)
        number = rooms.store.open_account(account.key)
        quota = rooms.store.quota(number)
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
            ("hold", "yes: nothing goes for good" if rooms.retention.held(number) else "no"),
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
    with open_rooms(config, assignments) as rooms:
        _ours(rooms, [address])
        rooms.accounts.add_alias(address, tuple(targets))
        print(f"{address} leads to {', '.join(targets)}.")


@alias_app.command("remove")
def alias_remove(address: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Take an alias away."""
    with open_rooms(config, assignments) as rooms:
        rooms.accounts.remove_alias(address)
        print(f"{address} is removed.")


@alias_app.command("list")
def alias_list(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """List all aliases."""
    with open_rooms(config, assignments) as rooms:
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
    with open_rooms(config, assignments) as rooms:
        rooms.accounts.add_group(name, members or ())
        print(f"The group {name} has {len(members or ())} members.")


@group_app.command("remove")
def group_remove(name: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Remove a group; its members stay."""
    with open_rooms(config, assignments) as rooms:
        rooms.accounts.remove_group(name)
        rooms.store.shared_quotas.remove(login_key(name))
        print(f"The group {name} is removed.")


@group_app.command("join")
def group_join(name: str, login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Make an account a member."""
    with open_rooms(config, assignments) as rooms:
        number = rooms.store.open_account(rooms.accounts.show(login).key)
        rooms.store.shared_quotas.join(login_key(name), number)
        rooms.accounts.add_member(name, login)
        print(f"{login} is in the group {name}.")


@group_app.command("leave")
def group_leave(name: str, login: str, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Make an account a member no more."""
    with open_rooms(config, assignments) as rooms:
        rooms.accounts.remove_member(name, login)
        number = rooms.store.open_account(rooms.accounts.show(login).key)
        rooms.store.shared_quotas.leave(login_key(name), number)
        print(f"{login} is not in the group {name}.")


@group_app.command("quota")
def group_quota(
    name: str,
    octets: Annotated[int, typer.Argument(help="Octets of all members together; 0: no limit.", min=0)],
    messages: Annotated[int, typer.Option(help="Messages of all members together; 0: no limit.", min=0)] = 0,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Set how much the members of a group may hold together, beside the quota of each; without limits it ends."""
    with open_rooms(config, assignments) as rooms:
        key = login_key(name)
        found = {login_key(group): members for group, members in rooms.accounts.groups().items()}
        if key not in found:
            raise Failure(f"there is no group {name}: mailserver group list shows them")
        if octets or messages:
            numbers = [rooms.store.open_account(member.key) for member in found[key]]
            rooms.store.shared_quotas.set(key, octets, messages, numbers)
        else:
            rooms.store.shared_quotas.remove(key)
        print(f"The quota of the group {name} is changed.")


@group_app.command("list")
def group_list(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """List all groups with their members and what they share."""
    with open_rooms(config, assignments) as rooms:
        shared = {one.name: one for one in rooms.store.shared_quotas.all()}
        for name, members in rooms.accounts.groups().items():
            print(f"{name}: {', '.join(member.login for member in members)}")
            if (quota := shared.get(login_key(name))) is not None:
                uses = ((quota.used_bytes, quota.limit_bytes), (quota.used_messages, quota.limit_messages))
                octets, messages = (f"{used} of {limit}" if limit else f"{used}, no limit" for used, limit in uses)
                print(f"    shares octets: {octets}; messages: {messages}")

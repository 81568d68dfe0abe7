"""``mailserver import``: mail of other systems."""

from __future__ import annotations

import csv
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, open_rooms, progress

if TYPE_CHECKING:
    from mailserver.wiring import Rooms
    from transfer.errand import Wishes
    from transfer.imap import Login
    from transfer.parity import FolderReport, Report
    from transfer.source import Source

app = typer.Typer(no_args_is_help=True, help="Bring mail from other systems.")

LoginArgument = Annotated[str, typer.Argument(help="The account that gets the mail.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only tell what would come.")]
VerifyOption = Annotated[bool, typer.Option("--verify", help="In the end compare every octet with the source.")]
ExpungeOption = Annotated[
    bool, typer.Option("--expunge", help="Remove what was brought earlier and is gone at the source.")
]
LargestOption = Annotated[int, typer.Option("--largest", help="Octets of the largest message that comes.", min=1)]
CaOption = Annotated[Path | None, typer.Option("--ca", help="Certificates to trust instead of the system's.")]
PlainOption = Annotated[
    bool, typer.Option("--plain-on-loopback", help="No TLS; only to this machine, for a tunnel's end.")
]
PasswordOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
MasterOption = Annotated[
    str | None, typer.Option("--master", metavar="USER", help="Sign in as this one, on behalf of the person.")
]

_LARGEST = 150 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Job:
    """What one account gets; ``source`` is opened when it is its turn."""

    login: str
    source: Callable[[], Source]


@app.command("maildir")
def import_maildir(
    login: LoginArgument,
    path: Annotated[Path, typer.Argument(help="The folder that holds cur and new.")],
    dry_run: DryRunOption = False,
    verify: VerifyOption = False,
    expunge: ExpungeOption = False,
    largest: LargestOption = _LARGEST,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Bring mail of a Maildir or Maildir++ tree; a second run brings only what is new or changed."""
    from transfer.errand import Wishes
    from transfer.maildir import MaildirSource

    wishes = Wishes(dry_run, expunge, verify, largest)
    with open_rooms(config, assignments) as rooms:
        _run(rooms, [_Job(login, lambda: MaildirSource(path, largest))], wishes)


@app.command("mbox")
def import_mbox(
    login: LoginArgument,
    path: Annotated[Path, typer.Argument(help="An mbox file, or a folder of such files.")],
    into: Annotated[str, typer.Option(help="Mailbox for a single file.")] = "INBOX",
    quoting: Annotated[str, typer.Option(help="How From lines were quoted: rd or o.")] = "rd",
    dry_run: DryRunOption = False,
    verify: VerifyOption = False,
    expunge: ExpungeOption = False,
    largest: LargestOption = _LARGEST,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Bring mail of mbox files; a second run brings only what is new or changed."""
    from transfer.errand import Wishes
    from transfer.mbox import MboxSource, Quoting

    try:
        how = Quoting(quoting)
    except ValueError:
        raise Failure(f"there is no quoting {quoting!r}: give rd or o") from None
    wishes = Wishes(dry_run, expunge, verify, largest)
    with open_rooms(config, assignments) as rooms:
        _run(rooms, [_Job(login, lambda: MboxSource(path, largest, how, into))], wishes)


@app.command("imap")
def import_imap(
    login: LoginArgument,
    url: Annotated[str, typer.Argument(help="imaps://host[:port] (TLS), or imap://host[:port] (STARTTLS).")],
    user: Annotated[str | None, typer.Option(help="The person's name there; the login here without.")] = None,
    master: MasterOption = None,
    password_stdin: PasswordOption = False,
    ca: CaOption = None,
    plain: PlainOption = False,
    dry_run: DryRunOption = False,
    verify: VerifyOption = False,
    expunge: ExpungeOption = False,
    largest: LargestOption = _LARGEST,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Bring mail from an IMAP server; a second run brings only what is new or changed."""
    from transfer.errand import Wishes
    from transfer.imap import ImapSource, Server

    server = Server.of_url(url, plain=plain)
    who = _login(user or login, master, _password(password_stdin))
    wishes = Wishes(dry_run, expunge, verify, largest)
    authority = None if ca is None else str(ca.resolve())
    with open_rooms(config, assignments) as rooms:
        _run(rooms, [_Job(login, lambda: ImapSource(server, who, ca=authority))], wishes)


@app.command("many")
def import_many(
    file: Annotated[Path, typer.Argument(help="CSV with the columns account, source, and user, password if needed.")],
    at_once: Annotated[int, typer.Option(help="Accounts at a time.", min=1, max=32)] = 4,
    master: MasterOption = None,
    password_stdin: PasswordOption = False,
    ca: CaOption = None,
    plain: PlainOption = False,
    dry_run: DryRunOption = False,
    verify: VerifyOption = False,
    expunge: ExpungeOption = False,
    largest: LargestOption = _LARGEST,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Bring mail for many accounts, several at a time: each from a Maildir (a path) or an IMAP server (a URL)."""
    from transfer.errand import Wishes

    password = _password(password_stdin) if master is not None else ""
    authority = None if ca is None else str(ca.resolve())
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, ValueError) as error:
        raise Failure(f"{file} can't be read: {error}") from None
    jobs: list[_Job] = []
    for number, row in enumerate(rows, 2):
        account, source = (row.get("account") or "").strip(), (row.get("source") or "").strip()
        if not account or not source:
            raise Failure(f"{file}, line {number}: the columns account and source are needed; nothing was done")
        who = _login((row.get("user") or "").strip() or account, master, row.get("password") or password)
        jobs.append(_Job(account, _opened(source, who, authority, largest, plain=plain)))
    wishes = Wishes(dry_run, expunge, verify, largest)
    with open_rooms(config, assignments) as rooms:
        _run(rooms, jobs, wishes, at_once)


def _opened(source: str, who: Login, ca: str | None, largest: int, *, plain: bool) -> Callable[[], Source]:
    from transfer.imap import ImapSource, Server
    from transfer.maildir import MaildirSource

    if "://" not in source:
        return lambda: MaildirSource(Path(source), largest)
    server = Server.of_url(source, plain=plain)
    return lambda: ImapSource(server, who, ca=ca)


def _login(user: str, master: str | None, password: str) -> Login:
    from transfer.imap import Login

    return Login(user, password) if master is None else Login(master, password, user)


def _password(given: bool) -> str:
    import getpass

    password = sys.stdin.readline().rstrip("\n") if given or not sys.stdin.isatty() else getpass.getpass("Password: ")
    if not password:
        raise Failure("the password is empty: nothing was done")
    return password


# -------------------------------------------------------------------- running and telling


def _run(rooms: Rooms, jobs: Iterable[_Job], wishes: Wishes, at_once: int = 1) -> None:
    """Run all jobs, print their reports, and end with status 1 unless everything is here."""
    seen, lock = 0, threading.Lock()
    # Made here: several threads would make them several times.
    importer, accounts = rooms.importer, rooms.accounts

    with progress("Imported") as tell:

        def told(more: int) -> None:
            nonlocal seen
            with lock:
                seen += more
                tell(seen)

        def one(job: _Job) -> Report:
            from directory.errors import DirectoryError
            from transfer.parity import Report
            from transfer.source import SourceError

            try:
                return importer.run(accounts.show(job.login), job.source(), wishes, told)
            except (SourceError, DirectoryError) as error:
                return Report(job.login, "", error=str(error))

        with ThreadPoolExecutor(at_once) as pool:
            reports = []
            for report in pool.map(one, jobs):
                reports.append(report)
                for line in describe(report, dry_run=wishes.dry_run):
                    print(line, flush=True)
    if len(reports) > 1:
        good = sum(not report.error if wishes.dry_run else report.equal for report in reports)
        print(f"{good} of {len(reports)} accounts are {'ready' if wishes.dry_run else 'equal'}.")
    if any(report.error if wishes.dry_run else not report.equal for report in reports):
        raise typer.Exit(1)


def describe(report: Report, *, dry_run: bool) -> list[str]:
    """A report in words, a line each."""
    lines = [f"{report.login} from {report.source}:"] if report.source else []
    for folder in report.folders:
        lines.append("  " + (_foretold(folder) if dry_run else _told(folder)))
        lines += [f"    note: {text}" for text in folder.remarks]
        lines += [f"    differs: {text}" for text in folder.differences.lines()]
    lines += [f"  differs: {text}" for text in report.differences.lines()]
    if report.error:
        why = report.error.rstrip(".")
        return [*lines, f"{report.login}: not finished: {why}. Run it again: it goes on where it was."]
    rate = report.came / max(0.001, report.seconds)
    if dry_run:
        lines.append(f"{report.login}: {report.came} messages with {report.came_octets} octets would come.")
    else:
        lines.append(
            f"{report.login}: {report.came} messages with {report.came_octets} octets came in {report.seconds:.0f} s "
            f"({rate:.0f} a second). "
            + ("All is here as it is there." if report.equal else "Not all is here as it is there: see above.")
        )
    return lines


def _foretold(folder: FolderReport) -> str:
    return (
        f"{folder.source} -> {folder.mailbox}: {folder.there} messages, {folder.there_octets} octets; "
        f"{folder.came} would come, {folder.flags} change flags"
    )


def _told(folder: FolderReport) -> str:
    parts = [f"{folder.came} came"]
    for count, text in (
        (folder.found, "were here already"),
        (folder.flags, "changed flags"),
        (folder.removed, "were removed"),
        (folder.verified, "compared octet by octet"),
        (folder.others, "beside them here"),
    ):
        parts += [f"{count} {text}"] if count else []
    return (
        f"{folder.source} -> {folder.mailbox}: {folder.here} of {folder.there} messages, "
        f"{folder.here_octets} of {folder.there_octets} octets; {', '.join(parts)}"
    )

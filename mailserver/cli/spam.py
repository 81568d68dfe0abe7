"""``mailserver spam``: the filter."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.common import ConfigOption, Failure, SetOption, moment, open_rooms, progress
from mailserver.cli.recall import spam_recall

if TYPE_CHECKING:
    from spamfilter.verdict import Verdict

app = typer.Typer(no_args_is_help=True, help="The spam filter.")
app.command("recall")(spam_recall)


@app.command("train")
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
    with open_rooms(config, assignments) as rooms:
        for label, paths, is_spam in (("ham", ham or [], False), ("spam", spam or [], True)):
            if paths:
                with progress(label) as tell:
                    counts = train_paths(rooms.trainer, paths, is_spam, tell)
                print(f"{label}: {counts.learnt} learnt, {counts.known} known already, {counts.failed} unreadable")


Files = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Maildir, mbox, folder or file.")]


@app.command("forget")
def spam_forget(
    paths: Files,
    account: Annotated[str | None, typer.Option(help="Whose lessons; the operator's without it.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Take back what was taught of these messages."""
    with open_rooms(config, assignments) as rooms:
        messages = _messages(paths)
        forgotten = sum(rooms.trainer.forget(octets, account=account) for octets in messages)
        print(f"{forgotten} of {len(messages)} forgotten")


@app.command("score")
def spam_score(paths: Files, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Judge messages as they lie there: points and what would be done, a line each. Nothing is asked of the network."""
    for verdict in _verdicts(paths, config, assignments):
        print(f"{verdict.score:.2f} {verdict.action.value}")


@app.command("explain")
def spam_explain(
    paths: Files,
    language: Annotated[str, typer.Option(help="Language of the reasons: fr or en.")] = "fr",
    again: Annotated[bool, typer.Option("--again", help="Judge now instead of telling the record.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Say why a message was judged as it was: by its record, or judged again where there is none."""
    from mailserver.judging import filter_of
    from spamfilter import record
    from spamfilter.rules import RULES
    from spamfilter.scores import shipped
    from spamfilter.stored import stored_id, stored_message
    from spamfilter.telling import told

    if language not in ("fr", "en"):
        raise Failure(f"there are no reasons in {language!r}: choose fr or en")
    with open_rooms(config, assignments) as rooms:
        hostname = rooms.settings.site.hostname
        scores = shipped(RULES, rooms.settings.spam.scores)
        spam_filter = None
        for octets in _messages(paths):
            number = None if again else stored_id(octets, hostname)
            verdict = record.find(rooms.database, number, scores) if number else None
            if verdict is None:
                spam_filter = spam_filter or filter_of(rooms.database, rooms.settings)
                verdict = spam_filter.judge(stored_message(octets, hostname).evidence)
            print("\n".join(told(verdict, language)))


@app.command("dry-run")
def spam_dry_run(
    rules: Annotated[Path, typer.Argument(metavar="RULES-OR-SETTINGS", help="Weights, or a configuration file.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH...]", help="Mail to judge; the records without.")
    ] = None,
    since: Annotated[float, typer.Option(help="Hours of records to look at.")] = 24.0,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Judge yesterday's mail, or a folder, by other rules: prints which verdicts would change, and changes nothing."""
    import time

    from mailserver.dry_run import comparison

    with open_rooms(config, assignments) as rooms:
        changes = comparison(rooms, rules, paths or [], time.time() - 3600 * since)
        count = changed = 0
        for one in changes:
            count += 1
            if one.before.action is not one.after.action:
                changed += 1
                print(
                    f"{one.name}: {one.before.action.value} {one.before.score:.2f} -> "
                    f"{one.after.action.value} {one.after.score:.2f} ({one.why})"
                )
        print(f"{changed} of {count} verdicts would change")


@app.command("wishes")
def spam_wishes(
    who: Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", help="Whose; the site's without it.")] = None,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="SENDER", help="Always wanted: address or @domain.")
    ] = None,
    block: Annotated[list[str] | None, typer.Option(metavar="SENDER", help="Never wanted.")] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="SENDER", help="No wish any more.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Show and change whose mail is always or never wanted, by one person or by the site."""
    from spamfilter.people import SITE, NoSender, wish, wishes

    with open_rooms(config, assignments) as rooms:
        account = rooms.accounts.show(who).key if who else SITE
        try:
            for senders, wanted in ((allow, True), (block, False), (drop, None)):
                for sender in senders or ():
                    wish(rooms.database, account, sender, wanted)
        except NoSender as error:
            raise Failure(str(error)) from error
        for sender, wanted in wishes(rooms.database, account):
            print(f"{'allow' if wanted else 'block'} {sender}")


@app.command("campaigns")
def spam_campaigns(
    last: Annotated[int, typer.Option(help="How many, those reported last.", min=1, max=2048)] = 20,
    since: Annotated[float, typer.Option(help="Days of mail that are counted.")] = 7.0,
    drop: Annotated[int | None, typer.Option(metavar="NUMBER", help="Forget a campaign that is none.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """List mail of one making that people reported: when it came, to how many boxes, how many say that it is spam."""
    import time

    from spamfilter.campaigns import forget
    from spamfilter.sightings import sightings

    with open_rooms(config, assignments) as rooms:
        if drop is not None:
            if not forget(rooms.database, drop):
                raise Failure(f"there is no campaign {drop}")
            print(f"campaign {drop} is forgotten")
            return
        with progress("Records") as tell:
            found = sightings(rooms.database, last, time.time() - 86400 * since, tell)
        for one in found:
            print(
                f"{one.number}: {one.voices} say spam; {one.messages} messages to {len(one.boxes)} boxes"
                + (f", {moment(one.first)} to {moment(one.last)}" if one.first and one.last else "")
                + f"; {one.subject!r} from {one.author or 'nobody'}"
            )
        if not found:
            print("Nobody has reported anything.")


@app.command("stats")
def spam_stats(config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Show what the filter has learnt, and from whom."""
    from spamfilter.statistics import statistics

    with open_rooms(config, assignments) as rooms:
        known = statistics(rooms.database)
        print(f"learnt: {known.ham} ham, {known.spam} spam; {known.features} features, {known.revision} changes")
        for teacher in known.teachers:
            print(f"  {teacher.account or 'operator'}: {teacher.ham} ham, {teacher.spam} spam")


def _messages(paths: list[Path]) -> list[bytes]:
    from spamfilter.corpus import read_all

    for path in paths:
        if not path.exists():
            raise Failure(f"there is no {path}")
    return [octets for octets in read_all(paths) if octets is not None]


def _verdicts(paths: list[Path], config: Path | None, assignments: list[str] | None) -> Iterator[Verdict]:
    from mailserver.judging import filter_of
    from spamfilter.stored import stored_message

    with open_rooms(config, assignments) as rooms:
        spam_filter = filter_of(rooms.database, rooms.settings)
        for octets in _messages(paths):
            yield spam_filter.judge(stored_message(octets, rooms.settings.site.hostname).evidence)


@app.command("reports")
def spam_reports(
    since: Annotated[float, typer.Option(help="Hours to look back.")] = 24.0,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Show what people reported: a line each, then how many."""
    import time

    from delivery.reports.log import Kind, reports_since

    with open_rooms(config, assignments) as rooms:
        with rooms.database.read() as connection:
            found = reports_since(connection, time.time() - 3600 * since)
        for one in found:
            said = f"{one.account} {one.kind.value} by {one.via}"
            print(f"{moment(one.at)} {said} {one.author!r} {one.subject!r} {one.digest.hex()}")
        phishing = sum(one.kind is Kind.PHISHING for one in found)
        people = len({one.account for one in found})
        print(f"{phishing} phishing, {len(found) - phishing} ham, by {people} people")


@app.command("pipe")
def spam_pipe(
    prior: Annotated[bool, typer.Option(help="Begin with what the package knows, or with nothing.")] = True,
) -> None:
    """Judge and learn files named on standard input, on a state of its own in $SPAM_STATE, for measuring the filter."""
    from config.settings import Log, Spam
    from mailserver import logs
    from mailserver.spam_pipe import SpamPipe
    from spamfilter.prior import nothing_known, shipped_prior

    # Standard output is for answers alone.
    logs.set_up(dataclasses.replace(Log(), level="warning", format="text"), "cli")
    state = os.environ.get("SPAM_STATE")
    if not state:
        raise Failure("SPAM_STATE is not set: name a folder for the filter's state, it is made if need be")
    # On a busy machine the answer must be the same, only later.
    settings = dataclasses.replace(Spam(), budget=60.0)
    pipe = SpamPipe(Path(state), settings, shipped_prior() if prior else nothing_known())
    # File names are octets: those that are no UTF-8 come through as they are.
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    for answer in pipe.answers(sys.stdin):
        print(answer, flush=True)

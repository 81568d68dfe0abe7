"""Commands of the operator, each in a process of its own on a data folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.names import account_folder

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user may enter: commands of root become the server's user."""
    path = Path(tempfile.mkdtemp(prefix="mailserver-cli-"))
    path.chmod(0o755)
    (path / "data").mkdir(mode=0o755)
    if os.geteuid() == 0:
        os.chown(path / "data", 65534, 65534)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def run(folder: Path):
    config = folder / "mailserver.toml"
    config.write_text(
        f'[site]\nhostname = "mx.ac.test"\ndomains = ["ac.test"]\ndata = "{folder / "data"}"\n'
        "[smtp]\nsubmissions_port = 0\n[imap]\ntls_port = 0\n[store]\nquota_bytes = 4096\n",
        "utf-8",
    )

    def command(*arguments: str, given: str = "") -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "mailserver", *arguments, "--config", str(config)],
            cwd=ROOT,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return command


def add(run, login: str, *more: str) -> tuple[int, str]:
    address = f"{login}@ac.test"
    arguments = ("--name", login, "--address", address, "--password-stdin", *more)
    return run("account", "add", login, *arguments, given="Radium-1898-Polonium\n")


def test_quotas_mean_the_same_at_every_command(run):
    for login, more, shown in (("a", (), "of 4096 octets"), ("b", ("--quota", "0"), "no limit")):
        assert add(run, login, *more)[0] == 0
        assert shown in run("account", "show", login)[1]
    assert add(run, "c", "--quota", "-5")[0] == 2
    assert run("account", "quota", "b", "-1")[0] == 0
    assert "of 4096 octets" in run("account", "show", "b")[1]
    assert run("account", "quota", "b", "-2")[0] == 2


def test_a_hold_is_seen(run):
    add(run, "marie")
    assert "hold       no" in run("account", "show", "marie")[1]
    assert run("account", "hold", "marie")[0] == 0
    assert "hold       yes" in run("account", "show", "marie")[1]


def test_a_folder_without_backups_is_told_and_not_made(run, folder: Path):
    nowhere = folder / "nowhere"
    for command in ("list", "verify", "rehearse", "prune"):
        done = subprocess.run(
            [sys.executable, "-m", "mailserver", "backup", command, str(nowhere)],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert f"there is no backup in {nowhere}" in done.stderr
    assert not nowhere.exists()


def test_a_mailbox_that_a_backup_does_not_have_is_told(run, folder: Path):
    add(run, "marie")
    kept = str(folder / "data" / "backups")
    assert run("backup", "create", kept)[0] == 0
    code, text = run("backup", "restore", kept, "--account", "marie", "--folder", "Nowhere")
    assert code == 1
    assert "no message of marie in Nowhere" in text
    assert run("backup", "restore", kept, "--account", "marie")[0] == 0


def test_a_restore_tells_what_it_does(run):
    add(run, "a")
    assert "Nothing is missing" in run("restore", "a", "--to", "0s")[1]
    assert run("restore", "a", "--to", "2h", "--dry-run")[0] == 0
    assert "--to" in run("restore", "a")[1]
    assert "is no time" in run("restore", "a", "--to", "yesterday")[1]
    assert "still to come" in run("restore", "a", "--to", "2999-01-01")[1]


def test_addresses_of_domains_that_are_not_here_are_refused(run):
    code, text = add(run, "d", "--address", "d@elsewhere.example")
    assert code == 1
    assert "elsewhere.example" in text
    assert "site.domains" in text
    assert run("account", "show", "d")[0] == 1
    assert run("alias", "add", "x@elsewhere.example", "a@far.example")[0] == 1
    assert run("alias", "add", "x@ac.test", "a@far.example")[0] == 0


def test_a_mailbox_keeps_its_messages_as_long_as_it_is_told(run):
    add(run, "marie")
    junk, trash = (f"{name}\t30 days, the site's rule\n" for name in ("Junk", "Trash"))
    assert run("folder", "expire", "marie") == (0, junk + trash)
    assert run("folder", "expire", "marie", "Junk", "--days", "7") == (0, "Junk\t7 days\n" + trash)
    assert run("folder", "expire", "marie", "Trash", "--never") == (0, "Junk\t7 days\nTrash\tuntil deleted\n")
    assert run("folder", "expire", "marie", "Junk", "--site") == (0, "Trash\tuntil deleted\n" + junk)
    site = run("folder", "expire", "marie", "--set", "store.keep_junk=0")
    assert site == (0, "Trash\tuntil deleted\nJunk\tuntil deleted, the site's rule\n")
    for wrong in (("Junk",), ("Junk", "--never", "--site"), ("--days", "3"), ("Nowhere", "--never")):
        assert run("folder", "expire", "marie", *wrong)[0] == 1
    assert run("folder", "expire", "marie", "Junk", "--days", "0")[0] == 2


def test_the_store_tells_what_it_holds(run):
    add(run, "marie")
    code, text = run("store", "status")
    assert code == 0
    assert "accounts        1\n" in text
    assert "waiting for it  0 of 0 contents" in text


def test_the_accounts_that_are_locked(run):
    add(run, "marie")
    add(run, "paul")
    assert run("account", "lock", "paul", "--reason", "asked for")[0] == 0
    assert [line.split("\t")[0] for line in run("account", "list")[1].splitlines()] == ["login", "marie", "paul"]
    assert [line.split("\t")[0] for line in run("account", "list", "--locked")[1].splitlines()] == ["login", "paul"]


def test_a_database_that_can_not_be_opened_is_one_line(run, folder):
    (folder / "data" / "mailserver.db").mkdir()
    code, text = run("account", "list")
    assert code == 1
    assert text.startswith("mailserver: the database is away: ")
    assert len(text.splitlines()) == 1


def test_a_data_folder_of_somebody_else_is_named_with_what_to_do(run, folder: Path):
    data = folder / "data"
    if os.geteuid() == 0:
        os.chown(data, 0, 0)
    else:
        data.chmod(0o500)
    status, text = run("migrate")
    assert status == 1
    assert text.startswith(f"mailserver: the data folder {data} can't be written by ")
    assert "site.user" in text


def test_the_store_is_compared_mended_and_rebuilt(run, folder: Path):
    add(run, "marie")
    with contextlib.closing(sqlite3.connect(folder / "data" / "mailserver.db")) as database:
        [key] = database.execute("SELECT key FROM store_account").fetchone()
    stray = folder / "data" / "mail" / account_folder(key) / ".Perdu" / "cur"
    stray.mkdir(parents=True)
    (stray / "1700000000.M1P1R0aQ0.mx,S=15:2,S").write_bytes(b"Subject: a\r\n\r\nb")
    for path in (stray.parents[1], *stray.parents[1].rglob("*")):
        os.chown(path, *(os.stat(folder / "data")[4:6]))
    status, said = run("store", "verify", "marie")
    assert status == 1
    assert "a folder that belongs to no mailbox: .Perdu on disk" in said
    assert "1 faults, 0 repaired. --repair mends" in said
    assert run("store", "rebuild", "--yes") == (0, "1 messages with 15 octets of 1 accounts are in the index again.\n")
    (stray / "1700000000.M1P1R0aQ0.mx,S=15:2,S").write_bytes(b"Subject: A\r\n\r\nb")
    status, said = run("store", "verify", "--repair")
    assert status == 0
    assert "another SHA-256" in said
    assert "1 faults, 1 repaired." in said


def test_spam_is_taught_told_and_forgotten(run, folder: Path) -> None:
    ham, spam = folder / "ham.eml", folder / "spam.eml"
    ham.write_text("From: a@b.fr\nSubject: conseil de classe\n\nLe conseil commence lundi avec les bulletins.\n")
    spam.write_text("From: a@b.top\nSubject: gagnez\n\nGagnez un voyage avec notre loterie exclusive et gratuite.\n")
    assert run("spam", "train", "--ham", str(ham), "--spam", str(spam))[0] == 0
    assert "learnt: 1 ham, 1 spam" in run("spam", "stats")[1]
    code, told = run("spam", "explain", str(spam), "--language", "en")
    assert code == 0
    assert "LINEAR_SPAM: Written and built like spam" in told
    assert "it would have passed without" in told
    scores = [float(run("spam", "score", str(path))[1].split()[0]) for path in (ham, spam)]
    assert scores[0] < scores[1]
    assert run("spam", "forget", str(spam), str(ham)) == (0, "2 of 2 forgotten\n")
    assert "learnt: 0 ham, 0 spam" in run("spam", "stats")[1]
    code, told = run("spam", "score", str(folder / "nothing"))
    assert code == 1
    assert "there is no" in told


def test_spam_campaigns_are_listed_and_dropped(run, folder: Path) -> None:
    assert run("spam", "campaigns") == (0, "Nobody has reported anything.\n")
    spam = folder / "spam.eml"
    words = " ".join(f"mot{chr(97 + n // 20)}{chr(97 + n % 20)}" for n in range(60))
    spam.write_text(f"From: a@b.top\nSubject: gagnez\n\n{words}\n")
    assert run("spam", "train", "--spam", str(spam))[0] == 0
    told = run("spam", "campaigns")[1]
    assert told == "1: 3 say spam; 0 messages to 0 boxes; 'gagnez' from a@b.top\n"
    assert run("spam", "campaigns", "--drop", "7")[0] == 1
    assert run("spam", "campaigns", "--drop", "1") == (0, "campaign 1 is forgotten\n")
    assert run("spam", "campaigns") == (0, "Nobody has reported anything.\n")


def test_spam_recall_takes_a_message_back_and_gives_it_back(run, folder: Path) -> None:
    add(run, "marie")
    assert run("spam", "recall") == (0, "")
    assert run("spam", "recall", "<1@x>", "--dry-run")[0] == 1
    status, told = run("spam", "recall", "<1@x>", "--everywhere")
    assert (status, "--reason" in told) == (1, True)
    assert run("spam", "recall", "<1@x>", "--undo", "1")[0] == 1
    status, told = run("spam", "recall", "--undo", "1")
    assert (status, "there is no recall 1" in told) == (1, True)
    why = ("--everywhere", "--reason", "hameçonnage", "--by", "assistance")
    assert run("spam", "recall", "<1@x>", *why) == (0, "No mailbox has it (any more).\n")
    status, told = run("spam", "recall")
    assert told.startswith("1: 2")
    assert told.endswith("assistance: <1@x> --everywhere (hameçonnage); 0 copies; done\n")
    assert run("spam", "recall", "--undo", "1") == (0, "0 copies are back.\n")
    assert " by " in run("spam", "recall")[1].partition("undone")[2]


def test_spam_dry_run_names_what_would_change(run, folder: Path) -> None:
    mail = folder / "mail.eml"
    mail.write_text("From: a@b.fr\nSubject: conseil\n\nLe conseil commence lundi.\n")
    rules = folder / "rules.toml"
    rules.write_text("[weights]\nMISSING_DATE = 9.0\n[caps]\nheaders = 20\n")
    code, told = run("spam", "dry-run", str(rules), str(mail))
    assert code == 0
    assert "1 'conseil': accept" in told
    assert "-> junk" in told
    assert "MISSING_DATE +8.00" in told
    assert "1 of 1 verdicts would change" in told
    rules.write_text("[weights]\nMISSING_DAET = 9.0\n")
    code, told = run("spam", "dry-run", str(rules), str(mail))
    assert code == 1
    assert "MISSING_DATE" in told


def test_spam_pipe_answers_line_by_line(folder: Path) -> None:
    message = folder / "mail.eml"
    message.write_text("From: a@b.fr\nSubject: conseil\n\nLe conseil commence lundi.\n")
    asked = f"score {message}\ntrain_ham {message}\nsync\nscore {folder}/none\nsing {message}\n"
    done = subprocess.run(
        [sys.executable, "-m", "mailserver", "spam", "pipe", "--no-prior"],
        cwd=ROOT,
        input=asked,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "SPAM_STATE": str(folder / "state")},
    )
    answers = done.stdout.splitlines()
    assert [answer.split()[-1] for answer in answers[:3]] == ["ham", "ok", "ok"]
    assert answers[3].startswith("error")
    assert answers[4].startswith("error expected score")


def test_mail_that_is_held_back_is_listed_shown_released_and_deleted(run, folder: Path) -> None:
    assert add(run, "marie")[0] == 0
    put = (
        "import sys; from pathlib import Path; from config.load import load; from mailserver.wiring import Rooms\n"
        "from message.content import MemoryContent; from storage.model import Filing; from storage.names import HELD\n"
        "rooms = Rooms(load(Path(sys.argv[1]))); account = rooms.store.open_account(rooms.accounts.show('marie').key)\n"
        "rooms.store.held_mail(account)\n"
        "for n in range(3):\n"
        "    letter = MemoryContent(f'From: Eve <eve{n}@far.example>\\r\\nSubject: N{n}\\r\\n\\r\\nx\\r\\n'.encode())\n"
        "    rooms.store.deliver([Filing(account, HELD)], letter, None, 1e9)\n"
        "rooms.close()\n"
    )
    arguments = [sys.executable, "-c", put, str(folder / "mailserver.toml")]
    subprocess.run(arguments, cwd=ROOT, check=True, timeout=60)
    if os.geteuid() == 0:
        for path in (folder / "data").rglob("*"):
            os.chown(path, 65534, 65534)
    code, listed = run("quarantine", "list")
    assert code == 0
    assert [line.split()[1] for line in listed.splitlines()] == ["1", "2", "3"]
    assert "'Eve <eve0@far.example>' 'N0' (-)" in listed
    assert "From: Eve <eve1@far.example>" in run("quarantine", "show", "marie", "2", "--raw")[1]
    assert run("quarantine", "release", "marie", "1") == (0, "released\n")
    code, said = run("quarantine", "release", "marie", "1")
    assert code == 1
    assert "no message 1 is held back" in said
    assert run("quarantine", "allow", "marie", "2") == (0, "released, eve1@far.example is always allowed\n")
    assert run("spam", "wishes", "marie")[1] == "allow eve1@far.example\n"
    assert run("quarantine", "delete", "marie", "3") == (0, "deleted\n")
    assert run("quarantine", "list", "marie") == (0, "")

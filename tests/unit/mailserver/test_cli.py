"""Commands of the operator, each in a process of its own on a data folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def test_addresses_of_domains_that_are_not_here_are_refused(run):
    code, text = add(run, "d", "--address", "d@elsewhere.example")
    assert code == 1
    assert "elsewhere.example" in text
    assert "site.domains" in text
    assert run("account", "show", "d")[0] == 1
    assert run("alias", "add", "x@elsewhere.example", "a@far.example")[0] == 1
    assert run("alias", "add", "x@ac.test", "a@far.example")[0] == 0


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
    mail = folder / "data" / "mail"
    add(run, "marie")
    assert run("store", "verify") == (0, "0 messages with 0 octets of 1 accounts were compared: index and bodies agree.\n")
    [home] = (one for one in mail.glob("??/*"))
    stray = home / ".Perdu" / "cur"
    stray.mkdir(parents=True)
    (stray / "1700000000.M1P1R0aQ0.mx,S=15:2,S").write_bytes(b"Subject: a\r\n\r\nb")
    status, said = run("store", "verify", "marie")
    assert status == 1
    assert "a folder that belongs to no mailbox: .Perdu on disk" in said
    assert "1 faults, 0 repaired. --repair mends" in said
    assert run("store", "rebuild", "--yes") == (0, "1 messages with 15 octets of 1 accounts are in the index again.\n")
    assert run("store", "verify")[0] == 0
    (stray / "1700000001.M1P1R0aQ0.mx,S=1:2,").write_bytes(b"x")
    os.utime(stray / "1700000001.M1P1R0aQ0.mx,S=1:2,")
    status, said = run("store", "verify", "--repair", "--set", "store.orphan_age=60")
    # Too young to be an orphan.
    assert (status, "index and bodies agree" in said) == (0, True)

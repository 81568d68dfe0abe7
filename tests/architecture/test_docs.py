"""What the documentation says is there, and what is there is in the documentation."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from config import reference
from config.settings import Imap, Settings
from imap.commands.basic import capability_names
from imap.session.states import State
from mailserver import cli
from mailserver.demo import PORTS
from smtp.wire.extensions import ehlo_reply

ROOT = Path(__file__).parents[2]
ROOMS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["root_packages"]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "systemd/README.md")),
    *(ROOT / room / "README.md" for room in ROOMS),
    *sorted((ROOT / "docs").rglob("*.md")),
]

#: Longest README of a room: a screen.
SCREEN = 45

#: What belongs to one machine or one registry and to no file of the project.
FOREIGN = ("/" + "work/", "pypi" + ".org", "pythonhosted" + ".org", "deb.debian" + ".org", "localhost:" + "3141")

_QUOTED = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def standards() -> Iterator[list[str]]:
    """Rows of the tables of docs/rfc.md as lists of cells."""
    for line in page("rfc.md").splitlines():
        if line.startswith("|") and not line.startswith(("| RFC", "|---")):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def tracked() -> list[str]:
    """Files of the repository, new ones too; where there is no git (a release), what lies there."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return done.stdout.splitlines()


# -------------------------------------------------------------------- standards


def test_every_row_of_a_standard_is_complete() -> None:
    rows = list(standards())
    assert len(rows) > 60
    for row in rows:
        assert len(row) == 6, row
        number, title, _, state, files, tests = row
        assert re.fullmatch(r"\d{4,5}(, \d{4,5})*", number), row
        assert title, row
        assert state.startswith(("whole", "partly", "not")), row
        assert (state == "not") == (not files and not tests), row


def test_files_and_tests_of_standards_exist() -> None:
    for *_, files, tests in standards():
        for name in _QUOTED.findall(files):
            assert (ROOT / name).is_file(), name
        for name in _QUOTED.findall(tests):
            path, _, test = name.partition("::")
            assert (ROOT / path).is_file(), name
            if path.endswith(".py"):
                assert re.search(rf"^ *(async )?def {re.escape(test)}\(", (ROOT / path).read_text("utf-8"), re.M), name


def advertised_by_imap() -> set[str]:
    """All capabilities: in clear with and without STARTTLS, and signed in."""
    names: set[str] = set()
    for state in (State.NOT_AUTHENTICATED, State.AUTHENTICATED):
        for may_sign_in in (False, True):
            context: Any = SimpleNamespace(
                state=state,
                settings=Imap(),
                services=SimpleNamespace(tls=True),
                tls=False,
                may_sign_in=may_sign_in,
                is_operator=True,
            )
            names.update(name.decode() for name in capability_names(context))
    return {re.sub(r"^(APPENDLIMIT|MESSAGELIMIT)=\d+$", r"\1", name) for name in names}


def advertised_by_smtp() -> set[str]:
    reply = ehlo_reply("mail.example", size=1, starttls=True, mechanisms=("PLAIN",))
    return {line[4:].split()[0].decode() for line in reply.octets.splitlines()[1:]}


def test_everything_advertised_has_a_row() -> None:
    documented = {word for row in standards() if row[3] != "not" for cell in row[1:3] for word in _QUOTED.findall(cell)}
    assert advertised_by_imap() - documented == set()
    assert advertised_by_smtp() - documented == set()


def test_every_standard_that_the_code_names_is_told_or_is_background() -> None:
    """Written by hand are those that the code cites for a definition, a caution, or a rule of another's."""
    background = {
        *("1035", "2505", "3629", "4291", "5321", "6052", "6266", "6890", "7525", "8098"),
    }
    told = {number for row in standards() for number in re.findall(r"\d{4,5}", row[0])}
    named: dict[str, str] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for number in re.findall(r"\bRFC (\d{4,5})\b", path.read_text("utf-8")):
                named.setdefault(number, str(path.relative_to(ROOT)))
    assert {number: path for number, path in named.items() if number not in told | background} == {}


def test_the_picture_counts_the_extensions() -> None:
    """The README says how many there are beside the base protocol and its resource types."""
    base = re.compile(r"IMAP4rev[12]|STARTTLS|LOGINDISABLED|AUTH=.*|QUOTA=.*|RIGHTS=.*")
    count = sum(not base.fullmatch(name) for name in advertised_by_imap())
    assert f"IMAP4rev1 + {count} ext" in (ROOT / "README.md").read_text("utf-8")


def test_the_ports_of_the_demo_are_told_as_they_are() -> None:
    base = re.search(r"^PORT_BASE \?= (\d+)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert base is not None
    text = (ROOT / "README.md").read_text("utf-8")
    assert f"ports from {base[1]} on" in text
    assert f"imaps://localhost:{int(base[1]) + PORTS.index('imaps')}/" in text


# -------------------------------------------------------------------- settings and commands


def test_the_page_of_settings_is_of_this_release() -> None:
    """Made again by: mailserver check-config --reference > docs/settings.md"""
    text = page("settings.md")
    assert text == reference.page()
    for section, cls in typing.get_type_hints(Settings).items():
        assert f"## [{section}]" in text
        for field in dataclasses.fields(cls):
            assert f"| `{field.name}` |" in text


def test_the_example_is_of_this_release() -> None:
    """Made again by: mailserver check-config --example > config/examples/mailserver.toml"""
    assert (ROOT / "config/examples/mailserver.toml").read_text("utf-8") == reference.example()


def commands(group: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Every command with its help."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{above}{name} ")
        else:
            yield above + name, command.help


def test_every_command_has_its_line() -> None:
    told = dict(re.findall(r"^\| `([a-z -]+?)(?: [\[A-Z-][^`]*)?` \| (.*?) \|", page("commands.md"), re.M))
    there = dict(commands(typer.main.get_command(cli.app)))
    assert len(there) > 15
    assert told == there


# -------------------------------------------------------------------- files


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_readme_of_a_screen(room: str) -> None:
    lines = (ROOT / room / "README.md").read_text("utf-8").splitlines()
    assert 5 <= len(lines) <= SCREEN


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_pages_name_exist(path: Path) -> None:
    """Words in code marks that look like a path below one of our folders."""
    here = {entry.name for entry in ROOT.iterdir() if entry.is_dir()} - {"demo-data", ".venv"}
    for words in _QUOTED.findall(re.sub(r"^    .*$", "", path.read_text("utf-8"), flags=re.M)):
        name = words.partition("::")[0]
        if _PATH.fullmatch(name) and name.split("/")[0] in here:
            assert (ROOT / name).exists(), f"{path.name}: {name}"


def test_every_decision_is_in_the_index() -> None:
    index = page("adr/README.md")
    decisions = sorted(path for path in (ROOT / "docs/adr").glob("0*.md"))
    assert [path.name[:4] for path in decisions] == [f"{n:04}" for n in range(1, len(decisions) + 1)]
    for path in decisions:
        assert f"]({path.name})" in index
        first = path.read_text("utf-8").splitlines()[0]
        assert first.startswith(f"# {int(path.name[:4])}. "), path.name


def test_no_file_names_the_place_where_it_was_made() -> None:
    for name in tracked():
        path = ROOT / name
        if path.is_symlink() or not path.is_file():
            continue
        octets = path.read_bytes()
        for word in FOREIGN:
            assert word.encode() not in octets, f"{name} names {word}"

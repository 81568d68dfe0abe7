"""The import contracts of ``pyproject.toml`` hold, and what is installed is what the lock file says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_contract_is_kept() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    contracts = (ROOT / "pyproject.toml").read_text("utf-8").count("[[tool.importlinter.contracts]]")
    assert f"{contracts} kept, 0 broken" in done.stdout


def test_one_distribution_unpacks_into_the_folder_passlib() -> None:
    """libpass does; the distribution passlib would, and can't do bcrypt any more."""
    assert {name.lower() for name in packages_distributions()["passlib"]} == {"libpass"}
    assert not any(entry.startswith("passlib==") for entry in locked())


def locked() -> list[str]:
    """Entries of the lock file, each with its hashes on one line; comments left out."""
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


def test_every_locked_release_is_one_release_with_hashes() -> None:
    entries = locked()
    assert len(entries) > 30
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_lock_file_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"--?(i|index-url|extra-index-url|find-links|trusted-host)\b", text)


def test_every_requirement_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[=\[;]", entry, maxsplit=1)[0].lower() for entry in locked()}
    for one in wanted:
        name = re.match(r"[A-Za-z0-9._-]+", one)
        assert name is not None
        assert name[0].lower() in names, one

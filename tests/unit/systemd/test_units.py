"""The unit files: correct, hardened, and in step with each other and with the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.settings import Settings

FOLDER = Path(__file__).resolve().parents[3] / "systemd"
PROGRAM = "/opt/mailserver/.venv/bin/mailserver"
PYTHON = "/opt/mailserver/.venv/bin/python"
SERVICES = sorted(FOLDER.glob("*.service"))
SOCKETS = sorted(FOLDER.glob("*.socket"))
ROLES = ("imap", "queue", "smtp", "web")

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and "CI" not in os.environ, reason="needs the Debian package systemd"
)


def settings(unit: Path) -> dict[str, list[str]]:
    """Values by key; a key may come several times."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text("utf-8").splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_exposure_is_low(unit: Path) -> None:
    """At most 1.5 of 10."""
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(unit))
    assert done.returncode == 0, [*done.stdout.splitlines()[-1:], done.stderr]


@needs_systemd
def test_units_are_correct(tmp_path: Path) -> None:
    """systemd's own check of all units together, with a program in place of ours, which need not be installed here."""
    program = tmp_path / "mailserver"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    units = [*SERVICES, *SOCKETS, *FOLDER.glob("*.target")]
    for unit in units:
        (tmp_path / unit.name).write_text(
            unit.read_text("utf-8").replace(PROGRAM, str(program)).replace(PYTHON, str(program))
        )
    done = run(
        "systemd-analyze",
        "verify",
        "--man=no",
        *(str(tmp_path / unit.name) for unit in units),
        SYSTEMD_UNIT_PATH=f"{tmp_path}:",
    )
    # It warns about the machine's other units too: those of ours must not come up at all.
    complaints = [line for line in done.stderr.splitlines() if "mailserver" in line]
    assert complaints == []
    assert done.returncode == 0, done.stderr


def test_sockets_have_the_names_and_ports_that_the_program_looks_for() -> None:
    defaults = Settings()
    expected = {
        "mx": ("smtp", defaults.smtp.mx_port),
        "submission": ("smtp", defaults.smtp.submission_port),
        "submissions": ("smtp", defaults.smtp.submissions_port),
        "imap": ("imap", defaults.imap.port),
        "imaps": ("imap", defaults.imap.tls_port),
        # Switched off where nobody asks for it; who enables the unit does.
        "https": ("web", 443),
    }
    found = {}
    for unit in SOCKETS:
        values = settings(unit)
        (name,), (service,) = values["FileDescriptorName"], values["Service"]
        ports = {int(address.rpartition(":")[2]) for address in values["ListenStream"]}
        assert len(ports) == 1, unit.name
        found[name] = (service.removeprefix("mailserver-").removesuffix(".service"), ports.pop())
    assert found == expected


@pytest.mark.parametrize("role", ROLES)
def test_roles_are_handed_all_their_sockets(role: str) -> None:
    service = settings(FOLDER / f"mailserver-{role}.service")
    own = {unit.name for unit in SOCKETS if settings(unit)["Service"] == [f"mailserver-{role}.service"]}
    assert set(" ".join(service.get("Sockets", [])).split()) == own
    assert own <= set(" ".join(service["Requires"]).split())
    assert own <= set(" ".join(service["After"]).split())


@pytest.mark.parametrize("role", ROLES)
def test_roles_run_themselves(role: str) -> None:
    service = settings(FOLDER / f"mailserver-{role}.service")
    program = f"{PYTHON} -m mailserver" if role == "smtp" else PROGRAM
    assert service["ExecStart"] == [f"{program} serve {role} --config /etc/mailserver/mailserver.toml"]
    assert service["Type"] == ["notify"]
    assert service["Restart"] == ["always"]
    assert "mailserver-migrate.service" in " ".join(service["Requires"])


def test_hardening_is_the_same_in_every_service() -> None:
    """Only what a unit is for may differ: the lines from NoNewPrivileges on are one text."""
    blocks = set()
    for unit in SERVICES:
        block = re.search(r"^NoNewPrivileges=.*^SystemCallErrorNumber=\w+$", unit.read_text("utf-8"), re.M | re.S)
        assert block is not None, unit.name
        blocks.add(block[0].replace("PrivateUsers=no", "PrivateUsers=yes"))
    assert len(blocks) == 1


def test_only_who_opens_ports_has_a_capability() -> None:
    for unit in SERVICES:
        values = settings(unit)
        expected = ["CAP_NET_BIND_SERVICE"] if unit.name == "mailserver.service" else [""]
        assert values["CapabilityBoundingSet"] == expected, unit.name
        assert values["AmbientCapabilities"] == expected, unit.name


def test_everything_belongs_to_the_target() -> None:
    units = [unit for unit in [*SERVICES, *SOCKETS] if unit.name != "mailserver.service"]
    for unit in units:
        values = settings(unit)
        assert values["PartOf"] == ["mailserver.target"], unit.name
        assert "mailserver.target" in " ".join(values["WantedBy"]), unit.name


def test_the_user_is_the_one_that_is_made() -> None:
    assert re.search(r"^u mailserver ", (FOLDER / "sysusers.d/mailserver.conf").read_text("utf-8"), re.M)
    for unit in SERVICES:
        assert settings(unit)["User"] == ["mailserver"], unit.name
        assert settings(unit)["UMask"] == ["0077"], unit.name


def test_readme_names_every_unit_it_enables() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    enabled = {
        f"mailserver-{name}.{kind}"
        for names, kind in re.findall(r"mailserver-\{([\w,]+)\}\.(socket|service)", text)
        for name in names.split(",")
    }
    assert enabled == {unit.name for unit in [*SERVICES, *SOCKETS]} - {"mailserver.service"}

"""Notices to systemd, inherited sockets, rights given up: with real sockets and real processes."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from mailserver import lifecycle

ROOT = Path(__file__).resolve().parents[3]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give rights up")


def in_a_process(script: str, *arguments: str, **options: Any) -> Any:
    """What a script prints as JSON, run by a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# -------------------------------------------------------------------- notices


@pytest.mark.parametrize("abstract", [False, True])
def test_notify_reaches_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    path = f"@mailserver-{secrets.token_hex(8)}" if abstract else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path.replace("@", "\0", 1))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        lifecycle.notify("READY=1")
        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("path", ["", "/nowhere/at/all"])
def test_notify_without_a_listener_does_nothing(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    lifecycle.notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        (None, None, None),
        ("30000000", None, 30.0),
        ("30000000", "own", 30.0),
        ("30000000", "1", None),
        ("0", None, None),
        ("-5", None, None),
        ("soon", None, None),
        ("30000000", "me", None),
    ],
)
def test_watchdog_interval(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, expected: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert lifecycle.watchdog_interval() == expected


# -------------------------------------------------------------------- sockets

# Puts sockets where systemd would and becomes the program, as systemd does.
SOCKET_ACTIVATION = """
    import os, socket, sys
    names, mine, program = sys.argv[1:]
    sockets = []
    for _ in names.split(":"):
        one = socket.create_server(("127.0.0.1", 0))
        os.dup2(one.fileno(), 50 + len(sockets))
        sockets.append(one)
    for index in range(len(sockets)):
        os.dup2(50 + index, 3 + index, inheritable=True)
    os.environ |= {
        "LISTEN_FDS": str(len(sockets)),
        "LISTEN_FDNAMES": names,
        "LISTEN_PID": str(os.getpid() if mine == "mine" else os.getppid()),
    }
    os.execv(sys.executable, [sys.executable, "-c", program])
"""

PROGRAM = """
import json, os, socket
from mailserver.lifecycle import inherited_sockets
found = inherited_sockets()
print(json.dumps({
    name: [
        [s.getsockname()[0], s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), os.get_inheritable(s.fileno())]
        for s in sockets
    ]
    for name, sockets in found.items()
}))
"""


def test_sockets_of_systemd_come_by_name() -> None:
    found = in_a_process(SOCKET_ACTIVATION, "mx:submission:mx", "mine", PROGRAM)
    listening = ["127.0.0.1", 1, False]
    assert found == {"mx": [listening, listening], "submission": [listening]}


def test_sockets_for_another_process_are_left_alone() -> None:
    assert in_a_process(SOCKET_ACTIVATION, "mx", "another's", PROGRAM) == {}


@pytest.mark.parametrize(("pid", "count"), [("", ""), ("me", "1"), ("own", "many")])
def test_no_sockets(monkeypatch: pytest.MonkeyPatch, pid: str, count: str) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()) if pid == "own" else pid)
    monkeypatch.setenv("LISTEN_FDS", count)
    assert lifecycle.inherited_sockets() == {}


# -------------------------------------------------------------------- rights

DROP = """
    import json, os, sys
    from pathlib import Path
    from mailserver.lifecycle import drop_rights
    user, folder = sys.argv[1], Path(sys.argv[2])
    drop_rights(user, folder)
    status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
    try:
        os.setuid(0)
        back = True
    except PermissionError:
        back = False
    umask = os.umask(0o022)
    print(json.dumps({
        "uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(), "umask": umask, "root again": back,
        "capabilities": int(status["CapEff"], 16),
    }))
"""

#: CAP_DAC_READ_SEARCH: kept when the installation is closed to the new user.
READ_ALL = 1 << 2


def owned_folder(path: Path, owner: pwd.struct_passwd) -> Path:
    path.mkdir()
    os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def a_user() -> pwd.struct_passwd:
    return pwd.getpwnam("daemon")


def expect(result: Any, user: pwd.struct_passwd) -> None:
    assert result["uid"] == [user.pw_uid] * 3
    assert result["gid"] == [user.pw_gid] * 3
    assert 0 not in result["groups"]
    assert result["umask"] == 0o077
    assert not result["root again"]
    assert result["capabilities"] in (0, READ_ALL)


@needs_root
def test_root_becomes_the_user_named(tmp_path: Path) -> None:
    expect(in_a_process(DROP, "daemon", str(tmp_path)), a_user())


@needs_root
def test_root_becomes_the_owner_of_the_data(tmp_path: Path) -> None:
    folder = owned_folder(tmp_path / "data", a_user())
    expect(in_a_process(DROP, "", str(folder)), a_user())


@needs_root
@pytest.mark.parametrize("exists", [True, False])
def test_root_becomes_somebody_unprivileged_when_nothing_is_said(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "data"
    if exists:
        folder.mkdir()
    user = lifecycle.unprivileged("", folder)
    assert user is not None
    assert user.pw_name in lifecycle.FALLBACK_USERS
    expect(in_a_process(DROP, "", str(folder)), user)


@needs_root
def test_unknown_user_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(lifecycle.CannotDrop, match="adduser --system no-such-user"):
        lifecycle.unprivileged("no-such-user", tmp_path)


@needs_root
def test_tree_is_given_to_the_new_user(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "file").write_text("x")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text("x")
    (tmp_path / "a" / "link").symlink_to(outside)
    lifecycle.own_tree(tmp_path, "daemon")
    for path in (tmp_path, *tmp_path.rglob("*")):
        assert path.lstat().st_uid == a_user().pw_uid, path
    assert outside.stat().st_uid == 0, "links are not followed"


def test_others_stay_who_they_are(tmp_path: Path) -> None:
    result = in_a_process(
        """
        import json, os, sys
        from pathlib import Path
        from mailserver import lifecycle
        if os.geteuid() == 0:
            os.setuid(65534)
        folder = Path(sys.argv[1])
        before = os.getresuid()
        lifecycle.own_tree(folder, "daemon")
        lifecycle.drop_rights("daemon", folder)
        assert lifecycle.unprivileged("daemon", folder) is None
        print(json.dumps({"before": before, "after": os.getresuid(), "umask": os.umask(0o022)}))
        """,
        str(tmp_path),
    )
    assert result["before"] == result["after"]
    assert result["umask"] == 0o077
    assert tmp_path.stat().st_uid == os.geteuid()

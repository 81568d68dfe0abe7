"""Ports: bound all or none, handed down by name."""

from __future__ import annotations

import dataclasses
import errno
import socket
from pathlib import Path

import pytest

from config.settings import Imap, Settings, Site, Smtp
from mailserver import listening


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def settings(tmp_path: Path, mx_port: int, submission_port: int) -> Settings:
    return Settings(
        site=Site(data=tmp_path),
        smtp=dataclasses.replace(
            Smtp(), listen=("127.0.0.1",), mx_port=mx_port, submission_port=submission_port, submissions_port=0
        ),
        imap=dataclasses.replace(Imap(), listen=("127.0.0.1",), port=free_port(), tls_port=0),
    )


def test_every_port_that_is_switched_on_is_bound(tmp_path: Path) -> None:
    bound = listening.bind_all(settings(tmp_path, free_port(), free_port()))
    assert [(one.role, one.port_name) for one in bound.values()] == [
        ("smtp", "mx"),
        ("smtp", "submission"),
        ("imap", "imap"),
    ]
    for one in bound.values():
        socket.create_connection(one.socket.getsockname()).close()
        one.socket.close()


def test_nothing_stays_bound_when_a_port_is_taken(tmp_path: Path) -> None:
    mx_port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(listening.CannotBind, match=f"port {port}.*in use"):
            listening.bind_all(settings(tmp_path, mx_port, port))
    socket.create_server(("127.0.0.1", mx_port)).close()


def test_a_machine_without_ipv6_listens_on_ipv4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = socket.socket

    def only_ipv4(family: int = socket.AF_INET, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return made(family, *rest)

    both = settings(tmp_path, free_port(), 0)
    both = dataclasses.replace(both, smtp=dataclasses.replace(both.smtp, listen=("127.0.0.1", "::")))
    monkeypatch.setattr(socket, "socket", only_ipv4)
    bound = listening.bind_all(both, "smtp")
    assert list(bound) == ["mx.0"]
    bound["mx.0"].socket.close()
    with pytest.raises(listening.CannotBind, match=r"::1 port .*not supported"):
        listening.bind("::1", 25)


def test_sockets_are_handed_down_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = listening.bind_all(settings(tmp_path, free_port(), 0), "smtp")
    monkeypatch.setenv(listening.VARIABLE, listening.sockets_variable(bound))
    handed = listening.handed_down()
    assert list(handed) == ["mx"]
    assert handed["mx"][0].getsockname() == bound["mx.0"].socket.getsockname()
    # One descriptor, two objects: only one may close it.
    handed["mx"][0].detach()
    for one in bound.values():
        one.socket.close()

"""Listening sockets: bound once by whoever starts the roles, then handed down by name."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from config.settings import Settings
from mailserver import lifecycle

log = structlog.get_logger()

VARIABLE = "MAILSERVER_SOCKETS"

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listening:
    """A bound socket with the role that serves it; several addresses of one port share the port's name."""

    role: str
    port_name: str
    socket: socket.socket


class CannotBind(Exception):
    """A port can't be had; the text says which, why, and what to do."""


def bind_all(settings: Settings, only: str = "") -> dict[str, Listening]:
    """Bind every port of the configuration, or those of one role. Raises CannotBind; nothing stays bound then."""
    wanted = [
        ("smtp", "mx", settings.smtp.listen, settings.smtp.mx_port),
        ("smtp", "submission", settings.smtp.listen, settings.smtp.submission_port),
        ("smtp", "submissions", settings.smtp.listen, settings.smtp.submissions_port),
        ("imap", "imap", settings.imap.listen, settings.imap.port),
        ("imap", "imaps", settings.imap.listen, settings.imap.tls_port),
        ("web", "https", settings.web.listen, settings.web.port),
    ]
    bound: dict[str, Listening] = {}
    try:
        for role, name, addresses, port in wanted:
            if port and only in ("", role):
                for index, address in enumerate(addresses):
                    if address == "::" and not has_ipv6() and len(addresses) > 1:
                        log.warning("listening.no_ipv6", port=port, reason="this machine has no IPv6")
                        continue
                    bound[f"{name}.{index}"] = Listening(role, name, bind(address, port))
    except CannotBind:
        for one in bound.values():
            one.socket.close()
        raise
    return bound


def has_ipv6() -> bool:
    """False where the kernel was started without IPv6, as in many containers."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


def bind(address: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises CannotBind."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise CannotBind(f"can't listen on {address} port {port}: {error.strerror}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # The IPv4 address has a socket of its own.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        hint = "use a port above 1023, or start as root" if isinstance(error, PermissionError) else "is it in use?"
        raise CannotBind(f"can't listen on {address} port {port}: {error.strerror}; {hint}") from error
    return listening


def sockets_variable(sockets: Mapping[str, Listening]) -> str:
    """``name=fd`` pairs for a child's environment."""
    return ",".join(f"{one.port_name}={one.socket.fileno()}" for one in sockets.values())


def handed_down() -> dict[str, list[socket.socket]]:
    """Sockets that the supervisor handed down, by port name; empty when there are none."""
    handed: dict[str, list[socket.socket]] = {}
    for pair in filter(None, os.environ.get(VARIABLE, "").split(",")):
        name, _, number = pair.partition("=")
        handed.setdefault(name, []).append(socket.socket(fileno=int(number)))
    return handed


def role_sockets(settings: Settings, role: str) -> dict[str, list[socket.socket]]:
    """Sockets of a role by port name: the supervisor's, else systemd's, else bound here. Raises CannotBind."""
    sockets = handed_down() or lifecycle.inherited_sockets()
    if not sockets:
        for one in bind_all(settings, role).values():
            sockets.setdefault(one.port_name, []).append(one.socket)
    return sockets

"""Ports: is one free, who holds it, which one instead."""

import errno
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import psutil

# A port taken is replaced from here up. Not one of the system's own choice: those lie in the range from which
# outgoing connections are served, and one could be gone when a crashed process wants it back.
FALLBACK_OFFSET = 10_000
FALLBACK_TRIES = 200


@dataclass(frozen=True)
class Holder:
    """The process that listens on a port, as far as this user may see."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


@dataclass(frozen=True)
class Choice:
    """The port that is used for what was wanted; `taken_by` says who has the wanted one."""

    wanted: int
    port: int
    taken_by: str = ""


class NoPort(RuntimeError):
    """No free port was found."""


def is_free(host: str, port: int) -> bool:
    """Whether a server could bind the port now (connections that linger in TIME_WAIT do not count)."""
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue
                return False
    return True


def holder(port: int) -> Holder | None:
    """Who listens on a port; None where nobody does or it cannot be seen (another user's process)."""
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid
            ):
                return Holder(connection.pid, psutil.Process(connection.pid).name())
    except psutil.Error:
        pass
    return None


def choose(host: str, wanted: int, reserved: Collection[int] = ()) -> Choice:
    """The wanted port if it is free and not reserved for another of our servers, else a free one."""
    if wanted not in reserved and is_free(host, wanted):
        return Choice(wanted, wanted)
    taken_by = (
        str(holder(wanted) or "another process") if wanted not in reserved else "another part of Lumina"
    )
    return Choice(wanted, spare(host, wanted, reserved), taken_by)


def spare(host: str, near: int, reserved: Collection[int] = ()) -> int:
    """A free port that stands in for `near`. Raises NoPort where none of many is free."""
    for port in _fallbacks(near):
        if port not in reserved and is_free(host, port):
            return port
    raise NoPort(
        f"Port {near} has no stand-in: {FALLBACK_TRIES} ports above {near + FALLBACK_OFFSET} are taken."
    )


def free_port(host: str = "127.0.0.1") -> int:
    """Any free port, of the system's choice."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _fallbacks(wanted: int) -> Iterator[int]:
    start = wanted + FALLBACK_OFFSET
    if start + FALLBACK_TRIES > 65_535:
        start = 20_000
    return iter(range(start, start + FALLBACK_TRIES))

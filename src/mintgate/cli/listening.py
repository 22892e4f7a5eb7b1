"""Taking a port, and what is told when it cannot be had."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from typing import NamedTuple

from mintgate.cli import common

BACKLOG = 2048
_FIRST_PASSED = 3
"""The number of the first file that systemd passes (sd_listen_fds(3))."""


class Listening(NamedTuple):
    """A listening socket.

    Args:
        stays: somebody else listens on it too, and goes on when this program ends.
    """

    socket: socket.socket
    stays: bool


def listen(host: str, port: int) -> Listening:
    """Take the port before anything else is done, so that a taken one changes nothing.

    When systemd listens and passes its socket, that one is used: it stays open while this program
    is exchanged, and connections wait for the next one instead of being refused.
    """
    passed = _passed_by_systemd()
    if passed is not None:
        return Listening(passed, stays=True)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except socket.gaierror as error:
        common.fail(f"there is no address {host!r} here: {error.strerror}; check --host")
    except PermissionError:
        common.fail(f"port {port} may not be used by this user; choose one above 1023 with --port")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            common.fail(f"port {port} is in use; choose another one with --port (or MINTGATE_PORT)")
        common.fail(f"cannot listen on {host}:{port}: {error.strerror}")
    listener.set_inheritable(True)
    return Listening(listener, stays=False)


def _passed_by_systemd() -> socket.socket | None:
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()):
        return None
    if count != "1":
        common.fail(f"systemd passes {count} sockets; one is needed: one ListenStream= in the unit")
    passed = socket.socket(fileno=_FIRST_PASSED)
    if passed.type is not socket.SOCK_STREAM or passed.family is socket.AF_UNIX:
        common.fail("the socket that systemd passes is not one of TCP; see ListenStream=")
    passed.set_inheritable(True)
    return passed


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Taking a port, and what is told when it cannot be had."""

from __future__ import annotations

import errno
import ipaddress
import socket

from mintgate.cli import common

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is done, so that a taken one changes nothing."""
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
    return listener


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

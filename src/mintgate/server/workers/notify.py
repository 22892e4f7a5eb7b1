"""Telling systemd how things stand: the protocol of sd_notify(3), which is one datagram."""

from __future__ import annotations

import contextlib
import os
import socket
import time

VARIABLE = "NOTIFY_SOCKET"
READY = "READY=1"
STOPPING = "STOPPING=1"


def notify(*assignments: str) -> None:
    """Send assignments such as `READY=1`; without systemd, or when it is away, nothing happens."""
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # in the abstract namespace, whose names begin with a zero byte
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(1.0)
        sender.sendto("\n".join(assignments).encode(), address)


def reloading() -> tuple[str, str]:
    """systemd wants to know since when: it tells an old `READY=1` from a new one by that."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"

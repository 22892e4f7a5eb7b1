"""Closing a listening socket without cutting a connection that the kernel has accepted.

The kernel completes handshakes by itself and queues connections; those that are still in that
queue when the socket closes are reset, though their clients were told that they are connected. An
empty queue does not help, as the next one may come just before the close. So the kernel is told
first to let no handshake begin any more: a filter on the socket drops the first packet of each.
Its client sends it again a second later, and then finds whoever listens then, or nobody.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import socket
import struct

_log = logging.getLogger(__name__)
SETTLE_SECONDS = 0.2
"""Handshakes that have begun come to their end within this."""
MOST = 4096
"""Connections that are taken at the end."""
_SO_ATTACH_FILTER = 26
# socket(7), Linux's filter.rst. A packet is looked at from the beginning of its TCP header, whose
# byte 13 holds the flags (RFC 9293 §3.1). Only the first packet of a connection has no ACK.
_FILTER = struct.pack(
    "HBBI" * 4,
    *(0x30, 0, 0, 13),  # load the byte of the flags
    *(0x45, 0, 1, 0x10),  # has it ACK? else skip one
    *(0x06, 0, 0, 0xFFFFFFFF),  # keep
    *(0x06, 0, 0, 0),  # drop
)
_ABOUT_ONE = {errno.ECONNABORTED, errno.EPROTO, errno.EINTR, errno.EPERM}


def begin_no_more(listener: socket.socket) -> None:
    """Let no connection begin on this socket, for all processes that have it.

    Where the system has no such filters, connections of the very last moment may be reset.
    """
    program = ctypes.create_string_buffer(_FILTER, len(_FILTER))
    described = struct.pack("HxxxxxxP", len(_FILTER) // 8, ctypes.addressof(program))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def accept_rest(listener: socket.socket) -> list[socket.socket]:
    """Take the connections that wait, and close the socket."""
    accepted: list[socket.socket] = []
    with contextlib.closing(listener):
        while len(accepted) < MOST:
            try:
                accepted.append(listener.accept()[0])
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno not in _ABOUT_ONE:
                    _log.warning("the last connections could not be taken: %s", error)
                    break
    return accepted

"""What a process gets from the parent that started it: the socket, a channel, and its part.

It stands in one environment variable, with numbers of open files. Whoever can set that can also
choose what is run.
"""

from __future__ import annotations

import enum
import os
import socket

import msgspec

VARIABLE = "MINTGATE_INHERITED"


class Part(enum.Enum):
    PREPARE = "prepare"
    """Look at everything that can be wrong, bring the database up to date, tell, and end."""
    PREPARE_AGAIN = "prepare again"
    """The same, for a reload: what is there already is not told again."""
    WORK = "work"

    @property
    def prepares(self) -> bool:
        return self is not Part.WORK


class Inherited(msgspec.Struct, frozen=True):
    """A process's part.

    Args:
        group: a random name that all workers of a parent have in common.
        workers: how many there are.
        listener: the number of the file that is the listening socket.
        listener_stays: the socket outlives the parent.
        channel: that of the parent's channel; None for who only prepares.
    """

    part: Part
    group: str
    workers: int
    listener: int
    listener_stays: bool
    channel: int | None = None

    def variable(self) -> str:
        return msgspec.json.encode(self).decode()

    def take_listener(self) -> socket.socket:
        """The listening socket; programs that this one starts do not get it."""
        os.set_inheritable(self.listener, False)
        return socket.socket(fileno=self.listener)

    def take_channel(self) -> socket.socket | None:
        if self.channel is None:
            return None
        os.set_inheritable(self.channel, False)
        taken = socket.socket(fileno=self.channel)
        taken.setblocking(False)
        return taken


def inherited() -> Inherited | None:
    """What this process was given; None when it was started by somebody else.

    The variable is taken out, so that no other program believes that it is meant.
    """
    text = os.environ.pop(VARIABLE, None)
    return None if text is None else msgspec.json.decode(text, type=Inherited)

"""Whole databases, from either engine into either: copies, backups, what a restore must end."""

from mintgate.store.portable.backup import back_up
from mintgate.store.portable.copying import Copied, Progress, copy
from mintgate.store.portable.ending import InstanceRestored
from mintgate.store.portable.problems import CopyProblem
from mintgate.store.portable.restoring import Restored, restore

__all__ = [
    "Copied",
    "CopyProblem",
    "InstanceRestored",
    "Progress",
    "Restored",
    "back_up",
    "copy",
    "restore",
]

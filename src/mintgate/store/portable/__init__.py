"""Whole databases, from either engine into either: copies, backups, what a restore must end."""

from mintgate.store.portable.backup import back_up
from mintgate.store.portable.copying import Copied, Progress, copy
from mintgate.store.portable.problems import CopyProblem

__all__ = ["Copied", "CopyProblem", "Progress", "back_up", "copy"]

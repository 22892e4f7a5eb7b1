"""Starting and resting: seconds to the first token, megabytes of an idle process."""

from bench.starting.comparison import memory, start

__all__ = ["memory", "start"]

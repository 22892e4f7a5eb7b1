"""Plans: which statement would look at a whole table when one of them has ten million rows."""

from bench.plans.comparison import run
from bench.plans.sizes import Sizes

__all__ = ["Sizes", "run"]

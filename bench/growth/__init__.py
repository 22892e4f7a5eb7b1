"""Growth: what a million reference tokens and ten million revoked tokens cost a server."""

from bench.growth.comparison import run
from bench.growth.sizes import Sizes

__all__ = ["Sizes", "run"]

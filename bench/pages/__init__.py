"""Pages: how long a person waits for each, in an instance of ten thousand users."""

from bench.pages.comparison import run
from bench.pages.sizes import Sizes

__all__ = ["Sizes", "run"]

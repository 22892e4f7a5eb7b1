"""At the edge: servers in front of an API, with a check of the token and without."""

from bench.edge.comparison import edge

__all__ = ["edge"]

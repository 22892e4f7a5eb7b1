"""The file of `mintgate gate`: read against its shape, with every problem told by its line."""

from mintgate.server.gate_file.read import read
from mintgate.server.gate_file.tell import described

__all__ = ["described", "read"]

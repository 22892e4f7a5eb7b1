"""The node types of a parsed `$filter`; the parser is untyped, so they are `Any` here."""

from __future__ import annotations

from typing import Any

from odata_query import ast as _nodes

ast: Any = _nodes

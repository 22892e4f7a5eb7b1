"""What a log is told of a failure behind the gate."""

from __future__ import annotations

import aiohttp

MAX_TOLD = 400


def told(error: Exception) -> str:
    """The kind of an error and what it says, without the request's URL and its query."""
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return f"{type(error).__name__}: {text}"[:MAX_TOLD]

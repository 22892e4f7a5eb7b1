"""Requests that rate limits count, added up in Valkey or Redis [API-17].

The same sums as `rate_counters` keeps in rows, for machines that count so much that the database
would notice. They live for minutes and are worth no more than that: nothing else is kept there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from mintgate.store.rate_counters import KEPT_MINUTES, Addition

ANSWER_SECONDS = 1.0
"""For a whole exchange. It happens in the background; no request waits for it."""
_CONNECT_SECONDS = 0.5
_KEPT_SECONDS = (KEPT_MINUTES + 1) * 60
_SCHEMES = {"valkey": "valkey", "redis": "valkey", "valkeys": "valkeys", "rediss": "valkeys"}
"""The client knows its own names only; the protocol is the same."""


class CountersUnavailable(Exception):
    """The sums cannot be had now; it is unknown whether the last ones were added."""


class ValkeyCounters:
    """A Valkey or Redis server, or what fails over between several of them.

    Args:
        url: `valkey://[[user]:password@]host[:port][/number]`, `valkeys://` with TLS;
            `redis://` and `rediss://` mean the same.

    Raises:
        ValueError: the URL is not understood.
        ModuleNotFoundError: the extra `valkey` is not installed.
    """

    def __init__(self, url: str) -> None:
        from valkey.asyncio import Valkey
        from valkey.exceptions import ValkeyError

        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(
                "must be valkey://HOST or redis://HOST; valkeys:// and rediss:// use TLS"
            )
        self.place = f"{parts.hostname}:{parts.port or 6379}"
        """Where it is, for logs: without user and password."""
        self._errors: tuple[type[Exception], ...] = (ValkeyError, OSError, TimeoutError)
        self._client: Any = Valkey.from_url(
            parts._replace(scheme=_SCHEMES[parts.scheme]).geturl(),
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            max_connections=4,
        )

    async def add(self, space: str, additions: Sequence[Addition]) -> dict[tuple[str, int], int]:
        """Add requests up, all or none (MULTI and EXEC).

        Args:
            space: whose they are: an instance, or a group of gates.

        Returns:
            The sums of all processes, of these buckets in these minutes and in those just before.

        Raises:
            CountersUnavailable: the server is away, full, read-only, or refuses the password.
        """
        if not additions:
            return {}
        wanted = [(one.bucket, one.minute) for one in additions]
        earlier = sorted({(bucket, minute - 1) for bucket, minute in wanted} - set(wanted))
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._client.pipeline() as pipeline:
                for one in additions:
                    key = _key(space, one.bucket, one.minute)
                    pipeline.incrby(key, one.requests)
                    pipeline.expire(key, _KEPT_SECONDS)
                for bucket, minute in earlier:
                    pipeline.get(_key(space, bucket, minute))
                answers = await pipeline.execute()
        except self._errors as error:
            raise CountersUnavailable(f"{type(error).__name__}: {error}") from error
        sums = dict(zip(wanted, answers[: 2 * len(wanted) : 2], strict=True))
        found = zip(earlier, answers[2 * len(wanted) :], strict=True)
        return sums | {name: int(value) for name, value in found if value is not None}

    async def close(self) -> None:
        await self._client.aclose()


def _key(space: str, bucket: str, minute: int) -> str:
    # The braces keep all of an instance in one slot where keys are spread over machines.
    return f"mintgate:{{{space}}}:requests:{bucket}:{minute}"

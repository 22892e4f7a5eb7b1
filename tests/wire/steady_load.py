"""Clients that ask without a pause, and count what goes wrong; for servers that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_FORM = b"grant_type=client_credentials&client_id=demo.app%2Fservice&client_secret=demo-secret"


def post(path: str, host: str, body: bytes = _FORM) -> bytes:
    """A request for a token of the demo's service, unless another body is given."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def get(path: str, host: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


@dataclass
class SteadyLoad:
    """Asks on connections that are kept, and on a new one each time.

    Args:
        kept, fresh: how many clients of each kind.
        pause: seconds between two requests of a client.
    """

    port: int
    requests: list[bytes]
    kept: int = 6
    fresh: int = 3
    pause: float = 0.005
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    farewells: int = 0
    """Answers with `Connection: close` on connections that were to be kept."""
    refused: int = 0
    """Connections that nobody took; each client stops at its first."""
    _is_over: bool = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[SteadyLoad]:
        clients = [self._ask(is_kept=True) for _ in range(self.kept)]
        clients += [self._ask(is_kept=False) for _ in range(self.fresh)]
        tasks = [asyncio.create_task(client) for client in clients]
        try:
            yield self
        finally:
            self._is_over = True
            await asyncio.wait_for(asyncio.gather(*tasks), 60)

    @property
    def answered(self) -> int:
        return self.statuses.total()

    async def _ask(self, *, is_kept: bool) -> None:
        while not self._is_over:
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
            except ConnectionRefusedError:
                self.refused += 1
                return
            except OSError as error:
                self.failures.append(f"connecting: {error!r}")
                return
            try:
                await self._on_one(reader, writer, is_kept=is_kept)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(f"kept={is_kept}: {error!r}")
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _on_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_kept: bool
    ) -> None:
        while not self._is_over:
            for request in self.requests:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                status = int(head[9:12])
                length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
                body = await reader.readexactly(int(length))
                self.statuses[status] += 1
                if status >= 500 or status == 429:
                    self.failures.append(f"{status} {body[:200]!r}")
                if b"connection: close" in head:
                    self.farewells += is_kept
                    return
                if not is_kept:
                    return
                await asyncio.sleep(self.pause)

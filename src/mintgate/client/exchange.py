"""One HTTP exchange with the issuer: bounded, without redirects, without secrets in errors."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from mintgate.client.errors import TokenEndpointUnavailable
from mintgate.contract.clock import Clock

_MOST_BYTES = 262_144
_LONGEST_WAIT = 3600.0


class Exchange:
    """Sends requests to the issuer; a connection of its own each time, since it is once an hour.

    Args:
        clock: for a `Retry-After` that is a date.
        timeout: seconds for each of connecting, sending and waiting for bytes.
        verify: trust anchors and client certificate, None for the system's usual ones.
    """

    def __init__(self, *, clock: Clock, timeout: float, verify: ssl.SSLContext | None) -> None:
        if timeout <= 0:
            raise ValueError("timeout must be more than 0 seconds")
        self._clock = clock
        self._timeout = timeout
        self._verify = verify

    def send(
        self,
        method: str,
        url: httpx.URL,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """The status (below 500, never 429) and the body.

        Raises:
            TokenEndpointUnavailable: network failure, 5xx, 429, or a body beyond 256 KiB.
        """
        where = f"{url.scheme}://{url.netloc.decode()}{url.path}"
        try:
            with (
                httpx.Client(
                    verify=self._verify or True,
                    timeout=self._timeout,
                    follow_redirects=False,
                    # Plain http is for loopback only, and never through a proxy of the environment.
                    mounts={"http://": None},
                ) as client,
                client.stream(
                    method,
                    url,
                    data=form,
                    headers={
                        "Accept": "application/json",
                        "Accept-Encoding": "identity",
                        **(headers or {}),
                    },
                ) as response,
            ):
                if response.status_code == 429 or response.status_code >= 500:
                    problem = f"{where} answered {response.status_code}"
                    wait = self._retry_after(response)
                else:
                    body = _bounded(response)
                    if body is not None:
                        return response.status_code, body
                    problem, wait = f"{where} answered with more than {_MOST_BYTES} bytes", None
        except (httpx.HTTPError, OSError) as error:
            # Texts of other errors may quote bytes of the exchange.
            detail = f": {error}" if isinstance(error, httpx.ConnectError) else ""
            problem, wait = f"{where}: {type(error).__name__}{detail}", None
        # Outside of `except`, so that the request (with its headers) is not kept as context.
        raise TokenEndpointUnavailable(problem, wait)

    def _retry_after(self, response: httpx.Response) -> float | None:
        text = response.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), _LONGEST_WAIT)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(max(moment.timestamp() - self._clock(), 0.0), _LONGEST_WAIT)


def _bounded(response: httpx.Response) -> bytes | None:
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > _MOST_BYTES:
            return None
    return bytes(body)

"""Where requests go: the upstream of a caller, and the connections to it."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from mintgate.contract.policy import SAFE_METHODS
from mintgate.contract.request_target import normal_path
from mintgate.gate.proxy.connections import Connections
from mintgate.gate.settings import RouteSettings
from mintgate.verify import Principal

KEPT_SECONDS = 4.0
"""An idle connection is dropped before servers do: many close theirs after five seconds, and a
request that meets that moment cannot be sent again when it changes something (RFC 9112 §9.3.1)."""
MAX_CONNECTIONS = 512
"""To one upstream."""
MAX_HEADER_BYTES = 32 * 1024
MAX_HEADERS = 200
AROUND: list[aiohttp.ClientMiddlewareType] = []
"""What every request goes through besides; traces are put here when they are on."""
_DOMAIN = re.compile(r"[A-Za-z0-9.:\[\]_-]+")


class Upstream:
    """A server behind the gate.

    Args:
        url: http or https with a host; a path in it comes before the request's.

    Raises:
        ValueError: with what is wrong with the URL.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not _DOMAIN.fullmatch(parts.netloc):
            raise ValueError("must be an http or https URL such as http://127.0.0.1:9000")
        if parts.query or parts.fragment or "?" in url or "#" in url:
            raise ValueError("must have no query and no fragment")
        self.url = url.rstrip("/")
        self._base_path = parts.path.rstrip("/")
        if self._base_path and normal_path(self._base_path.encode()) != self._base_path:
            raise ValueError("must have a path without escapes")
        self.host = parts.netloc
        self._scheme = parts.scheme
        self._hostname = parts.hostname or ""
        self._port = parts.port

    def target(self, raw_path: bytes, query: bytes, *, websocket: bool = False) -> URL:
        """The URL of a request: byte for byte what was judged, after the base path."""
        scheme = self._scheme.replace("http", "ws") if websocket else self._scheme
        return URL.build(
            scheme=scheme,
            host=self._hostname,
            port=self._port,
            path=self._base_path + raw_path.decode("ascii"),
            query_string=query.decode("ascii"),
            encoded=True,
        )


class Upstreams:
    """Those of one route.

    Args:
        everybodys: the one for every caller; None when it goes by tenant.
        by_tenant: by issuer and database.
    """

    def __init__(
        self, everybodys: Upstream | None, by_tenant: Mapping[tuple[str, str], Upstream]
    ) -> None:
        self._everybodys = everybodys
        self._by_tenant = dict(by_tenant)

    @property
    def served(self) -> frozenset[tuple[str, str]] | None:
        """The issuers and databases that have one; None when it is everybody."""
        return None if self._everybodys is not None else frozenset(self._by_tenant)

    def of(self, principal: Principal | None) -> Upstream:
        """The caller's upstream, from the verified token alone.

        A preflight has no token, so that it goes to the first one: all are the same API.

        Raises:
            KeyError: there is none; the guard has refused such a caller before.
        """
        if self._everybodys is not None:
            return self._everybodys
        if principal is None:
            return next(iter(self._by_tenant.values()))
        return self._by_tenant[principal.issuer, principal.database]


def upstreams_of(route: RouteSettings) -> Upstreams:
    """Raises ValueError for a URL that is none."""
    everybodys = None
    by_tenant = {}
    for settings in route.upstreams:
        upstream = Upstream(settings.url)
        if settings.issuer is None or settings.database is None:
            everybodys = upstream
        else:
            by_tenant[settings.issuer, settings.database] = upstream
    return Upstreams(everybodys, by_tenant)


class UpstreamClient:
    """The connections to upstreams; one for the whole gate.

    Nothing of one caller is left for the next one: no cookies are kept, no redirects followed
    (they are the client's to follow), nothing is unpacked, and no proxy or `.netrc` of the
    environment is asked.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._websockets: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = Connections(
                limit=0,
                limit_per_host=MAX_CONNECTIONS,
                keepalive_timeout=KEPT_SECONDS,
                ttl_dns_cache=10,
                family=socket.AF_UNSPEC,
            )
            self._session = _session(connector=connector)
        return self._session

    @property
    def websockets(self) -> aiohttp.ClientSession:
        """The same connections, for handshakes."""
        if self._websockets is None:
            self._websockets = _session(
                connector=self.session.connector,
                connector_owner=False,
                middlewares=(*AROUND, _without_redirects),
            )
        return self._websockets

    async def close(self) -> None:
        for session in (self._websockets, self._session):
            if session is not None:
                await session.close()
        self._websockets = self._session = None


def _session(**options: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        requote_redirect_url=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        max_line_size=8190,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        **options,
    )


class _Broken(aiohttp.ClientError):
    """A connection that broke before an answer came."""


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keeps aiohttp from sending again what the server behind may have carried out already."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken(f"{type(error).__name__}: {error}") from error


def middlewares_for(method: str) -> tuple[aiohttp.ClientMiddlewareType, ...]:
    """What a request with this method goes through; nothing that changes something goes twice."""
    return tuple(AROUND) if method in SAFE_METHODS else (*AROUND, _once)


async def _without_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Ends a handshake that is answered with a redirect; `ws_connect` itself would follow it."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info, response.history, status=response.status
        )
    return response

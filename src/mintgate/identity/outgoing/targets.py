"""Where this server may post to: a registered URL must not reach what only this server can.

A name is resolved here, each of its addresses is judged, and the connection goes to an address
that was judged: asking a second time could give another answer (DNS rebinding). No redirect is
followed, no proxy of the environment is used, and no body is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpcore

from mintgate.contract.redirects import is_https, problem_of
from mintgate.identity.outgoing.failed import DeliveryFailed

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
CONNECT_SECONDS = 5.0
"""In all for the addresses of a name that have another after them."""
TOTAL_SECONDS = 10.0
"""[EVT-9] For everything, from the name to the answer: no part of it has a limit of its own."""
_NAT64 = IPv6Network("64:ff9b::/96")
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_USED_IPV6 = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))
"""Global unicast and unique local: no other block of IPv6 has anything to tell."""
# Names that nobody answers for must not take the threads that others wait for.
_resolvers = ThreadPoolExecutor(4, "mintgate-resolve")


def address_problem(
    address: Address, *, loopback_allowed: bool, private_allowed: bool
) -> str | None:
    """Why nothing is posted to `address`, or None when it may be.

    Link-local addresses, where clouds keep the machine's credentials, and multicast are never
    allowed. IPv4 inside IPv6 counts as the IPv4 address that it leads to.
    """
    inner = _inside(address)
    if inner is not None:
        return address_problem(
            inner, loopback_allowed=loopback_allowed, private_allowed=private_allowed
        )
    if address.is_multicast or address.is_link_local or address in _THIS_NETWORK:
        return f"{address} is never allowed"
    if address.is_loopback:
        return None if loopback_allowed or private_allowed else f"{address} is a loopback address"
    if address.is_reserved or (address.version == 6 and not _is_in(address, _USED_IPV6)):
        return f"{address} is never allowed"
    if not address.is_global and not private_allowed:
        return f"{address} is a private address"
    return None


class Targets:
    """Posts to addresses that are allowed.

    Args:
        loopback_allowed: the instance itself is for development on this machine.
        private_allowed: what is sent may stay in the own network.
        https_only: not even loopback addresses are called by http.
        resolve: from host and port to addresses; the system's resolver by default.
    """

    def __init__(
        self,
        *,
        loopback_allowed: bool,
        private_allowed: bool,
        https_only: bool = False,
        resolve: Resolve | None = None,
    ) -> None:
        self._loopback_allowed = loopback_allowed
        self._private_allowed = private_allowed
        self._https_only = https_only
        self._resolve = resolve or _resolve

    async def post(self, url: str, content_type: str, body: bytes) -> None:
        """Deliver a body.

        Raises:
            DeliveryFailed: it is not allowed, not reachable, or not answered with success.
        """
        problem = problem_of(url, public=False)
        if problem is None and self._https_only and not is_https(url):
            problem = "must use https"
        if problem:
            raise DeliveryFailed(f"the URL {problem}")
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                status = await self._send(url, content_type, body)
        except TimeoutError:
            raise DeliveryFailed(f"no answer within {TOTAL_SECONDS:g} seconds") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}"[:300]) from error
        if not 200 <= status < 300:
            raise DeliveryFailed(f"answered {status}")

    async def _send(self, url: str, content_type: str, body: bytes) -> int:
        backend = _CheckedBackend(self._allowed_addresses, must_be_loopback=not is_https(url))
        pool = httpcore.AsyncConnectionPool(ssl_context=_tls(), network_backend=backend)
        async with (
            pool,
            pool.stream(
                "POST",
                url,
                headers={"Content-Type": content_type, "User-Agent": "mintgate"},
                content=body,
            ) as response,
        ):
            return response.status

    async def _allowed_addresses(
        self, host: str, port: int, *, must_be_loopback: bool
    ) -> list[Address]:
        try:
            addresses = [ip_address(text) for text in await self._resolve(host, port)]
        except (OSError, ValueError):
            raise DeliveryFailed(f"the name {host} has no address") from None
        allowed, problems = [], []
        for address in addresses:
            problem = address_problem(
                address,
                loopback_allowed=self._loopback_allowed,
                private_allowed=self._private_allowed,
            )
            if must_be_loopback and not problem and not address.is_loopback:
                problem = f"{address} is no loopback address, and http is for these only"
            if problem:
                problems.append(problem)
            else:
                allowed.append(address)
        if not allowed:
            raise DeliveryFailed("; ".join(problems)[:300] or f"the name {host} has no address")
        return allowed


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to allowed addresses only; TLS still checks the name of the URL."""

    def __init__(
        self, allowed: Callable[..., Awaitable[list[Address]]], *, must_be_loopback: bool
    ) -> None:
        self._allowed = allowed
        self._must_be_loopback = must_be_loopback
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._allowed(host, port, must_be_loopback=self._must_be_loopback)
        share = CONNECT_SECONDS / len(addresses)  # a dead one leaves time for the next
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(str(address), port, share)
        return await self._inner.connect_tcp(str(addresses[-1]), port, timeout)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise DeliveryFailed("only TCP addresses are called")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def _is_in(address: Address, networks: Iterable[IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _inside(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(
        _resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def _tls() -> ssl.SSLContext:
    # Takes many milliseconds to read; it honours SSL_CERT_FILE and SSL_CERT_DIR.
    import httpx

    return httpx.create_ssl_context()

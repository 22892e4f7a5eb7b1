"""An `httpx.Auth` that sends an access token where it belongs, and only there (RFC 6750 §2.1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import httpx

from mintgate.client.addresses import Origin, origin_of
from mintgate.client.challenge import says_invalid_token
from mintgate.client.renewal import TokenSource


class BearerAuth(httpx.Auth):
    """What `ClientCredentialsAuth` and `RefreshTokenAuth` have in common; the type to annotate.

    One object serves any number of `httpx.Client` and `httpx.AsyncClient` (asyncio), of threads
    and of event loops, also at the same time. A request to an origin that is not allowed goes out
    as it is, without token.

    A 401 that says `invalid_token` is answered by one renewal and one retry. It is returned as it
    is when the body was a stream (generator, file, multipart), when a redirect came before it, or
    when fresh tokens were refused as well a moment ago. In the first two cases the next request
    renews.
    """

    def __init__(self, tokens: TokenSource, origins: frozenset[Origin]) -> None:
        self._tokens = tokens
        self._origins = origins

    def __repr__(self) -> str:
        hosts = ", ".join(
            sorted(f"{scheme}://{host}:{port}" for scheme, host, port in self._origins)
        )
        return f"<{type(self).__name__} for {hosts}>"

    def access_token(self) -> str:
        """The access token to send now, for what is not httpx (WebSocket, gRPC).

        Raises:
            TokenRefused: the token endpoint answered with an OAuth error (RFC 6749 §5.2).
            TokenEndpointUnavailable: it could not be asked.
            IssuerMismatch: discovery led to another issuer.
            RotationNotStored: `on_rotate` raised.
        """
        return self._tokens.token()

    async def access_token_async(self) -> str:
        """The same as `access_token`, for asyncio."""
        return await self._tokens.token_async()

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Called by `httpx.Client`; raises as `access_token`, before the request is sent."""
        if origin_of(request.url) not in self._origins:
            yield request
            return
        token = self._tokens.token()
        response = yield _with_token(request, token)
        if self._is_worth_a_retry(request, response, token):
            response = yield _with_token(request, self._tokens.token())
            self._after_retry(response)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Called by `httpx.AsyncClient`; raises as `access_token`, before the request is sent."""
        if origin_of(request.url) not in self._origins:
            yield request
            return
        token = await self._tokens.token_async()
        response = yield _with_token(request, token)
        if self._is_worth_a_retry(request, response, token):
            response = yield _with_token(request, await self._tokens.token_async())
            self._after_retry(response)

    def _is_worth_a_retry(
        self, request: httpx.Request, response: httpx.Response, token: str
    ) -> bool:
        if not says_invalid_token(response) or not _carried(response, token):
            return False
        is_renewable = self._tokens.discard(token)
        # After a redirect, the first hop may have done its work already: no second time.
        is_replayable = isinstance(request.stream, httpx.ByteStream) and response.request is request
        return is_renewable and is_replayable

    def _after_retry(self, response: httpx.Response) -> None:
        if not says_invalid_token(response):
            self._tokens.welcome()


def _with_token(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _carried(response: httpx.Response, token: str) -> bool:
    # httpx takes the header away when a redirect leaves the origin; that 401 is not about us.
    sent: str | None = response.request.headers.get("Authorization")
    return sent == f"Bearer {token}"

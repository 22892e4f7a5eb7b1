"""The two ways to call an API unattended: as an application, or on behalf of a signed-in user."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable

from mintgate.client.addresses import origins_of
from mintgate.client.bearer import BearerAuth
from mintgate.client.endpoint import TokenEndpoint
from mintgate.client.exchange import Exchange
from mintgate.client.grants import ClientCredentialsGrant, RefreshTokenGrant
from mintgate.client.renewal import TokenSource
from mintgate.contract.clock import Clock, system_clock


class ClientCredentialsAuth(BearerAuth):
    """Calls an API as the application itself (RFC 6749 §4.4).

    Args:
        api: base URL of the API; requests to its origin (scheme, host, port; any path) get the
            token. `https`, or `http` on `localhost`, `127.0.0.1` and `[::1]`.
        client_id: of the trusted application.
        client_secret: sent with HTTP Basic (RFC 6749 §2.3.1).
        issuer: discover the token endpoint from it, once; the document's `issuer` must be equal
            byte for byte (OpenID Connect Discovery §4.3).
        token_endpoint: or give the address. Exactly one of the two.
        scope: space-delimited; None leaves the choice to the server [SCP-6].
        origins: further origins that get the token.
        margin: seconds before expiry at which renewal starts, at most a quarter of the lifetime.
            In its first half requests go on with the current token meanwhile, in its second half
            they wait, and go on with the current token if renewal fails.
        timeout: seconds for each network step of a token request.
        verify: TLS trust anchors and client certificate for the issuer; None for the usual ones.
        clock: Unix time in seconds.

    Raises:
        ValueError: an argument is empty, missing or an unsafe address.
    """

    def __init__(
        self,
        *,
        api: str,
        client_id: str,
        client_secret: str,
        issuer: str | None = None,
        token_endpoint: str | None = None,
        scope: str | None = None,
        origins: Iterable[str] = (),
        margin: float = 60.0,
        timeout: float = 10.0,
        verify: ssl.SSLContext | None = None,
        clock: Clock = system_clock,
    ) -> None:
        if not client_secret:  # [TKN-39] only a Confidential application may
            raise ValueError("client_secret must not be empty")
        endpoint = TokenEndpoint(
            client_id=client_id,
            client_secret=client_secret,
            issuer=issuer,
            token_endpoint=token_endpoint,
            exchange=Exchange(clock=clock, timeout=timeout, verify=verify),
            clock=clock,
        )
        tokens = TokenSource(endpoint, ClientCredentialsGrant(scope), margin=margin, clock=clock)
        super().__init__(tokens, origins_of(api, origins))


class RefreshTokenAuth(BearerAuth):
    """Calls an API for a user who signed in with `offline_access` (RFC 6749 §6).

    Every renewal rotates: the refresh token given here is dead after the first one, and using a
    dead one ends the whole family [LIF-12, LIF-14]. So keep one object (in one process) for each
    refresh token, and store what `on_rotate` brings.

    Args:
        api: as for `ClientCredentialsAuth`, like all arguments not listed here.
        client_secret: None for a Public application, which sends its `client_id` only [TKN-5].
        refresh_token: the newest one.
        scope: a part of what was granted; None for all of it.
        on_rotate: called with each new refresh token, in a worker thread and before the access
            token that came with it is used. When it raises, waiting requests get
            `RotationNotStored`, and it is called again at the next request.

    Raises:
        ValueError: an argument is empty, missing or an unsafe address.
        TypeError: `on_rotate` is a coroutine function.
    """

    def __init__(
        self,
        *,
        api: str,
        client_id: str,
        refresh_token: str,
        client_secret: str | None = None,
        on_rotate: Callable[[str], None] | None = None,
        issuer: str | None = None,
        token_endpoint: str | None = None,
        scope: str | None = None,
        origins: Iterable[str] = (),
        margin: float = 60.0,
        timeout: float = 10.0,
        verify: ssl.SSLContext | None = None,
        clock: Clock = system_clock,
    ) -> None:
        endpoint = TokenEndpoint(
            client_id=client_id,
            client_secret=client_secret,
            issuer=issuer,
            token_endpoint=token_endpoint,
            exchange=Exchange(clock=clock, timeout=timeout, verify=verify),
            clock=clock,
        )
        grant = RefreshTokenGrant(refresh_token, scope, on_rotate)
        tokens = TokenSource(endpoint, grant, margin=margin, clock=clock)
        super().__init__(tokens, origins_of(api, origins))

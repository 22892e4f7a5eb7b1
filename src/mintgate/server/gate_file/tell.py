"""What a gate does, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator

from mintgate.gate.settings import GateSettings, RouteSettings


def described(settings: GateSettings) -> Iterator[str]:
    """Whose tokens are taken, and what is routed where; no secret is in it."""
    for tenant in settings.tenants:
        apis = ", ".join(tenant.secrets)
        yield f"tokens of {tenant.issuer} for database {tenant.database!r}: {apis}"
    for route in sorted(settings.routes, key=lambda route: route.prefix):
        yield f"{route.prefix or '/'} is {route.api}{_manner(route)}"
        for upstream in route.upstreams:
            whose = (
                ""
                if upstream.issuer is None
                else (f" (callers of {upstream.issuer}, {upstream.database!r})")
            )
            yield f"    -> {upstream.url}{whose}"


def _manner(route: RouteSettings) -> str:
    manner = []
    if route.identity == "headers":
        manner.append("the caller as X-Mintgate-* headers")
    elif route.identity == "token":
        manner.append("the caller as a token in X-Mintgate-Token")
    if route.identity != "none" and route.pass_credential:
        manner.append("with the credential")
    elif route.identity == "none" and not route.pass_credential:
        manner.append("without the credential")
    if route.strip_prefix:
        manner.append("without the prefix")
    if route.websocket:
        manner.append("also WebSocket")
    if route.allowed_origins:
        manner.append(f"refusals readable from {' '.join(route.allowed_origins)}")
    return f" ({', '.join(manner)})" if manner else ""

"""What the bytes of a request say to a guard: where it goes, what it does, with which credential.

Nothing here knows the time, or anything that changes: the same request is read alike every time.
"""

from __future__ import annotations

import msgspec

from mintgate.contract.policy import Operation
from mintgate.contract.request_target import normal_path, require_plain
from mintgate.verify.api_request import ApiRequest
from mintgate.verify.principal import Principal
from mintgate.verify.request_headers import (
    Headers,
    asks_for_cross_origin,
    credential_of,
    that_are_judged,
    upgrades,
)


class Reading(msgspec.Struct):
    """A request that was read, for one guard. It may be kept.

    Nothing in it says that the request may pass: that depends on the time, and on what has
    happened since.

    Args:
        method: whose scopes it needs, see `judged_method`.
        path: normalised and decoded.
        address: the client's.
        credential: the token; None for a preflight, which has none [API-25].
        operation: by the policy; None until it was looked for, after the check of the token.
        allowed: the caller to whom that operation was found to be allowed last. Neither of the two
            ever changes: when the caller may more or less, there is another `Principal`.
    """

    method: str
    path: str
    address: str
    credential: str | None
    operation: Operation | None = None
    allowed: Principal | None = None

    def __repr__(self) -> str:
        return f"Reading({self.method!r}, {self.path!r})"  # without the credential


def read(request: ApiRequest) -> Reading:
    """What a request asks for, and with which credential.

    Raises:
        AmbiguousRequest, NoCredential, SeveralCredentials, InvalidToken: it cannot be told.
    """
    judged = that_are_judged(request.headers)
    path = normal_path(request.raw_path)
    require_plain(judged, request.query)
    method = request.method
    if method == "OPTIONS" and asks_for_cross_origin(judged):
        return Reading(method, path, request.address, None)
    credential = credential_of(judged)
    return Reading(judged_method(method, judged), path, request.address, credential)


def read_elsewhere(reading: Reading, raw_path: bytes, query: bytes) -> Reading:
    """The same as `read` of a request that differs in its path and query only.

    Raises:
        AmbiguousRequest: it cannot be told what it asks for.
    """
    path = normal_path(raw_path)
    require_plain((), query)
    return Reading(reading.method, path, reading.address, reading.credential)


def read_without_token(request: ApiRequest) -> Reading:
    """One that `read` has refused for having no token only."""
    method = judged_method(request.method, request.headers)
    return Reading(method, normal_path(request.raw_path), request.address, "")


def judged_method(method: str, headers: Headers) -> str:
    """The method whose scopes a request needs: a WebSocket can carry anything."""
    return "POST" if method == "GET" and upgrades(headers) else method

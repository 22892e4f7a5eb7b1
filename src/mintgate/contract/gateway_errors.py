"""What a gateway refuses by itself, beside the refusals of an API's own checks.

Each tells the caller which side cannot go on, and nothing of the network behind the gate.
"""

from __future__ import annotations

from mintgate.contract.errors import ResourceRefusal


class GatewayRefusal(ResourceRefusal):
    """A request that did not get through, though nothing is wrong with its credential."""

    error = "bad_gateway"
    status = 502
    sentence = "The request did not get through."

    def challenge(self, realm: str) -> None:
        return None


class NoRoute(GatewayRefusal):
    """No prefix of the gate's routes matches the path."""

    error = "not_found"
    status = 404
    sentence = "Nothing is served at this path."


class UpstreamUnreachable(GatewayRefusal):
    """No connection, or one that broke before an answer (RFC 9110 §15.6.3)."""

    sentence = "The server behind the gate cannot be reached. Try again in a moment."


class UpstreamMisbehaved(GatewayRefusal):
    """An answer that is no HTTP, or that could be read in two ways."""

    sentence = "The server behind the gate gave an answer that cannot be passed on."


class UpstreamTimedOut(GatewayRefusal):
    """RFC 9110 §15.6.5."""

    error = "gateway_timeout"
    status = 504
    sentence = "The server behind the gate did not answer in time."


class ClientTimedOut(GatewayRefusal):
    """The rest of the request did not come (RFC 9110 §15.5.9)."""

    error = "request_timeout"
    status = 408
    sentence = "The request did not arrive in time."

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [CLOSE]


class BodyTooLarge(GatewayRefusal):
    """RFC 9110 §15.5.14."""

    error = "content_too_large"
    status = 413
    sentence = "The request's body is larger than this API takes."

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [CLOSE]


class ExpectationFailed(GatewayRefusal):
    """An `Expect` other than `100-continue` (RFC 9110 §10.1.1)."""

    error = "expectation_failed"
    status = 417
    sentence = "The only expectation that can be met is 100-continue."


class LoopDetected(GatewayRefusal):
    """A request that comes back to the gate which forwarded it (RFC 9110 §7.6.3)."""

    error = "loop_detected"
    status = 508
    sentence = "The request came back to the gate. A route's upstream is the gate itself."


class MalformedRequest(GatewayRefusal):
    """Bytes that are no HTTP/1.1 request, or that two servers could cut up in two ways.

    Args:
        status: 400 unless another says it better, such as 431 or 505.
    """

    error = "invalid_request"
    status = 400
    sentence = "The request is not well-formed HTTP/1.1."

    def __init__(
        self, description: str | None = None, *, status: int = 400, cause: str | None = None
    ) -> None:
        super().__init__(description, cause=cause)
        self.status = status

    def headers(self) -> list[tuple[bytes, bytes]]:
        # Whatever else the connection holds may have been meant as part of this request.
        return [CLOSE]


CLOSE = (b"connection", b"close")

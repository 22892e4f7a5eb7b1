"""How each server in front tells of a request that it asks about, and how it takes the answer.

The dialect is written in the URL that the operator configures: nothing is guessed from headers,
since any of them may be the client's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec

from mintgate.contract.errors import AmbiguousRequest, UnknownGate
from mintgate.verify import ApiRequest

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]

SECRET = b"x-mintgate-gate-secret"
METHOD = b"x-mintgate-gate-method"
URI = b"x-mintgate-gate-uri"
ADDRESS = b"x-mintgate-gate-address"
UPGRADE = b"x-mintgate-gate-upgrade"
CONNECTION = b"x-mintgate-gate-connection"
STATUS = b"x-mintgate-status"
BODY = b"x-mintgate-body"
CHALLENGE = b"x-mintgate-challenge"
_ANYWHERE = frozenset({SECRET, UPGRADE, CONNECTION})
# No handshake is without them (RFC 6455 §4.1), and hop-by-hop headers do not hide them.
_WEBSOCKET = frozenset({b"sec-websocket-key", b"sec-websocket-version"})
_ANOTHER_PROTOCOL = frozenset({b"upgrade", b"http2-settings"})
_CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"api-key"})
_MAX_TOLD = 64
_ALLOWED: Headers = [(b"cache-control", b"no-store")]
_ALLOWED_WITH_LENGTH: Headers = [*_ALLOWED, (b"content-length", b"0")]


class Refusing(Enum):
    """What a server does with an answer that is not 2xx."""

    WHOLE = "hands it to the client"
    ONLY_401_AND_403 = "takes these two and drops the body"
    NOT_5XX = "hands it to the client unless it is 5xx, which it takes for a failure"


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of server.

    Args:
        method: the header that tells the method; None: that of the call is the client's.
        uri: the header that tells path and query as they will be forwarded; None: they follow
            the address of the endpoint.
        address: the header that tells the client's address.
        allowed: the status of a permission.
        joins: whether it makes one header of several of a name (RFC 9110 §5.3).
        handed_over: the headers by which the server speaks to the gate; made of the others.
    """

    method: bytes | None = METHOD
    uri: bytes | None = URI
    address: bytes = ADDRESS
    allowed: int = 204
    refusing: Refusing = Refusing.WHOLE
    joins: bool = False
    handed_over: frozenset[bytes] = frozenset()

    @property
    def allowed_headers(self) -> Headers:
        """Those of every permission."""
        return _ALLOWED if self.allowed == 204 else _ALLOWED_WITH_LENGTH

    def __post_init__(self) -> None:
        told = {self.method, self.uri, self.address} - {None}
        names = _ANYWHERE | {name for name in told if name is not None}
        msgspec.structs.force_setattr(self, "handed_over", names)


_FORWARDED = Dialect(
    method=b"x-forwarded-method", uri=b"x-forwarded-uri", address=b"x-forwarded-for"
)
DIALECTS: Mapping[bytes, Dialect] = {
    b"nginx": Dialect(refusing=Refusing.ONLY_401_AND_403),
    b"traefik": _FORWARDED,
    b"caddy": _FORWARDED,
    # Envoy takes 200 alone for a permission.
    b"envoy": Dialect(
        method=None,
        uri=None,
        address=b"x-forwarded-for",
        allowed=200,
        refusing=Refusing.NOT_5XX,
        joins=True,
    ),
    b"haproxy": Dialect(),
    b"apache": Dialect(joins=True),
}


class HandedOver(msgspec.Struct):
    """The headers of a call, told apart.

    Args:
        told: what the server in front says.
        repeated: what it says twice: then one of the two may be the client's.
        of_client: everything else, as the client sent it.
    """

    told: dict[bytes, bytes]
    repeated: list[bytes]
    of_client: Headers


def taken_apart(dialect: Dialect, headers: Sequence[tuple[bytes, bytes]]) -> HandedOver:
    """Which headers of a call are the server's own.

    Args:
        headers: with lower-case names, as ASGI gives them.
    """
    names = dialect.handed_over
    told_pairs = [pair for pair in headers if pair[0] in names]
    told = dict(told_pairs)
    repeated: list[bytes] = []
    if len(told) < len(told_pairs):
        all_names = [name for name, _ in told_pairs]
        repeated = [name for name in told if all_names.count(name) > 1]
    of_client = [pair for pair in headers if pair[0] not in names]
    if not _WEBSOCKET.isdisjoint([name for name, _ in of_client]):
        of_client.append((b"upgrade", b"websocket"))
    if dialect.joins:
        # As no token has a comma, there were two.
        of_client += [p for p in of_client if p[0] in _CREDENTIALS and b"," in p[1]]
    if upgrade := told.get(UPGRADE):
        of_client.append((b"upgrade", upgrade))
    if connection := told.get(CONNECTION):
        of_client.append((b"connection", connection))
    return HandedOver(told, repeated, of_client)


def original(
    dialect: Dialect, call: HandedOver, method: str, rest: bytes, query: bytes
) -> ApiRequest:
    """The request that a call asks about.

    Args:
        method: of the call itself.
        rest: what follows the address of the endpoint, undecoded.
        query: of the call itself, without the question mark.

    Raises:
        AmbiguousRequest: a header of the server came twice, or the connection would become one of
            another protocol than WebSocket.
        UnknownGate: it does not tell the method, the path or the address. Were one of them
            optional, then a client could tell it where the server in front does not.
    """
    if call.repeated:
        # A server that adds to a client's header instead of overwriting it.
        raise AmbiguousRequest(
            "Headers by which a server asks the gate are not taken from clients.",
            cause=f"the header {call.repeated[0].decode('latin-1')} came twice",
        )
    if dialect.method is not None:
        method = call.told.get(dialect.method, b"").decode("latin-1")
    if dialect.uri is None:
        raw_path = rest
    else:
        if rest:
            raise UnknownGate(cause="the endpoint was called with a path behind it")
        # A query of the call says nothing: Caddy adds that of the client to the address.
        raw_path, _, query = call.told.get(dialect.uri, b"").partition(b"?")
    # The last one is what the server in front has seen itself.
    address = call.told.get(dialect.address, b"").rpartition(b",")[2].strip()
    if not method or not raw_path or not address:
        raise UnknownGate(cause="the server in front does not tell method, path and address")
    _require_no_other_protocol(method, call.of_client)
    return ApiRequest(
        method, raw_path, query, call.of_client, address[:_MAX_TOLD].decode("latin-1")
    )


def _require_no_other_protocol(method: str, headers: Headers) -> None:
    """Refuse what a server in front may hand on although nothing on the connection is judged then.

    Above all HTTP/2 (`h2c`), by which all of the API could be called, also out of a preflight.
    """
    for name, value in headers:
        if name in _ANOTHER_PROTOCOL and (
            name != b"upgrade" or method != "GET" or value.strip().lower() != b"websocket"
        ):
            raise AmbiguousRequest(
                "The connection can become a WebSocket only, by GET.",
                cause=f"the header {name.decode('latin-1')}",
            )


def handed_back(dialect: Dialect, answer: Answer) -> Answer:
    """A refusal in the form in which the server in front can hand it to the client.

    Args:
        answer: status, headers and body as the client is to get them.
    """
    status, headers, body = answer
    if dialect.refusing is Refusing.WHOLE:
        return answer
    if dialect.refusing is Refusing.NOT_5XX:
        return answer if status < 500 else (403, [*headers, (STATUS, str(status).encode())], body)
    kept = [*headers, (STATUS, str(status).encode()), (BODY, body)]
    if status != 401:
        # nginx copies the challenge of a 401 by itself, and that of no other.
        kept = [(CHALLENGE if n == b"www-authenticate" else n, value) for n, value in kept]
    return (401 if status == 401 else 403), kept, body

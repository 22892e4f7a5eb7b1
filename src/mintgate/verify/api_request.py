"""A request to an API as a guard sees it: as it came, and as it was admitted."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mintgate.contract.policy import Operation
from mintgate.verify.principal import Principal
from mintgate.verify.sessions import OpenSession


class ApiRequest(msgspec.Struct, frozen=True):
    """A request as it came, before anything has read it in its own way.

    Args:
        raw_path: undecoded, without the query; from the server's root.
        query: without the question mark.
        headers: in order, names in lower case.
        address: the client's, empty when unknown.
    """

    method: str
    raw_path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    address: str = ""


class Admission(msgspec.Struct, kw_only=True):
    """A request that may go on.

    Args:
        principal: who sends it; None for a preflight, which nobody in particular sends [API-25].
        operation: what it needs. When it is a batch its parts are still to be judged, and the
            session to be opened by `Guard.occupy` when one of them is allowed [API-32].
        path: normalised and decoded.
        session: None where no sessions are kept.
        headers: for the answer.
        credential: the token, which a session source elsewhere has to show to the issuer.
    """

    principal: Principal | None
    operation: Operation
    path: str
    address: str
    session: OpenSession | None = None
    headers: list[tuple[bytes, bytes]] = []
    credential: str = ""

    def __repr__(self) -> str:
        return f"Admission({self.path!r})"  # without the credential, which must not be logged

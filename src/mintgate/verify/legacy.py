"""What a guard asks of the legacy schemes, HTTP Basic and ErpSession (specification §12).

Only a server has them. A guard without them takes such a credential for none [API-2].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl

import msgspec

from mintgate.contract.errors import BadPassword
from mintgate.contract.legacy import LegacyScheme
from mintgate.verify.principal import Principal

if TYPE_CHECKING:
    from mintgate.verify.api_request import ApiRequest

_SCHEMES = {"basic": LegacyScheme.BASIC, "erpsession": LegacyScheme.ERP_SESSION}


class LegacyCredential(msgspec.Struct, frozen=True):
    """The value of an `Authorization` header of a legacy scheme, without the scheme."""

    scheme: LegacyScheme
    value: str

    def __repr__(self) -> str:
        return f"LegacyCredential({self.scheme})"


class LegacySchemes(Protocol):
    """The legacy schemes of one API. They wait for the store, so only asynchronous guards ask."""

    async def offered(self) -> tuple[str, ...]:
        """The schemes that a refusal for want of a credential names besides Bearer [LEG-8]."""
        ...

    async def principal(self, credential: LegacyCredential, request: ApiRequest) -> Principal:
        """The caller behind a legacy credential; `Principal.legacy` tells which scheme it was.

        Raises:
            ResourceRefusal: the caller is not let in.
            StateUnavailable: that cannot be told now.
        """
        ...


def legacy_credential_of(headers: Iterable[tuple[bytes, bytes]]) -> LegacyCredential | None:
    """The legacy credential of a request with at most one `Authorization` header."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").strip().partition(" ")
            known = _SCHEMES.get(scheme.lower())  # RFC 9110 §11.1: in any case
            return LegacyCredential(known, rest.strip()) if known is not None else None
    return None


def named_application(query: bytes) -> str | None:
    """The application that a caller of HTTP Basic names in the query, as `app` [LEG-4].

    Raises:
        BadPassword: it names several.
    """
    if b"app" not in query:
        return None
    named = {
        value
        for name, value in parse_qsl(query.decode("latin-1"), encoding="utf-8")
        if name == "app"
    }
    if len(named) > 1:
        raise BadPassword(cause="application: the parameter app names several")
    return named.pop() if named else None

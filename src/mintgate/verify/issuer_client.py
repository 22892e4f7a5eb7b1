"""Asking the issuer as an API that proves itself by its secret.

Introspection, the state feed, session leases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import msgspec

from mintgate.contract.feed import STATE_FEED_MEMBER, FeedGap, FeedPage
from mintgate.contract.session_leases import SESSION_LEASE_MEMBER, LeaseAnswer, LeaseRequest
from mintgate.jose.encoding import decode_object
from mintgate.verify.keys import MAX_DOCUMENT_BYTES, fetch, require_safe
from mintgate.verify.own_client import OwnClient
from mintgate.verify.state import StateUnavailable

if TYPE_CHECKING:
    import httpx

_page = msgspec.json.Decoder(FeedPage)
_lease_answer = msgspec.json.Decoder(LeaseAnswer)
_NOT_READABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises; a string that is not UTF-8 is no error of msgspec's own."""


class IssuerClient:
    """Sends an API's questions to its issuer; endpoints come from the metadata [TOP-2].

    Args:
        issuer: the exact `iss`; plain http only on loopback [TOP-8].
        api: the audience name of the API, such as `DomainAPI`.
        secret: its introspection secret [ITR-1].
        http: a client to use; by default one with a timeout of 5 s.

    Raises:
        ValueError: the issuer is neither https nor on loopback.
    """

    def __init__(
        self, issuer: str, api: str, secret: str, *, http: httpx.Client | None = None
    ) -> None:
        import httpx

        require_safe(issuer)
        self.issuer = issuer
        self._http = OwnClient(http)
        # RFC 6749 §2.3.1: both halves are form-url-encoded before they go into HTTP Basic.
        self._auth = httpx.BasicAuth(quote_plus(api), quote_plus(secret))
        self._endpoints: dict[str, str] = {}

    def introspect(self, token: str) -> dict[str, Any] | None:
        """The claims of a live token as its JWT would carry them; None when it is not active.

        Raises:
            StateUnavailable: the issuer does not answer, or refuses the secret.
        """
        url = self._endpoint("introspection_endpoint")
        body = self._ask("POST", url, data={"token": token})
        answer = _object(body)
        if answer.get("active") is not True:
            return None
        scope = answer.get("scope", "")
        if not isinstance(scope, str):
            raise StateUnavailable(f"{self.issuer} gave an introspection answer without a scope")
        claims = {k: v for k, v in answer.items() if k not in {"active", "token_type"}}
        return claims | {"scope": scope.split()}

    def feed_page(self, after: int | None, at: float | None = None) -> FeedPage:
        """What the state feed has after a position; None begins anew.

        Args:
            at: the time that came with the position.

        Raises:
            FeedGap: not everything after it is kept.
            StateUnavailable: the issuer does not answer, or refuses the secret.
        """
        url = self._endpoint(STATE_FEED_MEMBER)
        position = {} if after is None else {"after": str(after)}
        known = {} if at is None else {"at": repr(at)}
        body = self._ask("GET", url, params=position | known)
        try:
            return _page.decode(body)
        except _NOT_READABLE as error:
            raise StateUnavailable(f"{self.issuer} gave no page of a state feed") from error

    def session_lease(self, request: LeaseRequest) -> LeaseAnswer:
        """What the issuer says to a question about ERP sessions.

        Raises:
            StateUnavailable: it does not answer, refuses the secret, or has no such endpoint.
        """
        body = self._ask(
            "POST",
            self._endpoint(SESSION_LEASE_MEMBER),
            content=msgspec.json.encode(request),
            headers={"Content-Type": "application/json"},
        )
        try:
            answer: LeaseAnswer = _lease_answer.decode(body)
        except _NOT_READABLE as error:
            raise StateUnavailable(f"{self.issuer} gave no answer about a session") from error
        return answer

    def _endpoint(self, member: str) -> str:
        import httpx

        known = self._endpoints.get(member)
        if known is not None:
            return known
        try:
            body = fetch(self._http.get(), f"{self.issuer}/.well-known/openid-configuration")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise StateUnavailable(f"cannot read the metadata of {self.issuer}: {error}") from error
        metadata = _object(body)
        url = metadata.get(member)
        if metadata.get("issuer") != self.issuer or not isinstance(url, str):
            raise StateUnavailable(f"the metadata of {self.issuer} names no {member}")
        try:
            require_safe(url)
        except ValueError as error:
            raise StateUnavailable(str(error)) from error
        self._endpoints[member] = url
        return url

    def _ask(self, method: str, url: str, **content: Any) -> bytes:
        import httpx

        try:
            try:
                return self._asked_once(method, url, content)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                # The issuer has closed an idle connection in the very moment of its use.
                return self._asked_once(method, url, content)
        except httpx.HTTPError as error:
            raise StateUnavailable(f"{self.issuer} does not answer: {error}") from error

    def _asked_once(self, method: str, url: str, content: dict[str, Any]) -> bytes:
        with self._http.get().stream(
            method, url, auth=self._auth, follow_redirects=False, **content
        ) as response:
            if response.status_code == 410:
                raise FeedGap
            if response.status_code == 401:
                raise StateUnavailable(
                    f"{self.issuer} refuses this API's secret; compare it with [[apis]] there"
                )
            response.raise_for_status()
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise StateUnavailable(f"the answer of {self.issuer} is too large")
            return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return decode_object(body)
    except (ValueError, RecursionError) as error:
        raise StateUnavailable("the issuer's answer is not a JSON object") from error

"""Which application sends this token request, and has it proved so (RFC 6749 §2.3, §3.2.1)."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from hmac import compare_digest
from urllib.parse import unquote_plus

import msgspec

from mintgate.contract.applications import ClientType, TrustedApplication
from mintgate.contract.errors import InvalidClient, InvalidRequest, UnauthorizedClient
from mintgate.contract.identifiers import secret_hash
from mintgate.identity.directory import Directory

CLIENT_CREDENTIALS = "client_credentials"
_NOBODYS_HASH = secret_hash("the hash that a secret is compared with when there is none")


class PresentedClient(msgspec.Struct, frozen=True):
    """What a request says of its sender. `raw` is the Basic pair as it was sent [TKN-6]."""

    client_id: str
    secret: str | None
    basic: bool = False
    raw: tuple[str, str] | None = None


def presented_client(form: Mapping[str, str], authorization: str | None) -> PresentedClient:
    """Find client id and secret in the form or in HTTP Basic.

    Raises:
        InvalidRequest: none, both ways at once, or a malformed header [TKN-2, TKN-32].
    """
    if authorization is None:
        client_id = form.get("client_id")
        if client_id is None:
            raise InvalidRequest("The parameter client_id is missing.")
        return PresentedClient(client_id, form.get("client_secret"))
    if "client_secret" in form:
        raise InvalidRequest("Send the secret in the header or in the form, not in both.")
    client = _from_basic(authorization)
    if form.get("client_id", client.client_id) not in (client.client_id, (client.raw or ("",))[0]):
        raise InvalidRequest("The client_id in the form differs from that in the header.")
    return client


async def authenticate(
    presented: PresentedClient, grant_type: str, directory: Directory
) -> TrustedApplication:
    """The application, once its secret is proved.

    Args:
        grant_type: decides the answer to a missing secret [TKN-36, TKN-37].

    Raises:
        InvalidClient, InvalidRequest, UnauthorizedClient: see TKN-33 to TKN-38.
    """
    pair = (presented.client_id, presented.secret)
    try:
        return await _authenticate_pair(*pair, presented, grant_type, directory)
    except InvalidClient:
        if presented.raw is None:
            raise
    return await _authenticate_pair(*presented.raw, presented, grant_type, directory)


async def _authenticate_pair(
    client_id: str,
    secret: str | None,
    presented: PresentedClient,
    grant_type: str,
    directory: Directory,
) -> TrustedApplication:
    application = await directory.application(client_id)
    basic = presented.basic
    if application is None or not application.is_enabled:
        _matches(secret or "", None, None)  # the same work as for a known client
        cause = "unknown" if application is None else "disabled"
        raise InvalidClient(cause=f"the application {client_id[:254]!r} is {cause}", basic=basic)
    if application.client_type is ClientType.NONE:
        raise UnauthorizedClient(cause="ClientType is None")  # [TKN-38]
    if application.is_public:
        if secret:
            raise InvalidClient(cause="a Public client sent a secret", basic=basic)  # [TKN-35]
        return application
    if not secret:
        if grant_type == CLIENT_CREDENTIALS:
            raise InvalidRequest("The parameter client_secret is missing.")  # [TKN-36]
        raise InvalidClient(cause="no secret was sent", basic=basic)  # [TKN-37]
    if not _matches(secret, *application.live_secret_hashes(directory.now())):
        raise InvalidClient(cause=_cause(application, secret), basic=basic)
    return application


def is_still_proved(application: TrustedApplication, given_hash: str, now: float) -> bool:
    """Whether a secret that was proved before proves the same now.

    Args:
        given_hash: of the secret.
        now: Unix seconds.
    """
    return (
        application.is_enabled
        and application.client_type is ClientType.CONFIDENTIAL
        and _hash_matches(given_hash, *application.live_secret_hashes(now))
    )


def _matches(secret: str, first: str | None, second: str | None) -> bool:
    return _hash_matches(secret_hash(secret), first, second)


def _hash_matches(given: str, first: str | None, second: str | None) -> bool:
    """Whether it is the hash of a live secret; both are compared, always [EXT-10]."""
    is_first = compare_digest(given, first or _NOBODYS_HASH) and first is not None
    is_second = compare_digest(given, second or _NOBODYS_HASH) and second is not None
    return is_first or is_second


def _cause(application: TrustedApplication, secret: str) -> str:
    """For the audit log: an ended secret that is still in use somewhere is worth knowing of."""
    first, second = application.application_secret_hash, application.second_secret_hash
    if first is None and second is None:
        return "the application has no secret"
    return "the secret has ended" if _matches(secret, first, second) else "wrong secret"


def _from_basic(authorization: str) -> PresentedClient:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidRequest("Authenticate the client with HTTP Basic, or in the form.")
    try:
        client_id, colon, secret = (
            b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        )
    except (Base64Error, ValueError):
        raise InvalidRequest("The Authorization header is malformed.") from None
    if not colon or "\0" in client_id:
        raise InvalidRequest("The Authorization header is malformed.")
    # RFC 6749 §2.3.1 form-url-encodes both halves; Authlib and curl -u send them raw [TKN-6].
    raw = (client_id, secret)
    try:
        decoded = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except UnicodeDecodeError:
        decoded = raw  # it cannot have been encoded
    if "\0" in decoded[0]:
        raise InvalidRequest("The Authorization header is malformed.")
    is_ambiguous = any(mark in half for half in raw for mark in "%+")
    return PresentedClient(
        decoded[0], decoded[1] or None, basic=True, raw=raw if is_ambiguous else None
    )

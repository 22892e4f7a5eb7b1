"""Token requests of the command line (RFC 6749 §4.1.3, §4.4.2)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx

from mintgate.contract.redirects import LOOPBACK_HOSTS
from mintgate.jose.encoding import decode_object


class TokenRequestFailed(Exception):
    """The message says what to do."""


def metadata_of(issuer: str) -> dict[str, Any]:
    """The issuer's metadata, which must be its own (OpenID Connect Discovery §4.3).

    Raises:
        TokenRequestFailed: it cannot be had, or names another issuer.
    """
    parts = urlsplit(issuer)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
        raise TokenRequestFailed(f"the issuer {issuer} must be an https URL")
    url = f"{issuer}/.well-known/openid-configuration"
    try:
        answer = httpx.get(url, timeout=10)
        answer.raise_for_status()
        metadata = decode_object(answer.content)
    except httpx.ConnectError:
        raise TokenRequestFailed(
            f"nothing answers at {issuer}; is it running? Start one with: mintgate serve --demo"
        ) from None
    except (httpx.HTTPError, ValueError) as error:
        raise TokenRequestFailed(f"cannot read {url}: {error}") from None
    if metadata.get("issuer") != issuer:
        raise TokenRequestFailed(
            f"the server calls itself {metadata.get('issuer')}; use that URL as --issuer"
        )
    return metadata


def client_credentials(
    issuer: str, client_id: str, secret: str, scope: str | None
) -> dict[str, Any]:
    """A token of the application itself. Raises TokenRequestFailed."""
    form = {"grant_type": "client_credentials"}
    if scope is not None:
        form["scope"] = scope
    # RFC 6749 §2.3.1: both halves are form-url-encoded.
    auth = httpx.BasicAuth(quote_plus(client_id), quote_plus(secret))
    return request_token(metadata_of(issuer), form, auth)


def request_token(
    metadata: dict[str, Any], form: dict[str, str], auth: httpx.BasicAuth | None = None
) -> dict[str, Any]:
    """Send a token request. Raises TokenRequestFailed with the server's words."""
    try:
        answer = httpx.post(metadata["token_endpoint"], data=form, auth=auth, timeout=30)
        document = decode_object(answer.content)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise TokenRequestFailed(f"the token endpoint does not answer: {error}") from None
    if answer.status_code != 200 or not isinstance(document.get("access_token"), str):
        code, text = document.get("error"), document.get("error_description", "")
        raise TokenRequestFailed(f"refused with {code} ({answer.status_code}). {text}")
    return document

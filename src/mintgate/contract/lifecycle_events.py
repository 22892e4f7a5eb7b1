"""What an application is told of its install and its uninstall [EVT-1..6]."""

from __future__ import annotations

import datetime
import enum
from base64 import b64encode

import msgspec

from mintgate.contract.automation.credentials import Hidden
from mintgate.contract.install import InstallRequest
from mintgate.contract.stringified import Value, stringified

ENVELOPE_SCHEMA = "erpnet.appLifecycleEvent.v2"
PAYLOAD_SCHEMA = "erpnet.appLifecycleEvent.v1"
MARKETPLACE_PATH = "/.well-known/marketplace.json"
"""[EVT-7] Below the base URL of whoever signs."""
MARKETPLACE_KEY_PATH = "/.well-known/marketplace-key.pem"


class LifecycleKind(enum.StrEnum):
    INSTALLED = "installed"
    UNINSTALLED = "uninstalled"


class Credentials(Hidden, msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an install gives to the application [EVT-4]; None where it did not ask for it."""

    client_secret: str | None = None
    reference_token: str | None = None

    @property
    def is_empty(self) -> bool:
        return self.client_secret is None and self.reference_token is None


class LifecycleEvent(Hidden, msgspec.Struct, frozen=True, kw_only=True):
    """One event, before it is signed.

    Args:
        event_id: a GUID, the same at every attempt [EVT-9].
        occurred_at: Unix seconds.
        instance_base_url: of the instance, without trailing slash.
        user: the login of whoever did it.
        request: what was asked for; None of an uninstall [EVT-5].
    """

    event_id: str
    kind: LifecycleKind
    occurred_at: float
    instance_base_url: str
    user: str
    credentials: Credentials = Credentials()
    request: InstallRequest | None = None

    def payload(self) -> bytes:
        """The bytes that are signed and sent [EVT-3, EVT-6]."""
        members: dict[str, Value] = {
            "schema": PAYLOAD_SCHEMA,
            "eventId": self.event_id,
            "event": self.kind.value,
            "occurredAt": occurred_text(self.occurred_at),
            "instanceBaseUrl": self.instance_base_url,
            "user": self.user,
        }
        if self.credentials.client_secret is not None:
            members["clientSecret"] = self.credentials.client_secret
        if self.credentials.reference_token is not None:
            members["referenceToken"] = self.credentials.reference_token
        if self.request is not None:
            members["request"] = _request_members(self.request)
        return stringified(members)


def envelope_of(payload: bytes, signature: bytes) -> bytes:
    """The body of the POST [EVT-1, EVT-2]; the payload stands in it byte by byte as signed."""
    head = {"schema": ENVELOPE_SCHEMA, "signature": b64encode(signature).decode()}
    return stringified(head)[:-1] + b',"payload":' + payload + b"}"


def occurred_text(at: float) -> str:
    """Unix seconds as `2026-11-29T19:48:05.25Z`: UTC, no more digits than there are [EVT-3]."""
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _request_members(request: InstallRequest) -> dict[str, Value]:
    """[EVT-5] In the order of the fields; names of enums begin with a small letter."""
    return {
        "name": request.name,
        "uri": request.uri,
        "clientType": _camel(request.client_type.value),
        "redirectUri": request.redirect_uri,
        "impersonate": request.impersonate.value,
        "requestSecret": request.request_secret,
        "serviceAccess": request.service_access.value,
        "referenceTokens": _camel(request.reference_tokens.value),
        "scope": request.scope,
    }


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]

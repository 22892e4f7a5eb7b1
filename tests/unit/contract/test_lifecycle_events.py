"""What an event says, and in which bytes [EVT-2..6]."""

from __future__ import annotations

import pytest

from mintgate.contract.applications import ClientType, ReferenceTokenPolicy
from mintgate.contract.install import Impersonate, InstallRequest, ServiceAccess
from mintgate.contract.lifecycle_events import (
    Credentials,
    LifecycleEvent,
    LifecycleKind,
    envelope_of,
    occurred_text,
)

REQUEST = InstallRequest(
    name="Ж & \u2028",
    uri="shop.example/x",
    client_type=ClientType.CONFIDENTIAL,
    redirect_uri="https://shop.example/cb?a=1",
    impersonate=Impersonate.ALL,
    request_secret=True,
    service_access=ServiceAccess.CLIENT_CREDENTIALS,
    reference_tokens=ReferenceTokenPolicy.AUTHENTICATED_USERS,
    scope="read update",
)
EVENT = LifecycleEvent(
    event_id="0d5c2b54-6a0e-4f0b-9a55-3d1f6f1b7a10",
    kind=LifecycleKind.INSTALLED,
    occurred_at=1_790_000_000.25,
    instance_base_url="https://orion.my.example",
    user="ada",
    credentials=Credentials(client_secret="s3cret", reference_token="enrt_X"),
    request=REQUEST,
)


def test_the_bytes_of_an_install() -> None:
    assert EVENT.payload().decode() == (
        '{"schema":"erpnet.appLifecycleEvent.v1"'
        ',"eventId":"0d5c2b54-6a0e-4f0b-9a55-3d1f6f1b7a10","event":"installed"'
        ',"occurredAt":"2026-09-21T14:13:20.25Z","instanceBaseUrl":"https://orion.my.example"'
        ',"user":"ada","clientSecret":"s3cret","referenceToken":"enrt_X"'
        ',"request":{"name":"Ж & \u2028","uri":"shop.example/x","clientType":"confidential"'
        ',"redirectUri":"https://shop.example/cb?a=1","impersonate":"all","requestSecret":true'
        ',"serviceAccess":"clientCredentials","referenceTokens":"authenticatedUsers"'
        ',"scope":"read update"}}'
    )


def test_the_envelope_holds_the_payload_as_it_was_signed() -> None:
    assert envelope_of(b'{"a":"\xd0\x96"}', b"\x00\xff\xfe") == (
        b'{"schema":"erpnet.appLifecycleEvent.v2","signature":"AP/+","payload":{"a":"\xd0\x96"}}'
    )


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (1_790_000_000.0, "2026-09-21T14:13:20Z"),
        (1_790_000_000.5, "2026-09-21T14:13:20.5Z"),
        (1_790_000_000.000001, "2026-09-21T14:13:20.000001Z"),
        (0.0, "1970-01-01T00:00:00Z"),
    ],
)
def test_times(at: float, text: str) -> None:
    """[EVT-3] UTC, at most seven digits"""
    assert occurred_text(at) == text


def test_secrets_are_in_no_repr() -> None:
    """[EVT-10]"""
    assert "s3cret" not in repr(EVENT) + repr(EVENT.credentials)

"""Writing events into the outbox, within the transaction of what they tell.

An instance tells applications once its operator gave it a key to sign with [INS-30]; until then
every install is a direct one and nobody is told anything [INS-29].
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.identifiers import new_guid, secret_matches
from mintgate.contract.install import InstallRequest
from mintgate.contract.lifecycle_events import Credentials, LifecycleEvent, LifecycleKind
from mintgate.contract.redirects import is_https
from mintgate.store import (
    Transaction,
    applications,
    lifecycle_events,
    marketplace_keys,
    reference_tokens,
)
from mintgate.store.key_encryption import KeyEncryptionKey
from mintgate.store.lifecycle_events import GIVE_UP_SECONDS, KEPT_SECONDS, StoredEvent
from mintgate.store.sealing import lifecycle_event_name

NOBODY = "system"
"""`user` of an event that no user of the instance caused."""


def is_on(connection: Connection, instance_id: str) -> bool:
    """Whether this instance tells applications anything."""
    return marketplace_keys.find(connection, instance_id) is not None


def may_tell(connection: Connection, instance_id: str, redirect_uri: str | None) -> bool:
    """Whether an application with this `redirectUri` can be told [EVT-10].

    Where its name leads to is asked when it is called, and not before.
    """
    return redirect_uri is not None and is_https(redirect_uri) and is_on(connection, instance_id)


def tell_installed(
    tx: Transaction,
    instance_id: str,
    key_encryption_key: KeyEncryptionKey,
    application: TrustedApplication,
    request: InstallRequest,
    credentials: Credentials,
    *,
    token_id: str | None,
    login: str,
) -> str:
    """Have an application told of its install; returns the `eventId`.

    Args:
        token_id: of the reference token among the credentials.
        login: of whoever installs it.
    """
    if request.redirect_uri is None:
        raise ValueError("an application without redirectUri cannot be told")
    event_id, sealed = new_guid(), None
    if not credentials.is_empty:
        text = msgspec.json.encode(credentials)
        sealed = key_encryption_key.seal(text, lifecycle_event_name(instance_id, event_id))
    event = StoredEvent(
        id=event_id,
        application_id=application.id,
        application_uri=application.application_uri,
        kind=LifecycleKind.INSTALLED,
        redirect_uri=request.redirect_uri,
        request=request,
        created_by=login[:64],
        created_at=tx.now,
        gives_up_at=tx.now + GIVE_UP_SECONDS,
        token_id=token_id,
        sealed_credentials=sealed,
    )
    lifecycle_events.add(tx, instance_id, event)
    return event_id


def address_to_tell(connection: Connection, instance_id: str, application_id: str) -> str | None:
    """Where the removal of an application is told: the address that its install had.

    None for one that was never told of an install.
    """
    if not is_on(connection, instance_id):
        return None
    events = lifecycle_events.of_application(connection, instance_id, application_id)
    installs = (one for one in events if one.kind is LifecycleKind.INSTALLED)
    newest = next(installs, None)
    return newest.redirect_uri if newest is not None else None


def remove_application(
    tx: Transaction, instance_id: str, application: TrustedApplication, login: str | None
) -> None:
    """Remove an application, and have it told if it was told of its install.

    Args:
        login: of the user who removes it; None for an operator or a file.
    """
    redirect_uri = address_to_tell(tx.connection, instance_id, application.id)
    applications.remove(tx, instance_id, application.id)
    if redirect_uri is None:
        return
    event = StoredEvent(
        id=new_guid(),
        application_id=application.id,
        application_uri=application.application_uri,
        kind=LifecycleKind.UNINSTALLED,
        redirect_uri=redirect_uri,
        created_by=(login or NOBODY)[:64],
        created_at=tx.now,
        gives_up_at=tx.now + GIVE_UP_SECONDS,
        expires_at=tx.now + KEPT_SECONDS,
    )
    lifecycle_events.add(tx, instance_id, event)


def opened(
    stored: StoredEvent, instance_id: str, base_url: str, key_encryption_key: KeyEncryptionKey
) -> LifecycleEvent:
    """The event as it is signed. Raises KeyEncryptionProblem."""
    credentials = Credentials()
    if stored.sealed_credentials is not None:
        name = lifecycle_event_name(instance_id, stored.id)
        text = key_encryption_key.open(stored.sealed_credentials, name)
        credentials = msgspec.json.decode(text, type=Credentials)
    return LifecycleEvent(
        event_id=stored.id,
        kind=stored.kind,
        occurred_at=stored.created_at,
        instance_base_url=base_url,
        user=stored.created_by,
        credentials=credentials,
        request=stored.request,
    )


def is_outdated(
    connection: Connection, instance_id: str, stored: StoredEvent, told: Credentials, now: float
) -> bool:
    """Whether something that the event gives has ended: it would take the place of what is good.

    Args:
        told: its credentials.
        now: Unix seconds.
    """
    if stored.token_id is not None:
        token = reference_tokens.by_id(connection, instance_id, stored.token_id)
        if token is None or not token.is_live(now):
            return True
    if told.client_secret is None:
        return False
    application = applications.by_id(connection, instance_id, stored.application_id)
    hashes = application.live_secret_hashes(now) if application is not None else ()
    return not any(one is not None and secret_matches(told.client_secret, one) for one in hashes)

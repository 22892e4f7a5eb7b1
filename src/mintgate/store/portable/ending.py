"""What a restore ends, so that the dead do not come back to life.

A backup does not know what was revoked, used or declared compromised after it was made. So every
credential in it ends which its owner can get anew: JWTs, refresh tokens, codes, sign-ins, ERP
sessions, recovery codes, and the signing keys themselves. Reference tokens go on, for programs
hold them: they are listed, and an administrator looks at each.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mintgate.contract.feed import ChangedInstance
from mintgate.contract.instance import Instance
from mintgate.store import (
    applications,
    codes,
    erp_session_ends,
    feed,
    idempotency,
    instances,
    keys,
    lifecycle_events,
    mailed_links,
    mails,
    marketplace_keys,
    recovery_codes,
    reference_tokens,
    refresh,
    revocations,
    sessions,
    sign_in_proofs,
    totp_offers,
    users,
)
from mintgate.store.audit import AuditEvent
from mintgate.store.key_encryption import KeyEncryptionKey
from mintgate.store.reference_tokens import ReferenceToken
from mintgate.store.transaction import Transaction

BECAUSE = "restored"


class LiveReference(msgspec.Struct, frozen=True, kw_only=True):
    """A reference token that can be used after the restore; times in Unix seconds.

    Args:
        owner: the login of the user as whom it acts; None when there is none any more.
    """

    id: str
    kind: str
    owner: str | None
    application: str | None
    description: str | None
    created_by: str
    created_at: float
    last_used_at: float | None
    expires_at: float


class InstanceRestored(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one instance.

    Args:
        ended: how many sign-ins, refresh tokens, codes, ERP sessions, keys and reference tokens.
        key: the `kid` of the key that signs from now on.
        reference_tokens: those that are to be looked at.
    """

    name: str
    base_url: str
    ended: Mapping[str, int]
    key: str
    reference_tokens: list[LiveReference]


def end_all(
    tx: Transaction,
    instance: Instance,
    kek: KeyEncryptionKey,
    *,
    revoke_reference_tokens: bool,
    actor: str,
    backup_at: float,
) -> InstanceRestored:
    """End what may have ended since the backup, and have every verifier read anew.

    Args:
        actor: who restores, for the audit log.
        backup_at: the moment that the backup holds, Unix seconds.
    """
    here = instance.id
    instances.lock(tx, here)
    feed.begin_anew(tx.connection, here, tx.now)
    ended = {
        "sign_ins": sessions.end_all(tx, here),
        "codes": codes.end_all(tx, here),
        "refresh_tokens": refresh.revoke_all(tx, here, BECAUSE),
        "erp_sessions": erp_session_ends.close_all(tx, here, actor),
        "recovery_codes": recovery_codes.end_all(tx, here),  # some were used since
        "keys": 0,
        "reference_tokens": 0,
    }
    idempotency.forget_all(tx, here)
    sign_in_proofs.end_all(tx, here)
    totp_offers.end_all(tx, here)
    mailed_links.end_all(tx, here)
    mails.forget_all(tx, here)
    lifecycle_events.give_up_all(tx, here, BECAUSE)
    if marketplace_keys.remove(tx, here):  # it may have been replaced since, as it was stolen
        off = AuditEvent(
            instance_id=here, at=tx.now, event="marketplace.disabled", actor=actor, cause=BECAUSE
        )
        tx.record(off)
    if revoke_reference_tokens:
        ended["reference_tokens"] = reference_tokens.revoke_all(tx, here, actor)
    # One of them may have been declared compromised since. No good JWT needs them any more.
    old = [times.kid for times in keys.times(tx.connection, here) if times.ended_at is None]
    for kid in old:
        keys.end(tx, here, kid)
    ended["keys"] = len(old)
    key = keys.create(tx, here, kek, instance.signing_algorithm.value)
    tx.changed(here, here, ChangedInstance())
    revocations.add_before_all(tx, here)  # last: see `revocations.add_before`
    left = reference_tokens.live(tx.connection, here, tx.now)
    _record(tx, here, actor, {**ended, "backup_at": backup_at, "left": len(left)}, key.kid)
    return InstanceRestored(
        name=instance.name,
        base_url=instance.base_url,
        ended=ended,
        key=key.kid,
        reference_tokens=[_live(tx, here, token) for token in left],
    )


def _live(tx: Transaction, instance_id: str, token: ReferenceToken) -> LiveReference:
    application = applications.by_id(tx.connection, instance_id, token.application_id)
    acting = token.user_id or (application.system_user if application else None)
    user = users.by_id(tx.connection, instance_id, acting) if acting is not None else None
    return LiveReference(
        id=token.id,
        kind=token.kind,
        owner=user.login if user else None,
        application=application.application_uri if application else None,
        description=token.description,
        created_by=token.created_by,
        created_at=token.created_at,
        last_used_at=token.last_used_at,
        expires_at=token.expires_at,
    )


def _record(
    tx: Transaction, instance_id: str, actor: str, details: dict[str, float], kid: str
) -> None:
    for event, told in (("database.restored", details), ("key.added", {"kid": kid})):
        tx.record(
            AuditEvent(
                instance_id=instance_id, at=tx.now, event=event, actor=actor, details=dict(told)
            )
        )

"""What a principal's session is opened by, and what is written when there is no slot for it."""

from __future__ import annotations

from collections.abc import Sequence

from mintgate.contract.legacy import LegacyScheme
from mintgate.contract.licences import Occupancy, Touch, takes_slot
from mintgate.store import AuditEvent, erp_session_ends
from mintgate.store.erp_sessions import Opening
from mintgate.verify.known_sessions import kind_of
from mintgate.verify.principal import Principal


def opening_of(principal: Principal, process: str, touches: Sequence[Touch]) -> Opening:
    """Args: `process` and `touches` as for `Opening`."""
    kind, lifetime = kind_of(principal)
    return Opening(
        key=principal.session,
        kind=kind,
        user_id=principal.user_id,
        login=principal.login,
        client_id=principal.client_id,
        process=process,
        takes_slot=takes_slot(principal.login, principal.user_type),
        lifetime=lifetime,
        touches=touches,
        only_join=principal.legacy is LegacyScheme.ERP_SESSION,
    )


def refusal_of(
    principal: Principal, found: Occupancy, instance_id: str, at: float, api: str | None = None
) -> AuditEvent:
    """The audit event of a session for which no slot was free [SES-33].

    Args:
        at: Unix seconds.
        api: which asked for it, when it is not in the server's process.
    """
    return AuditEvent(
        instance_id=instance_id,
        at=at,
        event="erp_session.refused",
        actor=principal.login,
        actor_id=principal.user_id,
        application=principal.client_id,
        session=erp_session_ends.audited_key(principal.session),
        cause=f"MaximumLicenseCountExceeded: {told(found)}",
        details=None if api is None else {"api": api},
    )


def told(found: Occupancy) -> str:
    """The slots in a sentence, for the audit log."""
    return (
        f"{found.general} of {found.total - found.reserved} slots of the general pool are taken "
        f"({found.total} in all, {found.reserved} reserved)"
    )

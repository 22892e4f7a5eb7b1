"""Every table, as SQLAlchemy Core. Each key starts with the instance, so that rows can be sharded.

Times are Unix seconds. Texts that a person typed are kept as typed; `…_key` columns hold the
form that is compared (case folded).

The tables of the data that the built-in APIs serve are in `records`.
"""

from __future__ import annotations

from mintgate.store.tables.audit import audit_checkpoints, audit_events, audit_heads, audit_keys
from mintgate.store.tables.common import metadata
from mintgate.store.tables.counters import audit_counted, audit_counts, rate_counters
from mintgate.store.tables.instance import (
    apis,
    idempotency_keys,
    instances,
    signing_keys,
    state_feed,
)
from mintgate.store.tables.licences import erp_sessions, licence_pools, reserved_seats
from mintgate.store.tables.lifecycle import lifecycle_events, marketplace_keys
from mintgate.store.tables.mailing import mailed_links, mails
from mintgate.store.tables.schema import schema_state
from mintgate.store.tables.second_factors import (
    passkey_challenges,
    passkeys,
    recovery_codes,
    second_factors,
    sign_in_proofs,
    totp_offers,
)
from mintgate.store.tables.security_records import application_authorizations, applications, users
from mintgate.store.tables.signing_in import (
    authorization_codes,
    consents,
    identity_sessions,
    interactions,
    logout_notices,
    session_applications,
    sign_in_tries,
    user_devices,
)
from mintgate.store.tables.sites import site_sessions, user_pictures
from mintgate.store.tables.tokens import (
    reference_tokens,
    refresh_families,
    refresh_tokens,
    revoked_before,
    revoked_tokens,
    userinfo_requests,
)

__all__ = [
    "apis",
    "application_authorizations",
    "applications",
    "audit_checkpoints",
    "audit_counted",
    "audit_counts",
    "audit_events",
    "audit_heads",
    "audit_keys",
    "authorization_codes",
    "consents",
    "erp_sessions",
    "idempotency_keys",
    "identity_sessions",
    "instances",
    "interactions",
    "licence_pools",
    "lifecycle_events",
    "logout_notices",
    "mailed_links",
    "mails",
    "marketplace_keys",
    "metadata",
    "passkey_challenges",
    "passkeys",
    "rate_counters",
    "recovery_codes",
    "reference_tokens",
    "refresh_families",
    "refresh_tokens",
    "reserved_seats",
    "revoked_before",
    "revoked_tokens",
    "schema_state",
    "second_factors",
    "session_applications",
    "sign_in_proofs",
    "sign_in_tries",
    "signing_keys",
    "site_sessions",
    "state_feed",
    "totp_offers",
    "user_devices",
    "user_pictures",
    "userinfo_requests",
    "users",
]

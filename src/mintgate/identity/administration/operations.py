"""Which function does what a route says. HTTP endpoints and the command line call these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mintgate.contract.instance import Instance
from mintgate.identity.administration import (
    applications,
    audit,
    erp_sessions,
    everything,
    explanation,
    grants,
    invitations,
    keys,
    legacy,
    licences,
    own,
    reference_tokens,
    reserved_seats,
    second_factors,
    sessions,
    tokens,
    users,
)
from mintgate.identity.administration.call import Call


class Operation(NamedTuple):
    """Args:
    run: does it, within one transaction when it writes.
    prepare: what takes too long for a transaction, made from body and instance before it.
    """

    run: Callable[[Call], Any]
    prepare: Callable[[Any, Instance], Any] | None = None


OPERATIONS = {
    "applications.list": Operation(applications.list_all),
    "applications.create": Operation(applications.create),
    "applications.get": Operation(applications.get),
    "applications.change": Operation(applications.change),
    "applications.remove": Operation(applications.remove),
    "applications.enable": Operation(applications.enable),
    "applications.disable": Operation(applications.disable),
    "applications.set_secret": Operation(applications.set_secret),
    "applications.revoke_everything": Operation(everything.of_application),
    "application_tokens.list": Operation(reference_tokens.of_application),
    "application_tokens.create": Operation(reference_tokens.create_service),
    "application_tokens.revoke": Operation(reference_tokens.revoke_of_application),
    "users.list": Operation(users.list_all),
    "users.create": Operation(users.create, users.prepared_password),
    "users.get": Operation(users.get),
    "users.change": Operation(users.change),
    "users.remove": Operation(users.remove),
    "users.set_password": Operation(users.set_password, users.prepared_password),
    "users.lock": Operation(users.lock),
    "users.unlock": Operation(users.unlock),
    "users.activate": Operation(users.activate),
    "users.deactivate": Operation(users.deactivate),
    "users.end_sessions": Operation(sessions.end_of_user),
    "users.revoke_everything": Operation(everything.of_user),
    "users.second_factors": Operation(second_factors.of_user),
    "users.reset_second_factors": Operation(second_factors.reset_of_user),
    "invitations.create": Operation(invitations.create),
    "invitations.again": Operation(invitations.again),
    "user_tokens.list": Operation(reference_tokens.of_user),
    "reference_tokens.get": Operation(reference_tokens.get),
    "reference_tokens.revoke": Operation(reference_tokens.revoke),
    "grants.list": Operation(grants.list_all),
    "grants.revoke": Operation(grants.revoke),
    "sessions.list": Operation(sessions.list_all),
    "sessions.end": Operation(sessions.end),
    "erp_sessions.list": Operation(erp_sessions.list_all),
    "erp_sessions.close": Operation(erp_sessions.close),
    "erp_sessions.close_many": Operation(erp_sessions.close_many),
    "licences.show": Operation(licences.show),
    "licences.set_total": Operation(licences.set_total),
    "reserved_seats.list": Operation(reserved_seats.list_all),
    "reserved_seats.add": Operation(reserved_seats.add),
    "reserved_seats.remove": Operation(reserved_seats.remove),
    "keys.list": Operation(keys.list_all),
    "keys.rotate": Operation(keys.rotate, keys.prepared_key),
    "keys.compromised": Operation(keys.compromised, keys.prepared_key),
    "audit.list": Operation(audit.list_all),
    "legacy.report": Operation(legacy.report),
    "tokens.revoke": Operation(tokens.revoke),
    "requests.explain": Operation(explanation.explain),
    "own_grants.list": Operation(own.list_grants),
    "own_grants.revoke": Operation(own.revoke_grant),
    "own_tokens.applications": Operation(own.list_applications),
    "own_tokens.reminders": Operation(own.list_reminders),
    "own_tokens.create": Operation(own.create_token),
    "own_consents.list": Operation(own.list_consents),
    "own_consents.withdraw": Operation(own.withdraw_consent),
    "own_sessions.list": Operation(own.list_sessions),
    "own_sessions.end": Operation(own.end_session),
    "own_factors.get": Operation(second_factors.get_own),
    "own_factors.begin_app": Operation(second_factors.begin_own_app),
    "own_factors.confirm_app": Operation(second_factors.confirm_own_app),
    "own_factors.remove_app": Operation(second_factors.remove_own_app),
    "own_factors.new_recovery_codes": Operation(second_factors.new_own_recovery_codes),
    "own_factors.begin_passkey": Operation(second_factors.begin_own_passkey),
    "own_factors.finish_passkey": Operation(
        second_factors.finish_own_passkey, second_factors.prepared_passkey
    ),
    "own_factors.rename_passkey": Operation(second_factors.rename_own_passkey),
    "own_factors.remove_passkey": Operation(second_factors.remove_own_passkey),
}
"""By the name of the route. `tokens.introspect` is missing: it asks the verifier, not the store."""

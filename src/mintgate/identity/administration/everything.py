"""'Revoke everything' of a user or an application [LIF-18]."""

from __future__ import annotations

from mintgate.contract.automation.credentials import Ended
from mintgate.identity.administration import applications, sessions, users
from mintgate.identity.administration.call import Call
from mintgate.store import applications as applications_store
from mintgate.store import reference_tokens, refresh
from mintgate.store import users as users_store

BECAUSE = "everything_revoked"


def of_user(call: Call) -> Ended:
    """Access tokens, sign-ins, open codes, refresh tokens and personal tokens of a user."""
    call.lock()
    user = users.stored(call)
    ended = _end_of_user(call, user.id)
    call.record("user.everything_revoked", subject_id=user.id)
    return ended


def of_application(call: Call) -> Ended:
    """Access tokens, open codes, refresh tokens and reference tokens of an application."""
    call.lock()
    application = applications.stored(call)
    ended = _end_of_application(call, application.id)
    call.record("application.everything_revoked", application=application.application_uri)
    return ended


def _end_of_user(call: Call, user_id: str) -> Ended:
    tx, instance_id, by = call.writing, call.instance.id, call.acting.name[:64]
    found = sessions.all_ended(call, user_id)
    families = refresh.revoke_of_user(tx, instance_id, user_id, BECAUSE)
    tokens = reference_tokens.revoke_of_user(tx, instance_id, user_id, by)
    users_store.revoke_everything(tx, instance_id, user_id, by)
    return Ended(sessions=found.sessions, grants=found.grants + families, reference_tokens=tokens)


def _end_of_application(call: Call, application_id: str) -> Ended:
    tx, instance_id, by = call.writing, call.instance.id, call.acting.name[:64]
    families = refresh.revoke_of_application(tx, instance_id, application_id, BECAUSE)
    tokens = reference_tokens.revoke_of_application(tx, instance_id, application_id, by)
    applications_store.revoke_everything(tx, instance_id, application_id, by)
    return Ended(grants=families, reference_tokens=tokens)

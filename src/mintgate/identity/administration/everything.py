"""'Revoke everything' of a user or an application [LIF-18]."""

from __future__ import annotations

from mintgate.contract.automation.credentials import Ended
from mintgate.identity.administration import applications, sessions, users
from mintgate.identity.administration.call import Call
from mintgate.store import codes, reference_tokens, refresh


def of_user(call: Call) -> Ended:
    """Sign-ins, open codes, refresh tokens and personal tokens of a user."""
    call.lock()
    user = users.stored(call)
    ended = _end_of_user(call, user.id)
    call.record("user.everything_revoked", details={"id": user.id, "name": user.login})
    return ended


def of_application(call: Call) -> Ended:
    """Open codes, refresh tokens and reference tokens of an application."""
    call.lock()
    application = applications.stored(call)
    ended = _end_of_application(call, application.id)
    call.record("application.everything_revoked", application=application.application_uri)
    return ended


# The two places where the store's own `revoke_everything` of users and applications belongs: it
# ends access tokens, too, by a not-before time in the state feed.


def _end_of_user(call: Call, user_id: str) -> Ended:
    tx, instance_id = call.writing, call.instance.id
    found = sessions.all_ended(call, user_id)
    families = refresh.revoke_of_user(tx, instance_id, user_id, "everything_revoked")
    codes.end_of_user(tx, instance_id, user_id)
    tokens = reference_tokens.revoke_of_user(tx, instance_id, user_id, call.acting.name[:64])
    return Ended(sessions=found.sessions, grants=found.grants + families, reference_tokens=tokens)


def _end_of_application(call: Call, application_id: str) -> Ended:
    tx, instance_id = call.writing, call.instance.id
    families = refresh.revoke_of_application(tx, instance_id, application_id, "everything_revoked")
    codes.end_of_application(tx, instance_id, application_id)
    by = call.acting.name[:64]
    tokens = reference_tokens.revoke_of_application(tx, instance_id, application_id, by)
    return Ended(grants=families, reference_tokens=tokens)

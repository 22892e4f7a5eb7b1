"""Reference tokens of applications and people: list, create, revoke [IMG-3, IMG-4, REF-10..52]."""

from __future__ import annotations

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.automation import credentials
from mintgate.contract.automation.credentials import MadeToken, Page, ReferenceTokenRecord, Revoked
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.reference_tokens import TokenKind, require_policy, require_system_user
from mintgate.contract.users import User
from mintgate.identity import references
from mintgate.identity.administration import applications, users
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.store import applications as stored_applications
from mintgate.store import listings, reference_tokens
from mintgate.store import users as stored_users
from mintgate.store.reference_tokens import ReferenceToken


def of_application(call: Call) -> Page[ReferenceTokenRecord]:
    """PATs and SATs, newest first [IMG-3]."""
    application = applications.stored(call)
    return _page(call, application_id=application.id)


def of_user(call: Call) -> Page[ReferenceTokenRecord]:
    return _page(call, user_id=users.stored(call).id)


def get(call: Call) -> ReferenceTokenRecord:
    return shown(call, _stored(call))


def create_service(call: Call) -> MadeToken:
    """A SAT [REF-14]; only administrators get here, and the policy is asked again [REF-20]."""
    call.lock()
    return created(call, TokenKind.SERVICE, applications.stored(call), call.acting.user)


def require_service_token(call: Call, application: TrustedApplication) -> None:
    """Raises CreationForbidden when the caller can make no SAT for it now [TAP-43, IMG-4]."""
    require_policy(application, TokenKind.SERVICE, call.acting.user)
    require_system_user(application, _system_user(call, application))


def created(
    call: Call, kind: TokenKind, application: TrustedApplication, creator: User
) -> MadeToken:
    """Raises CreationForbidden, CreationInvalid."""
    body = call.given(credentials.NewServiceToken)
    value, token = references.create(
        call.writing,
        call.instance.id,
        kind=kind,
        application=application,
        creator=creator,
        system_user=_system_user(call, application),
        scopes=tuple(body.scopes),
        expires_at=body.expires_at,
        description=body.description,
        address=call.acting.address,
    )
    return MadeToken(value=value, token=shown(call, token))


def revoke(call: Call) -> Revoked:
    """Effective with the next request [REF-51]."""
    call.lock()
    return revoked(call, _stored(call))


def revoke_of_application(call: Call) -> Revoked:
    """The same; only of the application that the path names."""
    call.lock()
    token = _stored(call)
    if token.application_id != call.path["application_id"]:
        raise NoSuchRecord
    return revoked(call, token)


def revoked(call: Call, token: ReferenceToken) -> Revoked:
    """End this token and note it [REF-52]."""
    was_live = token.is_live(call.now)
    if reference_tokens.revoke(call.writing, call.instance.id, token.id, call.acting.name[:64]):
        application = stored_applications.by_id(
            call.connection, call.instance.id, token.application_id
        )
        call.record(
            "token.revoked",
            application=application.application_uri if application else None,
            jti=token.jti,
            details={"kind": "reference_token", "id": token.id},
        )
    return Revoked(kind="reference_token", was_live=was_live)


def shown(call: Call, token: ReferenceToken) -> ReferenceTokenRecord:
    """What a list tells of it; the value is not known to anyone [REF-3]."""
    application = stored_applications.by_id(call.connection, call.instance.id, token.application_id)
    principal = None
    if token.user_id is not None:
        principal = stored_users.by_id(call.connection, call.instance.id, token.user_id)
    elif application is not None:
        principal = _system_user(call, application)
    return ReferenceTokenRecord(
        id=token.id,
        kind=token.kind,
        application_id=token.application_id,
        application=application.application_uri if application else None,
        user_id=token.user_id,
        principal=_told(principal) if principal else None,
        scopes=token.scopes,
        description=token.description,
        jti=token.jti,
        sid=token.sid,
        created_by=token.created_by,
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        revoked_at=token.revoked_at,
        revoked_by=token.revoked_by,
        state=state_of(token, call.now),
    )


def state_of(token: ReferenceToken, now: float) -> str:
    """`live`, `ended` by its expiry, or `revoked`."""
    if token.revoked_at is not None:
        return "revoked"
    return "live" if token.is_live(now) else "ended"


def _page(
    call: Call, *, application_id: str | None = None, user_id: str | None = None
) -> Page[ReferenceTokenRecord]:
    query = call.given(credentials.PageQuery)
    after = place_of(query.cursor)
    return page_of(
        lambda: listings.reference_tokens_part(
            call.connection,
            call.instance.id,
            after,
            query.limit,
            application_id=application_id,
            user_id=user_id,
        ),
        lambda token: shown(call, token),
    )


def _stored(call: Call) -> ReferenceToken:
    found = reference_tokens.by_id(call.connection, call.instance.id, call.path["token_id"])
    if found is None:
        raise NoSuchRecord("There is no token with this id.")
    return found


def _system_user(call: Call, application: TrustedApplication) -> User | None:
    if application.system_user is None:
        return None
    return stored_users.by_id(call.connection, call.instance.id, application.system_user)


def _told(user: User) -> str:
    return f"{user.display_name()} <{user.login}> [{user.user_type.code}]"

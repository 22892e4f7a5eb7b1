"""What a person may see, end and make of the own grants [PRF-3..7, LIF-11]."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.automation import credentials
from mintgate.contract.automation.credentials import (
    ConsentRecord,
    Ended,
    MadeToken,
    OwnGrant,
    Page,
    Reminder,
    Revoked,
    SessionRecord,
    TokenApplication,
)
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.reference_tokens import (
    GRANTABLE_SCOPES,
    CreationForbidden,
    TokenKind,
    require_policy,
)
from mintgate.contract.users import User, translated
from mintgate.identity.administration import grants, reference_tokens, sessions
from mintgate.identity.administration.call import Call, whole
from mintgate.store import applications, listings
from mintgate.store import reference_tokens as stored_tokens
from mintgate.store.listings import ListedFamily
from mintgate.store.reference_tokens import ReferenceToken

ALL = 1_000_000
"""More refresh families than one person has."""


def list_grants(call: Call) -> Page[OwnGrant]:
    """PATs and refresh tokens of every application, newest first [PRF-3]."""
    known = _applications(call)
    tokens = [_shown_token(call, token, known) for token in _tokens(call)]
    families = [_shown_family(call, listed, known) for listed in _families(call)]
    return whole(sorted([*tokens, *families], key=lambda grant: -grant.created_at))


def list_applications(call: Call) -> Page[TokenApplication]:
    """Where the policy lets this person make a token [PRF-4, REF-15, REF-17]."""
    return whole(list(_open_to(call, call.acting.user)))


def list_reminders(call: Call) -> Page[Reminder]:
    """Live tokens that end within thirty days, the next one first."""
    known = _applications(call)
    user_id = call.acting.user.id
    ending = stored_tokens.ending_soon(call.connection, call.instance.id, user_id, call.now)
    return whole(
        [
            Reminder(
                id=token.id,
                application=_uri(known, token.application_id),
                description=token.description,
                expires_at=token.expires_at,
            )
            for token in ending
        ]
    )


def create_token(call: Call) -> MadeToken:
    """A PAT of the person who asks, and of nobody else [REF-13].

    Raises:
        CreationForbidden: policy, application or user do not allow it [REF-20].
        CreationInvalid: bad scopes, expiry or description.
        NoSuchRecord: there is no such application.
    """
    call.lock()
    wanted = call.given(credentials.NewPersonalToken).application_id
    application = applications.by_id(call.connection, call.instance.id, wanted)
    if application is None:
        raise NoSuchRecord("There is no application with this id.")
    return reference_tokens.created(call, TokenKind.PERSONAL, application, call.acting.user)


def revoke_grant(call: Call) -> Revoked:
    """A PAT or a refresh family of the caller; what is somebody else's does not exist [PRF-7]."""
    call.lock()
    own, wanted = call.acting.user.id, call.path["token_id"]
    token = stored_tokens.by_id(call.connection, call.instance.id, wanted)
    if token is not None and token.user_id == own:
        return reference_tokens.revoked(call, token)
    family = listings.family(call.connection, call.instance.id, wanted)
    if family is not None and family.user_id == own:
        return grants.revoked(call, family)
    raise NoSuchRecord


def list_consents(call: Call) -> Page[ConsentRecord]:
    known = _applications(call)
    found = listings.consents_of(call.connection, call.instance.id, call.acting.user.id)
    return whole(
        [
            ConsentRecord(
                application_id=consent.application_id,
                application=_uri(known, consent.application_id),
                application_name=_name(known, consent.application_id, call.acting.user),
                scopes=consent.scopes,
                given_at=consent.given_at,
            )
            for consent in found
        ]
    )


def withdraw_consent(call: Call) -> Ended:
    """Forget what the person allowed an application, and end what stands on it [EXT-2]."""
    call.lock()
    application_id = call.path["application_id"]
    user = call.acting.user
    application = applications.by_id(call.connection, call.instance.id, application_id)
    if application is None or not applications.consented_scopes(
        call.connection, call.instance.id, user.id, application_id
    ):
        raise NoSuchRecord("You have allowed this application nothing.")
    families = [
        listed
        for listed in _families(call)
        if listed.family.application_id == application_id and listed.family.revoked_at is None
    ]
    applications.withdraw_consent(
        call.writing,
        call.instance.id,
        user,
        application,
        actor=user.login,
        address=call.acting.address,
    )
    return Ended(grants=len(families))


def list_sessions(call: Call) -> Page[SessionRecord]:
    found = sessions.of_user(call, call.acting.user.id)
    return whole([sessions.shown(call, session) for session in found])


def end_session(call: Call) -> Ended:
    """Sign out another browser [END-4]; a foreign one does not exist [PRF-7]."""
    call.lock()
    session = sessions.named(call)
    if session is None or session.user_id != call.acting.user.id:
        raise NoSuchRecord
    return sessions.ended(call, session)


def _tokens(call: Call) -> list[ReferenceToken]:
    return stored_tokens.of_user(call.connection, call.instance.id, call.acting.user.id)


def _families(call: Call) -> list[ListedFamily]:
    user_id = call.acting.user.id
    part = listings.families_part(call.connection, call.instance.id, None, ALL, user_id=user_id)
    return list(part.rows)


def _open_to(call: Call, user: User) -> Iterator[TokenApplication]:
    for application in applications.all_of(call.connection, call.instance.id):
        offered = tuple(n for n in GRANTABLE_SCOPES if n in application.scope_names)
        with contextlib.suppress(CreationForbidden):
            require_policy(application, TokenKind.PERSONAL, user)
            if offered:
                yield TokenApplication(
                    id=application.id,
                    application=application.application_uri,
                    name=_named(application, user),
                    scopes=offered,
                )


def _shown_token(
    call: Call, token: ReferenceToken, known: dict[str, TrustedApplication]
) -> OwnGrant:
    return OwnGrant(
        id=token.id,
        kind="reference_token",
        application_id=token.application_id,
        application=_uri(known, token.application_id),
        application_name=_name(known, token.application_id, call.acting.user),
        scopes=token.scopes,
        description=token.description,
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        state=reference_tokens.state_of(token, call.now),
    )


def _shown_family(
    call: Call, listed: ListedFamily, known: dict[str, TrustedApplication]
) -> OwnGrant:
    family = listed.family
    return OwnGrant(
        id=family.id,
        kind="refresh_token",
        application_id=family.application_id,
        application=_uri(known, family.application_id),
        application_name=_name(known, family.application_id, call.acting.user),
        scopes=family.scopes,
        description=None,
        created_at=family.created_at,
        expires_at=family.expires_at,
        last_used_at=listed.last_used_at,
        state=grants.state_of(family, call.now),
    )


def _applications(call: Call) -> dict[str, TrustedApplication]:
    return {a.id: a for a in applications.all_of(call.connection, call.instance.id)}


def _uri(known: dict[str, TrustedApplication], application_id: str) -> str | None:
    application = known.get(application_id)
    return application.application_uri if application else None


def _name(known: dict[str, TrustedApplication], application_id: str, user: User) -> str | None:
    application = known.get(application_id)
    return _named(application, user) if application else None


def _named(application: TrustedApplication, user: User) -> str:
    return translated(application.name, user.locale) or application.application_uri

"""Installing and uninstalling applications by a link [INS-20..31]."""

from __future__ import annotations

import secrets
import string
from typing import Any

import msgspec

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.automation.credentials import Hidden
from mintgate.contract.automation.problems import Conflict, NoSuchRecord
from mintgate.contract.identifiers import new_guid, secret_hash
from mintgate.contract.install import SYSTEM_APPLICATION_USER, InstallRequest, ServiceAccess
from mintgate.contract.lifecycle_events import Credentials
from mintgate.contract.reference_tokens import TokenKind
from mintgate.contract.translating import translatable
from mintgate.contract.users import User, UserType
from mintgate.identity import references
from mintgate.identity.administration import applications
from mintgate.identity.administration.call import Call
from mintgate.identity.administration.changes import change_event
from mintgate.identity.lifecycle import telling
from mintgate.store import applications as stored_applications
from mintgate.store import users

SECRET_LENGTH = 24
TOKEN_SECONDS = 365 * 24 * 3600
REGISTERED = translatable(
    "This application is registered already. Uninstall it first; a link never overwrites one."
)
TOLD_NO_MORE = translatable(
    "This instance does not tell applications of their install any more. Open the link again."
)
UNKNOWN = translatable("There is no application with this address.")


class Installed(Hidden, msgspec.Struct, frozen=True, kw_only=True):
    """What an install made.

    Args:
        secret, token: to be shown this once [INS-29]; None when there is none, and when the
            application gets them by itself.
        is_told: whether it is told of its install [INS-30].
    """

    application: TrustedApplication
    secret: str | None
    token: str | None
    is_told: bool


def require_free(call: Call, uri: str) -> None:
    """[INS-27] Raises Conflict when an application has this URI, in any case."""
    found = stored_applications.by_uri_in_any_case(call.connection, call.instance.id, uri)
    if found is not None:
        raise Conflict(REGISTERED)


def install(call: Call, *, tells: bool = False) -> Installed:
    """Raises Conflict, and InvalidInput with every problem of the record.

    Args:
        tells: whether the application is told at its `redirectUri`, with its credentials; else
            they are for the administrator.
    """
    tx = call.lock()
    request = call.given(InstallRequest)
    require_free(call, request.uri)
    if tells and not telling.may_tell(tx.connection, call.instance.id, request.redirect_uri):
        raise Conflict(TOLD_NO_MORE)
    user = _system_user(call) if request.service_access is not ServiceAccess.NONE else None
    secret = new_install_secret() if request.request_secret else None
    application = request.application(
        new_guid(),
        user.id if user else None,
        secret_hash(secret) if secret else None,
        int(call.now),
    )
    applications.add(call, application, "application.installed")
    token, token_id = service_token(call, application, request, user)
    if tells:
        tell(
            call,
            application,
            request,
            Credentials(client_secret=secret, reference_token=token),
            token_id,
        )
        secret = token = None
    return Installed(application=application, secret=secret, token=token, is_told=tells)


def service_token(
    call: Call, application: TrustedApplication, request: InstallRequest, system_user: User | None
) -> tuple[str | None, str | None]:
    """The token of an install that asks for one, and its id [INS-31]."""
    if request.service_access is not ServiceAccess.REFERENCE_TOKEN:
        return None, None
    value, token = references.create(
        call.writing,
        call.instance.id,
        kind=TokenKind.SERVICE,
        application=application,
        creator=call.acting.user,
        system_user=system_user,
        scopes=request.service_token_scopes,
        expires_at=call.now + TOKEN_SECONDS,
        description=None,
        address=call.acting.address,
        despite_policy=True,
    )
    return value, token.id


def tell(
    call: Call,
    application: TrustedApplication,
    request: InstallRequest,
    credentials: Credentials,
    token_id: str | None,
) -> str:
    """Have the application told of its install; returns the `eventId`."""
    return telling.tell_installed(
        call.writing,
        call.instance.id,
        call.key_encryption_key(),
        application,
        request,
        credentials,
        token_id=token_id,
        login=call.acting.name,
    )


def named(call: Call, uri: str) -> TrustedApplication:
    """The application of a link, in any case. Raises NoSuchRecord [INS-28]."""
    found = stored_applications.by_uri_in_any_case(call.connection, call.instance.id, uri)
    if found is None:
        raise NoSuchRecord(UNKNOWN)
    return found


def uninstall(call: Call, uri: str) -> None:
    """Its tokens die with it [TAP-33]. Raises BuiltIn, NoSuchRecord."""
    call.lock()
    found = named(call, uri)
    path: dict[str, Any] = {"application_id": found.id}
    applications.remove(msgspec.structs.replace(call, path=path))


def _system_user(call: Call) -> User:
    """[USR-24] The built-in user, made with the first application that needs it."""
    connection, instance_id = call.connection, call.instance.id
    found = users.by_login(connection, instance_id, SYSTEM_APPLICATION_USER)
    if found is not None:
        return found
    made = User(
        id=new_guid(),
        login=SYSTEM_APPLICATION_USER,
        name={"en": "System application user"},
        user_type=UserType.SYSTEM,
    )
    users.add(call.writing, instance_id, made, None)
    told = change_event(instance_id, call.now, "user.added", before=None, after=made, actor=None)
    call.record(
        "user.added", subject_id=told.subject_id, details=told.details, personal=told.personal
    )
    return made


def new_install_secret() -> str:
    """[INS-6] Some 142 random bits."""
    return "".join(
        secrets.choice(string.ascii_letters + string.digits) for _ in range(SECRET_LENGTH)
    )

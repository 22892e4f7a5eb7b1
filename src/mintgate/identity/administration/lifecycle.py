"""What applications were told of their install and uninstall: look at it, tell again [EVT-9]."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from mintgate.contract.automation.credentials import SecretChange
from mintgate.contract.automation.problems import Conflict, NoSuchRecord
from mintgate.contract.lifecycle_events import Credentials, LifecycleKind
from mintgate.contract.translating import translatable
from mintgate.identity.administration import applications, installing
from mintgate.identity.administration.call import Call
from mintgate.identity.lifecycle import telling
from mintgate.store import applications as stored_applications
from mintgate.store import lifecycle_events, reference_tokens, users
from mintgate.store.lifecycle_events import StoredEvent

SWITCHED_OFF = translatable("This instance does not tell applications of their install any more.")
OUTDATED = translatable(
    "Something else has happened to the application since. To tell it this now would be wrong."
)


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """One event for those who look at it; times in Unix seconds.

    Args:
        state: `waiting`, `delivered` or `failed`.
        cause: of the last attempt that failed.
        next_at: when it is tried next.
        can_be_sent: whether `send_again` makes sense.
    """

    id: str
    application_id: str
    application_uri: str
    kind: str
    redirect_uri: str
    created_at: float
    state: str
    attempts: int
    cause: str | None
    next_at: float | None
    ended_at: float | None
    can_be_sent: bool


def is_on(call: Call) -> bool:
    """Whether this instance tells applications anything."""
    return telling.is_on(call.connection, call.instance.id)


def of_application(call: Call) -> list[EventLine]:
    """Those of the application that the path names, newest first."""
    found = lifecycle_events.of_application(
        call.connection, call.instance.id, call.path["application_id"]
    )
    return _lines(call, found)


def list_all(call: Call) -> list[EventLine]:
    """Those of all applications, newest first."""
    return _lines(call, lifecycle_events.latest(call.connection, call.instance.id))


def uri_of(call: Call) -> str:
    """Which application an event is for. Raises NoSuchRecord."""
    return _stored(call).application_uri


def send_again(call: Call) -> None:
    """Tell an application again, or at once when an attempt is due later.

    Secrets are gone as soon as nobody tries any more. So an install that gave some gives new ones,
    as a new event; those of before end.

    Raises:
        Conflict: what it tells is not so any more, or nothing is told here.
        NoSuchRecord: there is no such event.
    """
    tx = call.lock()
    event = _stored(call)
    if not is_on(call):
        raise Conflict(SWITCHED_OFF)
    if not _is_true(call, event):
        raise Conflict(OUTDATED)
    event_id = event.id
    if event.due_at is not None:
        lifecycle_events.try_now(tx, call.instance.id, event.id)
    elif _gave_credentials(event):
        event_id = _with_new_credentials(call, event)
    else:
        lifecycle_events.begin_anew(tx, call.instance.id, event.id)
    call.record(
        "application.event_sent_again",
        application=event.application_uri,
        details={"event": event.kind.value, "event_id": event_id},
    )


def _with_new_credentials(call: Call, event: StoredEvent) -> str:
    tx, here, request = call.writing, call.instance.id, event.request
    if request is None:
        raise RuntimeError("an event with credentials is one of an install")
    call = replace(call, path={"application_id": event.application_id}, if_match=None)
    secret = installing.new_install_secret() if request.request_secret else None
    if secret is not None:
        applications.set_secret(replace(call, body=SecretChange(secret=secret)))
    application = applications.stored(call)
    user = users.by_id(tx.connection, here, application.system_user or "")
    if event.token_id is not None:
        reference_tokens.revoke(tx, here, event.token_id, call.acting.name)
    token, token_id = installing.service_token(call, application, request, user)
    lifecycle_events.supersede(tx, here, application.id, "it was sent anew")
    given = Credentials(client_secret=secret, reference_token=token)
    return installing.tell(call, application, request, given, token_id)


def _gave_credentials(event: StoredEvent) -> bool:
    request = event.request
    return request is not None and (request.request_secret or event.token_id is not None)


def _is_true(call: Call, event: StoredEvent) -> bool:
    """Whether it is still so: installed and nothing newer, or gone and not back."""
    if event.kind is LifecycleKind.INSTALLED:
        return event.expires_at is None
    uri = event.application_uri
    return stored_applications.by_uri_in_any_case(call.connection, call.instance.id, uri) is None


def _stored(call: Call) -> StoredEvent:
    found = lifecycle_events.find(call.connection, call.instance.id, call.path["event_id"])
    if found is None or call.path.get("application_id", found.application_id) != (
        found.application_id
    ):
        raise NoSuchRecord("There is no event with this id.")
    return found


def _lines(call: Call, events: list[StoredEvent]) -> list[EventLine]:
    on = is_on(call)
    return [
        EventLine(
            id=event.id,
            application_id=event.application_id,
            application_uri=event.application_uri,
            kind=event.kind.value,
            redirect_uri=event.redirect_uri,
            created_at=event.created_at,
            state=event.state,
            attempts=event.attempts,
            cause=event.cause,
            next_at=event.due_at,
            ended_at=event.ended_at,
            can_be_sent=on and _is_true(call, event),
        )
        for event in events
    ]

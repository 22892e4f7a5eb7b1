"""Every check of one request with its outcome, none skipped because an earlier one failed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mintgate.contract.errors import MethodNotAllowed, NoCredential, Refusal, SeveralCredentials
from mintgate.contract.legacy import PERMISSIONS
from mintgate.contract.policy import Operation, missing_scope
from mintgate.contract.request_target import normal_path, require_plain
from mintgate.verify.api_request import ApiRequest
from mintgate.verify.checks import CheckOutcome, has_required_claims
from mintgate.verify.guard import Guard
from mintgate.verify.legacy import LegacyCredential, legacy_credential_of
from mintgate.verify.principal import principal_of
from mintgate.verify.request_headers import credential_of
from mintgate.verify.state import StateUnavailable

Peek = Callable[[], CheckOutcome]
LegacyPeek = Callable[[LegacyCredential, ApiRequest], list[CheckOutcome]]
_NONE = "none"
_BATCH = CheckOutcome(
    "API-15",
    "scopes cover the operation",
    "not checked",
    "each part of a batch is judged by itself [API-32]",
)


def explain_request(
    guard: Guard,
    request: ApiRequest,
    sessions: Peek | None = None,
    legacy: LegacyPeek | None = None,
) -> list[CheckOutcome]:
    """What the guard's checks say of a request; nothing is opened, counted or written by it.

    Args:
        sessions: tells of check API-16 without opening a session; by default the guard's own
            session source does, where it can.
        legacy: the checks of a legacy credential; without it none is taken.
    """
    outcomes = [_target(request)]
    credential, token = _credential(request)
    old = legacy_credential_of(request.headers) if credential.seen == _NONE else None
    outcomes.append(credential if old is None else _scheme(old, credential, legacy))
    operation, method = _operation(guard, request)
    if token is not None:
        needed = operation.needed if operation is not None else frozenset[str]()
        outcomes += guard.verifier.explain(token, guard.audience, needed)
        if operation is not None and operation.needs_admin:
            outcomes.append(_administrator(guard, token))
    elif old is not None and legacy is not None:
        outcomes += legacy(old, request)
        if operation is not None:
            outcomes.append(_permission(operation))
    instead = _BATCH if operation is not None and operation.is_batch else method
    if instead is not None:
        outcomes = [*(o for o in outcomes if o.id != instead.id), instead]
    outcomes.append(sessions() if sessions is not None else _session(guard, token))
    counted = "an explanation counts no request" if guard.limits else "nothing is counted here"
    outcomes.append(CheckOutcome("API-17", "rate limits", "not checked", counted))
    outcomes.append(
        CheckOutcome("API-18", "rights on the record", "not checked", "the API itself decides")
    )
    return outcomes


def first_failure(outcomes: list[CheckOutcome]) -> CheckOutcome | None:
    """The check at which the request is refused."""
    return next((outcome for outcome in outcomes if outcome.outcome == "failed"), None)


def _target(request: ApiRequest) -> CheckOutcome:
    name = "target read in one way only"
    try:
        normal_path(request.raw_path)
        require_plain(request.headers, request.query)
    except Refusal as refusal:
        return CheckOutcome(
            "target",
            name,
            "failed",
            refusal.cause,
            mend="Send the path and the method plainly, without what another server could read "
            "in another way.",
        )
    return CheckOutcome("target", name, "passed")


def _credential(request: ApiRequest) -> tuple[CheckOutcome, str | None]:
    name = "exactly one credential"
    try:
        token = credential_of(request.headers)
    except Refusal as refusal:
        seen = _NONE if isinstance(refusal, NoCredential) else "one that does not fit its header"
        if isinstance(refusal, SeveralCredentials):
            seen = "several"
        outcome = CheckOutcome(
            "API-1",
            name,
            "failed",
            refusal.cause,
            seen=seen,
            expected="`Authorization: Bearer TOKEN`, or a reference token in `X-Api-Key`",
            mend="Send one credential, in one header.",
        )
        return outcome, None
    return CheckOutcome("API-1", name, "passed"), token


def _scheme(old: LegacyCredential, none: CheckOutcome, legacy: LegacyPeek | None) -> CheckOutcome:
    """The credential, when it is one of a legacy scheme [LEG-1]."""
    if legacy is None:
        return msgspec.structs.replace(none, seen=f"{old.scheme}, which is not taken here")
    return CheckOutcome(
        none.id,
        none.name,
        "passed",
        f"{old.scheme}, a deprecated scheme without scopes [LEG-1]",
        seen=str(old.scheme),
    )


def _permission(operation: Operation) -> CheckOutcome:
    """[LEG-15] Security records are not for legacy callers, whoever they are."""
    missing = missing_scope(operation.needed, PERMISSIONS)
    if missing is None:
        return CheckOutcome("API-15", "scopes cover the operation", "passed")
    return CheckOutcome(
        "API-15",
        "scopes cover the operation",
        "failed",
        f"legacy callers have nothing like the scope {missing}",
        seen=" ".join(sorted(PERMISSIONS)),
        expected=" ".join(sorted(operation.needed)),
        mend="Use an access token with this scope.",
    )


def _operation(guard: Guard, request: ApiRequest) -> tuple[Operation | None, CheckOutcome | None]:
    """What the request needs; or the outcome of API-15 when the API does not have its method."""
    try:
        path = normal_path(request.raw_path)
    except Refusal:
        return None, None
    try:
        return guard.operation_of(request.method, path, request.headers), None
    except MethodNotAllowed as refusal:
        return None, CheckOutcome(
            "API-15",
            "method known to the API",
            "failed",
            refusal.cause,
            seen=request.method[:16],
            expected=", ".join(refusal.allowed),
            mend="Use a method that the API has.",
        )


def _session(guard: Guard, token: str | None) -> CheckOutcome:
    peek = getattr(guard.sessions, "peek", None)
    if guard.sessions is None:
        why = "no sessions are kept here"
    elif token is None:
        why = "there is no token whose session it could be"
    elif peek is None:
        why = "it cannot be told without opening one"
    else:
        try:
            seen: CheckOutcome = peek(token)
        except StateUnavailable as error:
            why = f"it cannot be known now: {error}"
        else:
            return seen
    return CheckOutcome("API-16", "session open or a slot free", "not checked", why)


def _administrator(guard: Guard, token: str) -> CheckOutcome:
    examined = guard.verifier.examined(token)
    is_admin = has_required_claims(examined) and (
        principal_of(examined.claims, examined.state).is_admin
    )
    return CheckOutcome(
        "API-33",
        "administrator, to change security records",
        "passed" if is_admin else "failed",
        seen="an administrator" if is_admin else "no administrator, or not known to be one",
        expected="an administrator",
        mend="" if is_admin else "Have an administrator do this.",
    )

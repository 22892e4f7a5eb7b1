"""Why a request is allowed or refused: every check, with what was seen and expected."""

from __future__ import annotations

from sqlalchemy import Connection

from mintgate.contract.automation.credentials import CheckLine, Explained, RequestToExplain
from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.instance import API_AUDIENCES, Instance
from mintgate.contract.policy import Policy
from mintgate.identity.administration.call import Call
from mintgate.identity.stored_sources import stored_verifier
from mintgate.store import apis
from mintgate.verify import ApiRequest, CheckOutcome, Guard
from mintgate.verify.request_explanation import explain_request, first_failure

MAX_TARGET = 8192


def explain(call: Call) -> Explained:
    """Raises InvalidInput for an API that the instance does not have."""
    body = call.given(RequestToExplain)
    names = dict.fromkeys([*API_AUDIENCES, *_policies(call.connection, call.instance)])
    if body.api not in names:
        known = ", ".join(names)
        raise InvalidInput(problems=[("api", f"is not an API of this instance; it has {known}")])
    target = body.path.encode()
    if len(target) > MAX_TARGET:
        raise InvalidInput(problems=[("path", f"has more than {MAX_TARGET} bytes")])
    raw_path, _, query = target.partition(b"?")
    request = ApiRequest(
        body.method,
        raw_path,
        query,
        [(b"authorization", b"Bearer " + body.token.strip().encode())] if body.token else [],
    )
    outcomes = explained(call.connection, call.instance, call.now, body.api, request)
    failure = first_failure(outcomes)
    call.record(
        "request.explained",
        details={"api": body.api, "method": body.method[:16], "path": body.path[:254]},
    )
    return Explained(
        allowed=failure is None,
        refused_at=failure.id if failure is not None else None,
        checks=tuple(CheckLine(**_fields(outcome)) for outcome in outcomes),
    )


def explained(
    connection: Connection, instance: Instance, now: float, api: str, request: ApiRequest
) -> list[CheckOutcome]:
    """Every check of a request as the rows are at `now` (Unix seconds)."""
    policy = _policies(connection, instance).get(api)
    guard = Guard(stored_verifier(connection, instance, now), api, policy)
    return explain_request(guard, request)


def _policies(connection: Connection, instance: Instance) -> dict[str, Policy]:
    """Those of the APIs that are declared [EXT-12]."""
    declared = apis.all_of(connection, instance.id)
    return {api.settings.name: api.settings.policy for api in declared}


def _fields(outcome: CheckOutcome) -> dict[str, str]:
    return {name: getattr(outcome, name) for name in outcome.__struct_fields__}

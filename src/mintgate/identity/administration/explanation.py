"""Why a request is allowed or refused: every check, with what was seen and expected."""

from __future__ import annotations

from sqlalchemy import Connection

from mintgate.contract.automation.credentials import CheckLine, Explained, RequestToExplain
from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.declared_apis import settings_of
from mintgate.contract.instance import Instance
from mintgate.identity.administration.call import Call
from mintgate.identity.declared_apis import read_apis
from mintgate.identity.legacy_explanation import LegacyChecks
from mintgate.identity.stored_sources import stored_verifier
from mintgate.verify import ApiRequest, CheckOutcome, Guard
from mintgate.verify.request_explanation import explain_request, first_failure

MAX_TARGET = 8192


def explain(call: Call) -> Explained:
    """Raises InvalidInput for an API that the instance does not have."""
    body = call.given(RequestToExplain)
    apis = read_apis(call.connection, call.instance.id)
    if body.api not in apis:
        known = ", ".join(apis)
        raise InvalidInput(problems=[("api", f"is not an API of this instance; it has {known}")])
    target = body.path.encode()
    if len(target) > MAX_TARGET:
        raise InvalidInput(problems=[("path", f"has more than {MAX_TARGET} bytes")])
    raw_path, _, query = target.partition(b"?")
    path = body.path.partition("?")[0]
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
        # Without the query, which a person may have pasted with a token or somebody's data in it.
        details={"api": body.api, "method": body.method[:16], "path": path[:254]},
    )
    return Explained(
        allowed=failure is None,
        refused_at=failure.id if failure is not None else None,
        checks=tuple(CheckLine(**_fields(outcome)) for outcome in outcomes),
    )


def explained(
    connection: Connection, instance: Instance, now: float, api: str, request: ApiRequest
) -> list[CheckOutcome]:
    """Every check of a request as the rows are at `now` (Unix seconds).

    Args:
        api: its name; what is not declared any more has the policy that nothing was declared for.
    """
    settings = read_apis(connection, instance.id).get(api) or settings_of(api)
    guard = Guard(stored_verifier(connection, instance, now), api, settings.policy)
    legacy = LegacyChecks(connection, instance, now, api)
    return explain_request(guard, request, legacy=legacy)


def _fields(outcome: CheckOutcome) -> dict[str, str]:
    return {name: getattr(outcome, name) for name in outcome.__struct_fields__}

"""The error body of every built-in API, as Starlette responses [API-40, API-41]."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping

from starlette.responses import Response

from mintgate.apis.odata.problems import BadRequest, BusinessRuleViolation, NotFound, ODataProblem
from mintgate.contract.errors import Refusal, TemporarilyUnavailable
from mintgate.store import DatabaseUnavailable
from mintgate.store.records import NoSuchRecord, QueryProblem, RuleViolation, ValueProblem
from mintgate.verify import refusals

_log = logging.getLogger(__name__)
FORESEEN = (ODataProblem, QueryProblem, ValueProblem, RuleViolation, NoSuchRecord)
"""What a request of data can be wrong in, besides the refusals of the contract."""


def error_response(
    status: int, message: str, error_type: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """An error in ERP.net's shape.

    Args:
        message: a sentence that the caller may read.
        error_type: the OAuth error, or another short name of the cause [API-41].
    """
    return Response(
        refusals.error_body(message, status, error_type),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )


def refusal_response(refusal: Refusal, realm: str) -> Response:
    """The same answer that the guard in front gives, with its challenge [API-1, API-15].

    Args:
        realm: the audience name, such as `DomainAPI`.
    """
    status, headers, body = refusals.refusal_response(refusal, realm)
    response = Response(body, status)
    response.raw_headers = headers
    return response


def problem_response(error: Exception, realm: str) -> Response:
    """The answer to a request of the DomainAPI that failed [API-42, API-43].

    Args:
        realm: see `refusal_response`.
    """
    match error:
        case Refusal():
            return refusal_response(error, realm)
        case DatabaseUnavailable():
            _log.warning("the %s cannot reach its data: %s", realm, error)
            return refusal_response(TemporarilyUnavailable(), realm)
        case ODataProblem():
            problem = error
        case NoSuchRecord():
            problem = NotFound("There is no entity with this id.")
        case RuleViolation():
            problem = BusinessRuleViolation(str(error))
        case QueryProblem() | ValueProblem():
            problem = BadRequest(str(error))
        case _:
            # The caller gets an id and no detail.
            request_id = uuid.uuid4().hex
            _log.error("%s request %s failed", realm, request_id, exc_info=error)
            return error_response(500, f"Unexpected failure, request {request_id}.", "ServerError")
    return error_response(problem.status, str(problem), problem.error_type, problem.headers)

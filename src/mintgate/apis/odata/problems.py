"""What an OData request can be refused for, besides the refusals of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class ODataProblem(Exception):
    """A request that is answered with an error body [API-40]; the message is for the caller."""

    status: ClassVar[int] = 400
    error_type: ClassVar[str] = "BadRequest"

    @property
    def headers(self) -> Mapping[str, str]:
        return {}


class BadRequest(ODataProblem):
    """A malformed query or body [API-42, API-43]."""


class NotFound(ODataProblem):
    """An unknown entity set, id or path [API-43]."""

    status = 404
    error_type = "NotFound"


class MethodNotAllowed(ODataProblem):
    """A method that the addressed thing does not have [API-15]."""

    status = 405
    error_type = "MethodNotAllowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = allowed
        super().__init__(f"This address has only the methods {', '.join(allowed)}.")

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Allow": ", ".join(self._allowed)}


class TooLarge(ODataProblem):
    """A body larger than any entity, or answers larger than a batch may have."""

    status = 413
    error_type = "ContentTooLarge"


class NotJson(ODataProblem):
    """A body of another media type."""

    status = 415
    error_type = "UnsupportedMediaType"


class BusinessRuleViolation(ODataProblem):
    """A change that a rule of the data forbids: 500, as ERP.net answers [API-42]."""

    status = 500
    error_type = "BusinessRuleViolation"


class NotBuilt(ODataProblem):
    """Something of the protocol that this API does not have."""

    status = 501
    error_type = "NotImplemented"

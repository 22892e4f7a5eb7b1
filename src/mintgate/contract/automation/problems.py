"""What the automation API refuses, beside bad credentials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mintgate.contract.errors import Refusal

Problems = Sequence[tuple[str, str]]


class NoSuchRecord(Refusal):
    """It does not exist, or is not the caller's: nobody learns which [PRF-7]."""

    error = "not_found"
    status = 404
    sentence = "There is no such record."


class InvalidInput(Refusal):
    """A body, a query or a record breaks the rules.

    Args:
        problems: (attribute, sentence) pairs, when single attributes are to blame.
    """

    error = "invalid_request"
    sentence = "The request is not valid."

    def __init__(self, description: str | None = None, *, problems: Problems = ()) -> None:
        self.problems = tuple(problems)
        told = " ".join(f"{attribute} {sentence}." for attribute, sentence in self.problems)
        super().__init__(description or told or None)


class BuiltIn(Refusal):
    error = "built_in"
    status = 403
    sentence = "This application belongs to the instance itself and cannot be changed [TOP-12]."


class Conflict(Refusal):
    error = "conflict"
    status = 409
    sentence = "The record is in a state that does not allow this."


class PreconditionFailed(Refusal):
    """RFC 9110 §13.1.1"""

    error = "precondition_failed"
    status = 412
    sentence = "The record was changed meanwhile; read it again."


class PreconditionRequired(Refusal):
    """RFC 6585 §3"""

    error = "precondition_required"
    status = 428
    sentence = "Send If-Match with the ETag that you read."


class KeyReused(Refusal):
    """The Idempotency-Key came before, with another request."""

    error = "idempotency_key_reused"
    status = 422
    sentence = "This Idempotency-Key was used for another request."


class UnsupportedContent(Refusal):
    error = "unsupported_media_type"
    status = 415
    sentence = "Send the body as application/json."


class MethodNotAllowed(Refusal):
    """Args: `allowed` are the methods of this address."""

    error = "method_not_allowed"
    status = 405
    sentence: ClassVar[str] = "This address does not have this method."

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Use {allowed}.")
        self.allowed = allowed

"""What the adapters for Python frameworks share: a request is admitted, or refused as one thing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from mintgate.contract.errors import (
    BatchNotTaken,
    NoCredential,
    Refusal,
    TemporarilyUnavailable,
)
from mintgate.contract.policy import require_scopes
from mintgate.verify.api_request import Admission, ApiRequest
from mintgate.verify.batch import BatchLimits, Plan, RefusedPart, take_apart
from mintgate.verify.guard import Guard
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.principal import Principal
from mintgate.verify.refusals import refusal_response
from mintgate.verify.state import StateUnavailable

NOTHING_MORE: frozenset[str] = frozenset()
SCOPES = "__mintgate_scopes__"
_counting = threading.Lock()
"""Requests of one session run in several threads of a WSGI server."""


class BatchReader(msgspec.Struct, frozen=True):
    """How an adapter takes batches, whose body it can replace [API-32].

    Args:
        body: reads it, and raises BatchTooLarge.
        note: told of each refused part.
    """

    body: Callable[[], bytes]
    limits: BatchLimits
    note: Callable[[RefusedPart], None]


class Admitted(msgspec.Struct, frozen=True):
    """An admission, and by whom: an application may have several guards."""

    guard: Guard
    admission: Admission
    plan: Plan | None = None
    """What becomes of it, when it is a batch."""

    @property
    def principal(self) -> Principal:
        """The caller. Raises NoCredential for a preflight, which has none [API-25]."""
        if self.admission.principal is None:
            raise NoCredential(cause="a preflight reached what needs a caller")
        return self.admission.principal

    def require(self, scopes: frozenset[str]) -> Principal:
        """The caller, who needs these scopes besides those of the policy.

        Raises:
            InsufficientScope, NoCredential: there is none, or one lacks a scope.
        """
        principal = self.principal
        require_scopes(scopes, principal.permissions)
        return principal

    def start(self) -> None:
        """One more request of the session runs [SES-26]."""
        if self.admission.session is not None:
            with _counting:
                self.admission.session.current += 1

    def end(self) -> None:
        """The request ran; to be called once for each `start`."""
        if self.admission.session is not None:
            with _counting:
                self.admission.session.current -= 1

    def note_bytes(self, *, up: int = 0, down: int = 0) -> None:
        if self.admission.session is not None:
            with _counting:
                self.admission.session.uploaded += up
                self.admission.session.downloaded += down


def admitted(
    guard: Guard,
    request: ApiRequest,
    also: frozenset[str] = NOTHING_MORE,
    batch: BatchReader | None = None,
) -> Admitted:
    """Make every check of a request.

    Args:
        also: scopes that the route needs besides those of the policy.
        batch: without it a batch is refused.

    Raises:
        Refusal: the first check that failed; `TemporarilyUnavailable` when it cannot be told now.
    """
    try:
        admission = guard.admit(request, also)
        plan = _taken_apart(guard, admission, request, batch)
        if plan is not None and plan.body is not None:
            guard.occupy(admission)
    except (KeysUnavailable, StateUnavailable) as error:
        raise TemporarilyUnavailable(cause=str(error)) from error
    return Admitted(guard, admission, plan)


async def admitted_async(
    guard: Guard,
    request: ApiRequest,
    also: frozenset[str] = NOTHING_MORE,
    batch: BatchReader | None = None,
) -> Admitted:
    """The same as `admitted`, waiting in the event loop."""
    try:
        admission = await guard.admit_async(request, also)
        plan = _taken_apart(guard, admission, request, batch)
        if plan is not None and plan.body is not None:
            await guard.occupy_async(admission)
    except (KeysUnavailable, StateUnavailable) as error:
        raise TemporarilyUnavailable(cause=str(error)) from error
    return Admitted(guard, admission, plan)


def text_response(refusal: Refusal, realm: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """`refusal_response` with headers as text, as WSGI and its frameworks take them."""
    status, headers, body = refusal_response(refusal, realm)
    return status, as_text(headers), body


def as_text(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def needed_by(*views: object) -> frozenset[str]:
    """The scopes that `requires` has written on a route's function."""
    return NOTHING_MORE.union(*(getattr(view, SCOPES, NOTHING_MORE) for view in views))


def named(scopes: tuple[str, ...]) -> frozenset[str]:
    """The arguments of a `requires`. Raises ValueError when they say nothing."""
    if not scopes or not all(isinstance(scope, str) and scope for scope in scopes):
        raise ValueError('name the scopes that are needed, such as "update"')
    return frozenset(scopes)


def _taken_apart(
    guard: Guard, admission: Admission, request: ApiRequest, batch: BatchReader | None
) -> Plan | None:
    if not admission.operation.is_batch:
        return None
    if batch is None:
        raise BatchNotTaken(
            "A $batch cannot be checked here. Put mintgate's GuardMiddleware around the "
            "application, or send the requests one by one."
        )
    if request.method != "POST":
        raise BatchNotTaken(cause="it would become a connection of another protocol")
    plan = take_apart(guard, admission, request.headers, batch.body(), batch.limits)
    for part in plan.refused:
        batch.note(part)
    return plan

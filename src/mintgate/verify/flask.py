"""Flask: a guard in front of an application or of one blueprint.

MintgateFlask(app, guard)

@app.post("/orders")
@requires("update")
def create(): ... current_principal.login ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

try:
    from flask import Blueprint, Flask, Response, current_app, g, request
    from flask.blueprints import BlueprintSetupState
    from werkzeug.local import LocalProxy
except ImportError as error:
    raise ImportError("mintgate.verify.flask needs Flask: pip install flask") from error

from mintgate.contract.errors import Refusal
from mintgate.verify import wsgi
from mintgate.verify.admitting import (
    SCOPES,
    Admitted,
    BatchReader,
    admitted,
    as_text,
    named,
    needed_by,
    text_response,
)
from mintgate.verify.batch import USUAL_LIMITS, BatchLimits, Plan, RefusedPart
from mintgate.verify.batch.plan import HttpAnswer
from mintgate.verify.batch.wsgi import Completed, body_of, replace_body
from mintgate.verify.guard import Guard
from mintgate.verify.principal import Principal
from mintgate.verify.refusals import refusal_response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

P = ParamSpec("P")
R = TypeVar("R")
OnRefusal = Callable[[Refusal], None]
_ADMITTED = "mintgate.admitted"
_BATCH = "mintgate.batch"


class MintgateFlask:
    """Checks the requests of an application, or those to the routes of a blueprint.

    `g.principal` is the caller, None in a preflight. Make it before other extensions that look at
    requests: Flask asks in the order in which they were made. A path without a route is refused
    like any other by an application's guard, and is a 404 beside a blueprint.

    Args:
        app: what to guard; or call `init_app` later.
        guard: what to check by.
        on_refusal: told of each refusal before it is sent, for an audit log; of a batch, of
            each refused part.
        batch_limits: what one OData batch may be, of which each part is judged alone [API-32].
    """

    def __init__(
        self,
        app: Flask | Blueprint | None,
        guard: Guard,
        on_refusal: OnRefusal | None = None,
        batch_limits: BatchLimits = USUAL_LIMITS,
    ) -> None:
        self.guard = guard
        self.batch_limits = batch_limits
        self._on_refusal = on_refusal
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask | Blueprint) -> None:
        """Guard an application or a blueprint; a blueprint before it is registered."""
        app.before_request(self._check)
        if isinstance(app, Blueprint):
            app.record(_finish_in)
        else:
            _finish(app)

    def refuse(self, refusal: Refusal) -> Response:
        """The answer to a request that is refused."""
        if self._on_refusal is not None:
            self._on_refusal(refusal)
        status, headers, body = text_response(refusal, self.guard.audience)
        return Response(body, status, headers)

    def refused_answer(self, refusal: Refusal) -> HttpAnswer:
        """The same, for an answer that is given up when the view has made it."""
        if self._on_refusal is not None:
            self._on_refusal(refusal)
        return refusal_response(refusal, self.guard.audience)

    def _note(self, part: RefusedPart) -> None:
        if self._on_refusal is not None:
            self._on_refusal(part.refusal)

    def _check(self) -> Response | None:
        known = g.get("mintgate")
        if known is not None and known[1].guard is self.guard:
            return None  # of a guarded blueprint in a guarded application
        view = current_app.view_functions.get(request.endpoint or "")
        environ = request.environ
        batch = BatchReader(
            functools.partial(body_of, environ, self.batch_limits), self.batch_limits, self._note
        )
        try:
            found = admitted(self.guard, wsgi.request_of(environ), needed_by(view), batch)
        except Refusal as refusal:
            return self.refuse(refusal)
        if found.plan is not None:
            if (finished := found.plan.refusal_only) is not None:
                status, headers, body = finished
                return Response(body, status, as_text(headers))
            replace_body(environ, found.plan)
        g.mintgate = (self, found)
        g.principal = found.admission.principal
        wsgi.note(environ, found)
        environ[_ADMITTED].append(found)
        if found.plan is not None:
            environ[_BATCH].append((self, found.plan))
        return None


def requires(*scopes: str) -> Callable[[Callable[P, R]], Callable[P, R | Response]]:
    """Scopes that a view needs besides those of the guard's policy; stands below `@app.route`.

    Raises:
        ValueError: no scope is named.
    """
    needed = named(scopes)

    def mark(view: Callable[P, R]) -> Callable[P, R | Response]:
        @functools.wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R | Response:
            extension, found = _known()
            # The guard has looked already, unless another decorator hid this one from it.
            try:
                found.require(needed)
            except Refusal as refusal:
                return extension.refuse(refusal)
            run: Callable[P, R] = current_app.ensure_sync(view)
            return run(*args, **kwargs)

        setattr(checked, SCOPES, needed | needed_by(view))
        return checked

    return mark


def _known() -> tuple[MintgateFlask, Admitted]:
    known: tuple[MintgateFlask, Admitted] | None = g.get("mintgate")
    if known is None:
        raise RuntimeError(
            "no guard has seen this request: make a MintgateFlask for its application or blueprint"
        )
    return known


def _caller() -> Principal:
    return _known()[1].principal


current_principal = cast("Principal", LocalProxy(_caller))
"""The caller of the request; raises NoCredential in a preflight, RuntimeError without a guard."""


class _Finishing:
    """Around an application whose guards admit requests within it."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found: list[Admitted] = []
        environ[_ADMITTED] = found
        batch: list[tuple[MintgateFlask, Plan]] = []
        environ[_BATCH] = batch
        app = Completed(
            self._app,
            lambda: [plan for _, plan in batch],
            lambda refusal: batch[-1][0].refused_answer(refusal),
            lambda: batch[-1][0].batch_limits,
        )
        return wsgi.finish(app, environ, start_response, found)


def _finish(app: Flask) -> None:
    if "mintgate" not in app.extensions:
        app.extensions["mintgate"] = finishing = _Finishing(app.wsgi_app)
        setattr(app, "wsgi_app", finishing)  # noqa: B010 - a method, replaced as Flask documents


def _finish_in(state: BlueprintSetupState) -> None:
    # Blueprints are typed for any framework of Flask's making.
    app: Any = state.app
    _finish(app)

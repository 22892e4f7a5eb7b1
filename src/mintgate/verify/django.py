"""Django: a middleware configured by settings, for WSGI and ASGI.

MIDDLEWARE = ["mintgate.verify.django.DjangoGuardMiddleware", …]  # the first one
MINTGATE_GUARD = "myproject.guards.guard"  # a `Guard`
MINTGATE_PREFIX = "/api"  # what is guarded, or a list; everything unless it is set
MINTGATE_ON_REFUSAL = "myproject.guards.note"  # optional: called with request and refusal
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeAlias, cast

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured, PermissionDenied
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import Resolver404, resolve
    from django.utils.module_loading import import_string
except ImportError as error:
    raise ImportError("mintgate.verify.django needs Django: pip install django") from error

from mintgate.contract.errors import AmbiguousRequest, Refusal
from mintgate.contract.request_target import normal_path
from mintgate.verify import wsgi
from mintgate.verify.admitting import (
    SCOPES,
    Admitted,
    BatchReader,
    admitted,
    admitted_async,
    as_text,
    named,
    needed_by,
    text_response,
)
from mintgate.verify.api_request import ApiRequest
from mintgate.verify.asgi import request_to_serve
from mintgate.verify.batch import USUAL_LIMITS, RefusedPart
from mintgate.verify.batch.django import body_of, completed, completed_async, replaced
from mintgate.verify.guard import Guard
from mintgate.verify.principal import Principal

P = ParamSpec("P")
GetResponse: TypeAlias = Callable[[HttpRequest], "HttpResponseBase | Awaitable[HttpResponseBase]"]
OnRefusal: TypeAlias = Callable[[HttpRequest, Refusal], None]
_KNOWN = "_mintgate"


class DjangoGuardMiddleware:
    """Checks the requests below `MINTGATE_PREFIX`; `request.principal` is the caller.

    It is None elsewhere, and in a preflight. A path that servers could read in different ways is
    refused everywhere, since it might be one below the prefix.

    Raises:
        ImproperlyConfigured: `MINTGATE_GUARD` does not name a `Guard`, or a prefix has no slash.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        self.guard = _guard_of_settings()
        self._prefixes = _prefixes_of_settings()
        hook = getattr(settings, "MINTGATE_ON_REFUSAL", None)
        self._on_refusal: OnRefusal | None = import_string(hook) if hook else None

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._answer_async(request)
        try:
            asked = self._asked(request)
            batch = self._reader(request)
            found = (
                admitted(self.guard, asked, _needed(request), batch) if asked is not None else None
            )
        except Refusal as refusal:
            return self.refuse(request, refusal)
        plan = found.plan if found is not None else None
        if plan is not None and (finished := replaced(request, plan)) is not None:
            return finished
        self._note(request, found)
        try:
            response = cast("HttpResponseBase", self._get_response(request))
            if plan is not None:
                response = completed(response, plan, functools.partial(self.refuse, request))
        except BaseException:
            _end(found)
            raise
        return _finished(response, found)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        try:
            asked = self._asked(request)
            found = (
                await admitted_async(self.guard, asked, _needed(request), self._reader(request))
                if asked is not None
                else None
            )
        except Refusal as refusal:
            return self.refuse(request, refusal)
        plan = found.plan if found is not None else None
        if plan is not None and (finished := replaced(request, plan)) is not None:
            return finished
        self._note(request, found)
        try:
            response = await cast("Awaitable[HttpResponseBase]", self._get_response(request))
            if plan is not None:
                refused = functools.partial(self.refuse, request)
                response = await completed_async(response, plan, refused)
        except BaseException:
            _end(found)
            raise
        return _finished(response, found)

    def refuse(self, request: HttpRequest, refusal: Refusal) -> HttpResponse:
        """The answer to a request that is refused."""
        if self._on_refusal is not None:
            self._on_refusal(request, refusal)
        status, headers, body = text_response(refusal, self.guard.audience)
        return HttpResponse(body, status=status, headers=_joined(headers))

    def _reader(self, request: HttpRequest) -> BatchReader:
        def note(part: RefusedPart) -> None:
            if self._on_refusal is not None:
                self._on_refusal(request, part.refusal)

        return BatchReader(functools.partial(body_of, request), USUAL_LIMITS, note)

    def _asked(self, request: HttpRequest) -> ApiRequest | None:
        """The request for the guard; None when its place is not guarded."""
        scope = getattr(request, "scope", None)
        asked = request_to_serve(scope) if scope is not None else wsgi.request_of(request.META)
        # From the server's root, and from where the application is mounted: either may be meant.
        for path in (normal_path(asked.raw_path), request.path_info):
            folded = path.casefold()  # URL patterns may disregard case
            if any(folded == one or folded.startswith(one + "/") for one in self._prefixes):
                return asked
        return None

    def _note(self, request: HttpRequest, found: Admitted | None) -> None:
        setattr(request, "principal", found.admission.principal if found else None)  # noqa: B010
        if found is None:
            return
        setattr(request, _KNOWN, (self, found))
        # Django has taken the body's stream already, or all of it.
        length = request.META.get("CONTENT_LENGTH") or ""
        if length.isdecimal() and len(length) < 16:
            found.note_bytes(up=int(length))
        found.start()


def requires_scope(
    *scopes: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], Any]], Callable[Concatenate[HttpRequest, P], Any]
]:
    """Scopes that a view needs besides those of the guard's policy.

    It goes around a view function, sync or async, or around `SomeView.as_view()`. On a method of a
    class it is looked at when the session is open already.

    Raises:
        ValueError: no scope is named.
    """
    needed = named(scopes)

    def mark(
        view: Callable[Concatenate[HttpRequest, P], Any],
    ) -> Callable[Concatenate[HttpRequest, P], Any]:
        @functools.wraps(view)
        def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> Any:
            refused = _late_refusal(request, needed)
            return view(request, *args, **kwargs) if refused is None else refused

        @functools.wraps(view)
        async def checked_async(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> Any:
            refused = _late_refusal(request, needed)
            return await view(request, *args, **kwargs) if refused is None else refused

        wrapper = checked_async if iscoroutinefunction(view) else checked
        setattr(wrapper, SCOPES, needed | needed_by(view))
        return wrapper

    return mark


def principal_of(request: HttpRequest) -> Principal:
    """`request.principal`, for views that have a caller for sure.

    Raises:
        PermissionDenied: nobody in particular calls: a preflight, or a path outside the prefix.
    """
    principal = getattr(request, "principal", None)
    if not isinstance(principal, Principal):
        raise PermissionDenied("the request has no caller")
    return principal


def _late_refusal(request: HttpRequest, needed: frozenset[str]) -> HttpResponse | None:
    # The middleware has looked already, unless another decorator hid this one from it.
    known: tuple[DjangoGuardMiddleware, Admitted] | None = getattr(request, _KNOWN, None)
    if known is None:
        raise ImproperlyConfigured(
            "a view with @requires_scope is not guarded: put DjangoGuardMiddleware into "
            "MIDDLEWARE, and the view's path below MINTGATE_PREFIX"
        )
    middleware, found = known
    try:
        found.require(needed)
    except Refusal as refusal:
        return middleware.refuse(request, refusal)
    return None


def _needed(request: HttpRequest) -> frozenset[str]:
    try:
        return needed_by(resolve(request.path_info, getattr(request, "urlconf", None)).func)
    except Resolver404:
        return frozenset()


def _guard_of_settings() -> Guard:
    name = getattr(settings, "MINTGATE_GUARD", None)
    if not isinstance(name, str):
        raise ImproperlyConfigured(
            'MINTGATE_GUARD must name a Guard, such as "myproject.guards.guard"'
        )
    guard = import_string(name)
    if not isinstance(guard, Guard):
        raise ImproperlyConfigured(f"MINTGATE_GUARD: {name} is not a Guard")
    return guard


def _prefixes_of_settings() -> tuple[str, ...]:
    declared = getattr(settings, "MINTGATE_PREFIX", "/")
    prefixes = (declared,) if isinstance(declared, str) else tuple(declared)
    for prefix in prefixes:
        try:
            if normal_path(prefix.encode()) != prefix:
                raise ImproperlyConfigured(f"MINTGATE_PREFIX: {prefix!r} must not be escaped")
        except AmbiguousRequest as problem:
            raise ImproperlyConfigured(f"MINTGATE_PREFIX: {problem.description}") from None
    if not prefixes:
        raise ImproperlyConfigured('MINTGATE_PREFIX is empty; "/" guards everything')
    return tuple(prefix.rstrip("/").casefold() for prefix in prefixes)


def _end(found: Admitted | None) -> None:
    if found is not None:
        found.end()


def _finished(response: HttpResponseBase, found: Admitted | None) -> HttpResponseBase:
    """The answer with the headers of its admission, counted [SES-26]."""
    if found is None:
        return response
    for name, value in _joined(as_text(found.admission.headers)).items():
        response[name] = value
    if isinstance(response, StreamingHttpResponse):
        pieces: Any = response.streaming_content
        response.streaming_content = (
            _CountedAsync(pieces, found) if response.is_async else _Counted(pieces, found)
        )
        return response
    found.note_bytes(down=len(getattr(response, "content", b"")))
    found.end()
    return response


class _Ending:
    """Ends its request once: Django calls `close` of what a response streams."""

    def __init__(self, found: Admitted) -> None:
        self._found: Admitted | None = found

    def close(self) -> None:
        found, self._found = self._found, None
        _end(found)

    def __del__(self) -> None:
        self.close()  # a task that was cancelled leaves its response unclosed


class _Counted(_Ending):
    def __init__(self, pieces: Iterator[bytes], found: Admitted) -> None:
        super().__init__(found)
        self._pieces, self._counted = pieces, found

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        self._counted.note_bytes(down=len(piece))
        return piece


class _CountedAsync(_Ending):
    def __init__(self, pieces: AsyncIterator[bytes], found: Admitted) -> None:
        super().__init__(found)
        self._pieces, self._counted = pieces, found

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._pieces)
        self._counted.note_bytes(down=len(piece))
        return piece


def _joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    """As Django keeps headers: one line a name (RFC 9110 §5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found

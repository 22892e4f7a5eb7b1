"""Spans by OpenTelemetry: requests, token checks, commits, calls of servers behind the gate.

Attributes say what kind of thing happened and how it ended. Nothing that a caller sent is in them:
no path, no query, no header, no client, no login.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import aiohttp
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

import mintgate
from mintgate.contract.errors import Refusal
from mintgate.gate.access_log import Record
from mintgate.gate.proxy import upstreams
from mintgate.server.telemetry.tracing import Ended, TracesUnavailable
from mintgate.store.writer import Writer
from mintgate.verify.guard import Guard

# Every span is told to keep no exception: the text of one may hold anything.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
CARRIED = frozenset({b"traceparent", b"tracestate", b"baggage"})


class OpenTelemetryTraces:
    """Traces this process, from now on.

    Args:
        processor: gets the spans that have ended.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        resource = Resource({SERVICE_NAME: "mintgate", SERVICE_VERSION: mintgate.__version__})
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes first.
        self._provider = TracerProvider(resource=resource.merge(_of_operator()))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("mintgate", mintgate.__version__)
        self._undo = contextlib.ExitStack()
        self._put_around()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> OpenTelemetryTraces:
        """Raises: TracesUnavailable, for an exporter that is not known here."""
        return cls(BatchSpanProcessor(_exporter(environment)))

    @contextlib.contextmanager
    def of_request(self, scope: Mapping[str, Any]) -> Iterator[Ended]:
        method = scope.get("method", "GET")
        method = method if method in METHODS else "_OTHER"
        with self._tracer.start_as_current_span(
            method,
            context=propagate.extract(_carried(scope)),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield lambda record: _end(span, method, record)

    def stop(self) -> None:
        self._undo.close()
        self._provider.shutdown()

    def _put_around(self) -> None:
        """Replace what is traced, so that nobody pays for it while nothing is traced."""
        self._replace(Guard, "admit_async", _checked(self._tracer, Guard.admit_async))
        self._replace(Writer, "submit", _committed(self._tracer, Writer.submit))
        passed_on = _passed_on(self._tracer)
        upstreams.AROUND.append(passed_on)
        self._undo.callback(upstreams.AROUND.remove, passed_on)

    def _replace(self, owner: type, name: str, new: Callable[..., Any]) -> None:
        self._undo.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, new)


def _exporter(environment: Mapping[str, str]) -> SpanExporter:
    wanted = environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() or "otlp"
    if wanted == "console":
        return ConsoleSpanExporter()
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    if wanted != "otlp" or protocol != "http/protobuf":
        raise TracesUnavailable(
            "traces go out as OTLP over http/protobuf, or to the console: set "
            "OTEL_TRACES_EXPORTER to otlp or console, and OTEL_EXPORTER_OTLP_PROTOCOL to "
            "http/protobuf"
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _of_operator() -> Resource:
    found = Resource.create()
    name = str(found.attributes.get(SERVICE_NAME, ""))
    if not name.startswith("unknown_service"):
        return found
    return Resource({k: v for k, v in found.attributes.items() if k != SERVICE_NAME})


def _carried(scope: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name in CARRIED:
            key = name.decode("ascii")
            if key in found and key == "traceparent":
                return {}  # W3C Trace Context §3.2: of two, none is believed
            found[key] = value.decode("latin-1")
    return found


def _end(span: Span, method: str, record: Record | None) -> None:
    if record is None:
        return
    span.update_name(f"{method} {record.endpoint}")
    span.set_attribute("mintgate.endpoint", record.endpoint)
    span.set_attribute("http.response.status_code", record.status)
    span.set_attribute("mintgate.request_id", str(record.request_id))
    if record.instance != "-":
        span.set_attribute("mintgate.instance", record.instance)
    if record.refusal is not None:
        span.set_attribute("error.type", record.refusal.error)
    if record.status >= 500 or not record.status:
        span.set_status(Status(StatusCode.ERROR))


def _fail(span: Span, error: BaseException) -> None:
    kind = error.error if isinstance(error, Refusal) else type(error).__name__
    span.set_attribute("error.type", kind)
    if not isinstance(error, Refusal):
        span.set_status(Status(StatusCode.ERROR))


def _checked(tracer: Tracer, original: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    async def admit_async(self: Guard, *args: Any, **options: Any) -> Any:
        with tracer.start_as_current_span(
            "token check",
            attributes={"mintgate.api": self.audience},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await original(self, *args, **options)
            except Exception as error:
                _fail(span, error)
                raise

    return admit_async


def _committed(tracer: Tracer, original: Callable[..., asyncio.Future[Any]]) -> Callable[..., Any]:
    def submit(self: Writer, *args: Any, **options: Any) -> asyncio.Future[Any]:
        if not trace.get_current_span().is_recording():
            return original(self, *args, **options)  # housekeeping, which no request waits for
        span = tracer.start_span("database commit", kind=SpanKind.CLIENT)

        def done(future: asyncio.Future[Any]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                _fail(span, error)
            span.end()

        try:
            future = original(self, *args, **options)
        except BaseException as error:
            _fail(span, error)
            span.end()
            raise
        future.add_done_callback(done)
        return future

    return submit


def _passed_on(tracer: Tracer) -> aiohttp.ClientMiddlewareType:
    async def passed_on(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        method = request.method if request.method in METHODS else "_OTHER"
        with tracer.start_as_current_span(
            f"{method} upstream",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": method,
                "server.address": request.url.host or "",
                "server.port": request.url.port or 0,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            told: dict[str, str] = {}
            propagate.inject(told)
            request.headers.update(told)
            try:
                response = await handler(request)
            except Exception as error:
                _fail(span, error)
                raise
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            return response

    return passed_on

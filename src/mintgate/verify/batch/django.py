"""A batch before a Django view: its body read, replaced, and the answer completed."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from mintgate.contract.errors import UnreadableAnswer
from mintgate.verify.batch.parts import USUAL_LIMITS, too_large
from mintgate.verify.batch.plan import HttpAnswer, Plan
from mintgate.verify.batch.wsgi import replace_body

Refused = Callable[[UnreadableAnswer], HttpResponse]


def body_of(request: HttpRequest) -> bytes:
    """The body of a batch. Raises BatchTooLarge."""
    body = request.read(USUAL_LIMITS.body_bytes + 1)
    if len(body) > USUAL_LIMITS.body_bytes:
        raise too_large(USUAL_LIMITS)
    return bytes(body)


def replaced(request: HttpRequest, plan: Plan) -> HttpResponse | None:
    """Give the view the permitted parts; the finished answer when there are none."""
    if plan.refusal_only is not None:
        return _response(plan.refusal_only)
    replace_body(request.META, plan)
    # What the request has taken from its `META` already; there is no public way to renew it.
    changed: Any = request
    changed._body, changed._stream = plan.body, io.BytesIO(plan.body or b"")
    changed._set_content_type_params(request.META)
    changed.__dict__.pop("headers", None)
    return None


def completed(response: HttpResponseBase, plan: Plan, refused: Refused) -> HttpResponseBase:
    """The view's answer with the parts that were refused.

    Args:
        refused: answers when the view's answer cannot be read.
    """
    if plan.is_whole:
        return response
    body = b"".join(cast("Any", response))
    return _merged(response, body, plan, refused)


async def completed_async(
    response: HttpResponseBase, plan: Plan, refused: Refused
) -> HttpResponseBase:
    """The same for an answer whose pieces may be waited for."""
    if plan.is_whole:
        return response
    if isinstance(response, StreamingHttpResponse) and response.is_async:
        body = b"".join([piece async for piece in cast("AsyncIterator[bytes]", response)])
    else:
        body = b"".join(cast("Any", response))
    return _merged(response, body, plan, refused)


def _merged(
    response: HttpResponseBase, body: bytes, plan: Plan, refused: Refused
) -> HttpResponseBase:
    response.close()
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.items()
    ]
    try:
        if len(body) > USUAL_LIMITS.answer_bytes:
            raise UnreadableAnswer(cause="the answer to the batch is too long")
        answer = _response(plan.merge(response.status_code, headers, body))
    except UnreadableAnswer as refusal:
        answer = refused(refusal)
    answer.cookies = response.cookies
    return answer


def _response(answer: HttpAnswer) -> HttpResponse:
    status, headers, body = answer
    response = HttpResponse(body, status=status)
    for name, value in headers:
        response[name.decode("latin-1")] = value.decode("latin-1")
    return response

"""What the tools of an instance read from a request, at its root and below the AppServer."""

from __future__ import annotations

from starlette.requests import Request

from mintgate.contract.errors import InvalidRequest
from mintgate.contract.identifiers import secret_hash
from mintgate.identity.forms import query_of, read_form


async def sha256_of(request: Request) -> dict[str, str]:
    """The form in which an application's secret is registered [TOP-28].

    GET takes the secret from the query, POST from a form: what is in a URL stays in histories and
    logs of proxies, so POST is the better one.

    Raises:
        InvalidRequest: there is no `secret`, or the query or the form is malformed.
    """
    if request.method == "POST":
        parameters = await read_form(request.scope, request.receive)
    else:
        parameters = query_of(request.scope)
    secret = parameters.get("secret")
    if secret is None:
        raise InvalidRequest("The parameter secret is missing.")
    return {"sha256": secret_hash(secret)}

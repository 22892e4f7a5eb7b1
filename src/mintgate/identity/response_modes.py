"""Sending an authorization response back to the application (§3.3) [AUT-40..43, AUT-49]."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse, Response

from mintgate.contract.errors import Refusal
from mintgate.identity.authorization import ReturnAddress

FormPage = Callable[[str, dict[str, str]], Response]
"""Draws the page whose form sends itself: address and fields in, see `Pages.form_post`."""


def respond(
    address: ReturnAddress, parameters: dict[str, str], issuer: str, form_page: FormPage
) -> Response:
    """Answer by the chosen mode; `state` and `iss` are added (RFC 9207 §2).

    Args:
        parameters: `code` and perhaps `id_token`, or `error` and its description.
    """
    fields = dict(parameters)
    if address.state is not None:
        fields["state"] = address.state
    fields["iss"] = issuer
    if address.mode == "form_post":
        return form_page(address.redirect_uri, fields)
    return RedirectResponse(
        _with_parameters(address.redirect_uri, fields, fragment=address.mode == "fragment"),
        status_code=303,
        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )


def respond_refusal(
    address: ReturnAddress, refusal: Refusal, issuer: str, form_page: FormPage
) -> Response:
    """An error sent by redirect [AUT-49]."""
    return respond(
        address,
        {"error": refusal.error, "error_description": refusal.description},
        issuer,
        form_page,
    )


def _with_parameters(uri: str, fields: dict[str, str], *, fragment: bool) -> str:
    # %20 rather than +: the plain-JavaScript samples do not decode a plus sign [CLI-6].
    encoded = urlencode(fields, quote_via=quote)
    if fragment:
        return f"{uri}#{encoded}"
    return f"{uri}{'&' if '?' in uri else '?'}{encoded}"  # [AUT-42] an existing query is kept

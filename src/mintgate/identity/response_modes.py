"""Sending an authorization response back to the application (§3.3) [AUT-40..43, AUT-49]."""

from __future__ import annotations

import html
from urllib.parse import quote, urlencode, urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response

from mintgate.contract.errors import Refusal
from mintgate.identity.authorization import ReturnAddress

SUBMIT_SCRIPT_PATH = "/assets/submit.js"
"""Below the issuer; an external script, because the policy allows no inline code [AUT-43]."""

_FORM = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Back to the application</title></head>
<body>
<form method="post" action="{action}">
{fields}
<noscript><p>Press the button to go back to the application.</p></noscript>
<button type="submit">Continue</button>
</form>
<script src="{script}"></script>
</body>
</html>
"""


def form_target_of(redirect_uri: str) -> str:
    """The origin, or custom scheme, of a redirect URI as `form-action` names it [SGN-9]."""
    parts = urlsplit(redirect_uri)
    if parts.scheme in {"http", "https"}:
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def respond(address: ReturnAddress, parameters: dict[str, str], issuer: str) -> Response:
    """Answer by the chosen mode; `state` and `iss` are added (RFC 9207 §2).

    Args:
        parameters: `code` and perhaps `id_token`, or `error` and its description.
    """
    fields = dict(parameters)
    if address.state is not None:
        fields["state"] = address.state
    fields["iss"] = issuer
    if address.mode == "form_post":
        return _form_post(address.redirect_uri, fields, issuer)
    return RedirectResponse(
        _with_parameters(address.redirect_uri, fields, fragment=address.mode == "fragment"),
        status_code=303,
        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )


def respond_refusal(address: ReturnAddress, refusal: Refusal, issuer: str) -> Response:
    """An error sent by redirect [AUT-49]."""
    return respond(
        address,
        {"error": refusal.error, "error_description": refusal.description},
        issuer,
    )


def _with_parameters(uri: str, fields: dict[str, str], *, fragment: bool) -> str:
    # %20 rather than +: the plain-JavaScript samples do not decode a plus sign [CLI-6].
    encoded = urlencode(fields, quote_via=quote)
    if fragment:
        return f"{uri}#{encoded}"
    return f"{uri}{'&' if '?' in uri else '?'}{encoded}"  # [AUT-42] an existing query is kept


def _form_post(action: str, fields: dict[str, str], issuer: str) -> Response:
    inputs = "\n".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    page = _FORM.format(
        action=html.escape(action),
        fields=inputs,
        script=html.escape(issuer + SUBMIT_SCRIPT_PATH),
    )
    policy = (
        f"default-src 'none'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {form_target_of(action)}"
    )
    return HTMLResponse(
        page,
        headers={
            "Content-Security-Policy": policy,
            "X-Frame-Options": "DENY",
            "Cache-Control": "no-store",
        },
    )

"""Who comes to the server: a person with a browser, a service, an API, an old integration."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from bench.problems import Unmeasurable

SERVICE, WEB = "bench.example.org/service", "bench.example.org/web"
OLD = "old.example.org/export"
SECRET = "the-secret-of-the-applications-here"
API, API_SECRET = "DomainAPI", "the-secret-of-the-api-here"
LOGIN, OLD_LOGIN = "mira.k", "olga"
PASSWORD = "Two-People-Sign-In-With-This-1"
REDIRECT, SIGNED_OUT = "http://127.0.0.1:9/callback", "http://127.0.0.1:9/"
SCOPE = "openid profile read update offline_access"
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


class Browser:
    """Forms, cookies and redirects, without scripts."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def authorize(self, **parameters: str) -> httpx.Response:
        """An authorization request, followed up to the form or to the application."""
        query = {
            "client_id": WEB,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": SCOPE,
            "state": "x",
        } | parameters
        return self._follow(self.http.get("/id/connect/authorize", params=query))

    def sign_in(self, password: str) -> httpx.Response:
        """Fill in the form; what comes after it."""
        page = self.authorize()
        action = re.search(r'<form method="post" action="([^"]*)"', page.text)
        if action is None:
            raise Unmeasurable(f"no form to sign in with: {page.status_code} {page.text[:500]}")
        hidden = {html.unescape(name): html.unescape(v) for name, v in _HIDDEN.findall(page.text)}
        form = hidden | {"login": LOGIN, "password": password}
        return self._follow(self.http.post(html.unescape(action[1]), data=form))

    def code(self) -> str:
        """Sign in with the right password."""
        return code_of(self.sign_in(PASSWORD))

    def _follow(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect and answer.headers["location"].startswith(str(self.http.base_url)):
            answer = self.http.get(answer.headers["location"])
        return answer


def code_of(answer: httpx.Response) -> str:
    """The code in the redirect to the application."""
    parameters = dict(parse_qsl(urlsplit(answer.headers.get("location", "")).query))
    if "code" not in parameters:
        raise Unmeasurable(f"no code: {answer.status_code} {parameters or answer.text[:500]}")
    return str(parameters["code"])


def redeemed(http: httpx.Client, code: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    return http.post("/id/connect/token", data=form, auth=(WEB, SECRET))


def refreshed(http: httpx.Client, token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return http.post("/id/connect/token", data=form, auth=(WEB, SECRET))


def service_token(http: httpx.Client, secret: str = SECRET) -> httpx.Response:
    form = {"grant_type": "client_credentials"}
    return http.post("/id/connect/token", data=form, auth=(SERVICE, secret))


def asked_at_the_gate(http: httpx.Client, token: str) -> httpx.Response:
    """As a server in front of the API asks."""
    headers = {
        "X-Mintgate-Gate-Secret": API_SECRET,
        "X-Mintgate-Gate-Method": "GET",
        "X-Mintgate-Gate-Uri": "/api/domain/odata/Crm_Sales_Customers",
        "X-Mintgate-Gate-Address": "192.0.2.7",
        "Authorization": f"Bearer {token}",
    }
    return http.get("/gate/haproxy/plans/DomainAPI", headers=headers)


def json_of(answer: httpx.Response) -> dict[str, Any]:
    """The body of a 200.

    Raises:
        Unmeasurable: it is another answer: what should be measured did not happen.
    """
    if answer.status_code != 200:
        raise Unmeasurable(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")
    found: dict[str, Any] = answer.json()
    return found

"""The token inspector: what a token says, and what an API would say to it.

The token comes by POST and goes nowhere: not into a row, a log, an address or the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.credentials import RequestToExplain
from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.instance import ODATA_ROOT_PATH
from mintgate.contract.reference_tokens import is_reference
from mintgate.identity.administration import explanation
from mintgate.identity.administration.call import Call
from mintgate.identity.declared_apis import read_apis
from mintgate.jose import MalformedToken, parse_compact
from mintgate.sites.manage.desk import INSPECTOR, Desk
from mintgate.sites.visiting.visitor import Visitor

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
TIMES = frozenset({"exp", "nbf", "iat", "auth_time"})
DEFAULT_PATH = ODATA_ROOT_PATH + "Crm_Sales_Customers"


class Claim(msgspec.Struct, frozen=True):
    """Args: `at` is the moment that a claim of time means, Unix seconds."""

    name: str
    text: str
    at: float | None


class InspectorPages:
    """One page: the form, and below it the answer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        return [self._desk.door.page("/inspector", show=self.ask, act=self.answer)]

    async def ask(self, request: Request, visitor: Visitor) -> Response:
        return await self._page(request, visitor, {})

    async def answer(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        token = "".join(form.get("token", "").split()).removeprefix("Bearer")
        fields = {name: text for name, text in form.items() if name != "token"}
        body = RequestToExplain(
            api=form.get("api", "DomainAPI"),
            method=form.get("method", "GET"),
            path=form.get("path", DEFAULT_PATH),
            token=token,
        )
        try:
            explained = await self._desk.calls.write(
                request, visitor, explanation.explain, body=body
            )
        except InvalidInput as refused:
            return await self._page(request, visitor, fields, refused=refused)
        header, claims = _decoded(token)
        return await self._page(
            request,
            visitor,
            fields,
            explained=explained,
            header=header,
            claims=claims,
            is_reference=is_reference(token),
            has_token=bool(token),
        )

    async def _page(
        self,
        request: Request,
        visitor: Visitor,
        fields: Mapping[str, str],
        *,
        refused: InvalidInput | None = None,
        **found: Any,
    ) -> Response:
        def run(call: Call) -> list[str]:
            return list(read_apis(call.connection, call.instance.id))

        apis = await self._desk.calls.read(request, visitor, run)
        problems = self._desk.problems(request, visitor, refused) if refused else {}
        return self._desk.page(
            request,
            visitor,
            "inspector",
            INSPECTOR,
            status=400 if refused else 200,
            fields={"api": "DomainAPI", "method": "GET", "path": DEFAULT_PATH, **fields},
            apis=[(name, name) for name in apis],
            methods=[(name, name) for name in METHODS],
            errors={name: " ".join(texts) for name, texts in problems.items()},
            **{
                "explained": None,
                "header": None,
                "claims": None,
                "is_reference": False,
                "has_token": False,
                **found,
            },
        )


def _decoded(token: str) -> tuple[list[Claim] | None, list[Claim] | None]:
    """Header and claims of a JWT, unchecked; None for what cannot be read."""
    try:
        parsed = parse_compact(token, {})
        return _claims(parsed.header), _claims(parsed.claims)
    except (MalformedToken, RecursionError):
        return None, None


def _claims(values: Mapping[str, Any]) -> list[Claim]:
    return [
        Claim(
            str(name),
            value if isinstance(value, str) else msgspec.json.encode(value).decode(),
            float(value)
            if name in TIMES and type(value) is int and 0 <= value < 253_402_300_800
            else None,
        )
        for name, value in values.items()
    ]

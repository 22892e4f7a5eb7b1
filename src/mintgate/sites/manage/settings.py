"""Settings of the instance that may change while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.problems import InvalidInput, PreconditionFailed
from mintgate.contract.automation.settings import InstanceSettings
from mintgate.contract.instance import SigningAlgorithm
from mintgate.identity.administration import settings
from mintgate.identity.administration.call import Call, etag_of
from mintgate.sites.manage.desk import SETTINGS, Desk
from mintgate.sites.visiting.visitor import Visitor

NUMBERS = (
    "access_token_lifetime",
    "refresh_grace_seconds",
    "max_reference_token_days",
    "audit_retention_days",
)
FLAGS = (
    "public_refresh_tokens",
    "allow_private_logout_targets",
    "allow_basic_auth_for_all_users",
)
OPTIONAL = frozenset({"max_reference_token_days", "audit_retention_days"})
NO_NUMBER = "must be a whole number"


class SettingPages:
    """One form."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        return [
            self._desk.door.page(
                "/settings",
                show=self.show,
                act=self.change,
                needs_fresh=True,
                keeps=("name", "signing_algorithm", "etag", *NUMBERS, *FLAGS),
            )
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        found = await self._desk.calls.read(request, visitor, settings.show)
        fields = visitor.draft or {**_fields(found), "etag": etag_of(found)}
        return self._page(request, visitor, fields, {})

    async def change(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        language = self._desk.language(request, visitor)
        try:
            body = _body(form)

            def run(call: Call) -> Any:
                etag = form.get("etag", "")
                return settings.change(replace(call, if_match=frozenset({etag})))

            await self._desk.calls.write(request, visitor, run, body=body)
        except InvalidInput as refused:
            problems = self._desk.problems(request, visitor, refused)
            return self._page(request, visitor, form, problems, status=400)
        except PreconditionFailed as refused:
            told = {"": [language.gettext(refused.description)]}
            return self._page(request, visitor, form, told, status=409)
        return self._desk.go(SETTINGS, "saved")

    def _page(
        self,
        request: Request,
        visitor: Visitor,
        fields: Mapping[str, str],
        problems: Mapping[str, list[str]],
        *,
        status: int = 200,
    ) -> Response:
        return self._desk.page(
            request,
            visitor,
            "settings",
            SETTINGS,
            status=status,
            fields=dict(fields),
            errors={name: " ".join(texts) for name, texts in problems.items()},
            algorithms=[(one.value, one.value) for one in SigningAlgorithm],
        )


def _fields(found: InstanceSettings) -> dict[str, str]:
    fields = {"name": found.name, "signing_algorithm": found.signing_algorithm.value}
    for name in NUMBERS:
        value = getattr(found, name)
        fields[name] = "" if value is None else str(value)
    return fields | {name: "on" for name in FLAGS if getattr(found, name)}


def _body(form: Mapping[str, str]) -> InstanceSettings:
    """Raises InvalidInput for what is no number."""
    numbers: dict[str, int | None] = {}
    problems = []
    for name in NUMBERS:
        text = form.get(name, "").strip()
        if not text and name in OPTIONAL:
            numbers[name] = None
        elif text.isascii() and text.isdigit() and len(text) < 10:
            numbers[name] = int(text)
        else:
            problems.append((name, NO_NUMBER))
    if problems:
        raise InvalidInput(problems=problems)
    known = {one.value: one for one in SigningAlgorithm}
    values: dict[str, Any] = {**numbers, **{name: name in form for name in FLAGS}}
    return InstanceSettings(
        name=form.get("name", ""),
        signing_algorithm=known.get(form.get("signing_algorithm", ""), SigningAlgorithm.RS256),
        **values,
    )

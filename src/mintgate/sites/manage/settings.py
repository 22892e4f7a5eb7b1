"""Settings of the instance that may change while it runs, and those that may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.problems import InvalidInput, PreconditionFailed
from mintgate.contract.automation.settings import InstanceSettings
from mintgate.contract.instance import SigningAlgorithm
from mintgate.contract.translating import translatable
from mintgate.identity.administration import settings
from mintgate.identity.administration.call import Call, etag_of
from mintgate.sites.languages import Language
from mintgate.sites.manage.desk import SETTINGS, Desk
from mintgate.sites.visiting.visitor import Visitor

LABELS = {
    "access_token_lifetime": translatable("Access tokens live, seconds"),
    "refresh_grace_seconds": translatable("A used refresh token works once more within, seconds"),
    "max_reference_token_days": translatable("Personal and service tokens live at most, days"),
    "audit_retention_days": translatable("Audit events are kept, days"),
    "signing_algorithm": translatable("New signing keys are for"),
    "public_refresh_tokens": translatable("Apps without a secret get refresh tokens"),
    "allow_private_logout_targets": translatable(
        "Applications in the own network are told about sign-outs"
    ),
    "allow_basic_auth_for_all_users": translatable(
        "Every user may use the outdated sign-in with user name and password (HTTP Basic)"
    ),
}
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
YES, NONE = translatable("yes"), translatable("none")
Fields = Mapping[str, str]


class SettingPages:
    """One form, and what is changed elsewhere."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        return [
            self._desk.door.page(
                "/settings",
                show=self.show,
                act=self.change,
                needs_fresh=True,
                keeps=("etag", *LABELS),
            )
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        found = await self._desk.calls.read(request, visitor, settings.show)
        fields = visitor.draft or {**_fields(found), "etag": etag_of(found)}
        return self._page(request, visitor, fields)

    async def change(self, request: Request, visitor: Visitor, form: Fields) -> Response:
        try:
            run = seen(form, settings.change)
            await self._desk.calls.write(request, visitor, run, body=_body(form))
        except InvalidInput as refused:
            problems = self._desk.problems(request, visitor, refused)
            return self._page(request, visitor, form, problems, status=400)
        except PreconditionFailed:
            found = await self._desk.calls.read(request, visitor, settings.show)
            language = self._desk.language(request, visitor)
            return self._page(
                request,
                visitor,
                {**form, "etag": etag_of(found)},
                meanwhile=differences(LABELS, _fields(found), form, language),
                status=409,
            )
        return self._desk.go(SETTINGS, "saved")

    def _page(
        self,
        request: Request,
        visitor: Visitor,
        fields: Fields,
        problems: Mapping[str, list[str]] | None = None,
        *,
        meanwhile: Sequence[tuple[str, str]] | None = None,
        status: int = 200,
    ) -> Response:
        return self._desk.page(
            request,
            visitor,
            "settings",
            SETTINGS,
            status=status,
            fields=dict(fields),
            labels=LABELS,
            errors=by_field(problems),
            meanwhile=meanwhile,
            algorithms=[(one.value, one.value) for one in SigningAlgorithm],
        )


def seen(form: Fields, run: Any) -> Any:
    """The operation, for who has seen the state that the form names, and no other."""
    etag = form.get("etag", "")
    return lambda call: run(_matching(call, etag))


def by_field(problems: Mapping[str, list[str]] | None) -> dict[str, str]:
    """What is wrong with each field, as one text."""
    return {name: " ".join(texts) for name, texts in (problems or {}).items()}


def differences(
    labels: Mapping[str, str], stored: Fields, typed: Fields, language: Language
) -> list[tuple[str, str]]:
    """What is stored by now, where it is not what was typed, as (label, value) pairs."""

    def shown(value: str | None) -> str:
        return language.gettext({None: NONE, "": NONE, "on": YES}.get(value, value or ""))

    return [
        (language.gettext(label), shown(stored.get(name)))
        for name, label in labels.items()
        if stored.get(name, "") != typed.get(name, "").strip()
    ]


def _matching(call: Call, etag: str) -> Call:
    return replace(call, if_match=frozenset({etag}))


def _fields(found: InstanceSettings) -> dict[str, str]:
    fields = {"signing_algorithm": found.signing_algorithm.value}
    for name in NUMBERS:
        value = getattr(found, name)
        fields[name] = "" if value is None else str(value)
    return fields | {name: "on" for name in FLAGS if getattr(found, name)}


def _body(form: Fields) -> InstanceSettings:
    """Raises InvalidInput for what is no number, and for an algorithm that there is not."""
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
    algorithm = {one.value: one for one in SigningAlgorithm}.get(form.get("signing_algorithm", ""))
    if algorithm is None:
        problems.append(("signing_algorithm", "must be one of the list"))
    if problems or algorithm is None:
        raise InvalidInput(problems=problems)
    values: dict[str, Any] = {**numbers, **{name: name in form for name in FLAGS}}
    return InstanceSettings(signing_algorithm=algorithm, **values)

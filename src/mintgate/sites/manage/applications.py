"""Trusted applications: list, create, look at, change [IMG-2, TAP-1..34]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract import first_party
from mintgate.contract.applications import ClientType, TrustedApplication, warnings_of
from mintgate.contract.automation import records
from mintgate.contract.automation.credentials import ApplicationQuery
from mintgate.contract.automation.problems import InvalidInput, PreconditionFailed
from mintgate.contract.identifiers import new_secret
from mintgate.contract.instance import API_AUDIENCES
from mintgate.identity.administration import applications, lifecycle
from mintgate.identity.administration.call import Call, etag_of
from mintgate.identity.administration.lifecycle import EventLine
from mintgate.sites.manage.application_form import (
    FIELDS,
    KEPT_FIELDS,
    KINDS,
    POLICIES,
    Kind,
    fields_of,
    kind_of,
    kind_of_type,
    missing_of,
    names_of,
    values_of,
)
from mintgate.sites.manage.desk import APPS, PAGE_SIZE, Desk, asked
from mintgate.sites.manage.snippets import snippets_of
from mintgate.sites.visiting.visitor import Visitor
from mintgate.store import apis

_APP = "/apps/{application_id}"


class ApplicationPages:
    """Pages of applications, but for their secrets and tokens."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        door = self._desk.door
        return [
            door.page("/apps", show=self.index),
            door.page(
                "/apps/new",
                show=self.choose,
                act=self.create,
                needs_fresh=True,
                keeps=KEPT_FIELDS,
            ),
            door.page(_APP, show=self.show),
            door.page(
                _APP + "/edit",
                show=self.edit,
                act=self.change,
                needs_fresh=True,
                keeps=KEPT_FIELDS,
            ),
            door.page(_APP + "/connect", show=self.connect),
        ]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        query = asked(request)
        search = query.get("search")

        def run(call: Call) -> tuple[Any, bool]:
            return applications.list_all(call), lifecycle.is_on(call)

        found, tells = await self._desk.calls.read(
            request,
            visitor,
            run,
            query=ApplicationQuery(limit=PAGE_SIZE, cursor=query.get("after"), search=search),
        )
        return self._desk.page(
            request,
            visitor,
            "apps",
            APPS,
            items=found.items,
            search=search or "",
            tells=tells,
            next_url=self._desk.url(APPS, search=search, after=found.next) if found.next else None,
            is_first="after" not in query,
        )

    async def choose(self, request: Request, visitor: Visitor) -> Response:
        """What it is first; then the form with what such an application needs."""
        kind = kind_of(asked(request).get("kind") or visitor.draft.get("kind"))
        if kind is None:
            return self._desk.page(request, visitor, "app_kinds", APPS, kinds=KINDS)
        return await self._form(request, visitor, kind, visitor.draft or kind.defaults, {})

    async def create(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        kind = kind_of(form.get("kind"))
        if kind is None:
            return self._desk.go(APPS + "/new")
        secret = new_secret() if kind.client_type is ClientType.CONFIDENTIAL else None

        def run(call: Call) -> Any:
            values = values_of(form, kind, apis.names_of(call.connection, call.instance.id))
            texts = {code: text for code, text in names_of(form).items() if text}
            made = records.NewApplication(**values, name=texts, secret=secret)
            return _with_missing(values, lambda: applications.create(replace(call, body=made)))

        try:
            made = await self._desk.calls.write(request, visitor, run)
        except InvalidInput as refused:
            problems = self._desk.problems(request, visitor, refused)
            return await self._form(request, visitor, kind, form, problems, status=400)
        if secret is None:
            return self._desk.go(f"{APPS}/{made.id}", "created")
        return self._desk.page(
            request, visitor, "secret_once", APPS, app=made, secret=secret, is_new=True
        )

    async def show(self, request: Request, visitor: Visitor) -> Response:
        def run(call: Call) -> tuple[Any, TrustedApplication, list[EventLine]]:
            stored = applications.stored(call)
            return applications.shown(call, stored), stored, lifecycle.of_application(call)

        app, stored, told = await self._desk.calls.read(request, visitor, run)
        language = self._desk.language(request, visitor)
        return self._desk.page(
            request,
            visitor,
            "app",
            APPS,
            app=app,
            tab="overview",
            created=stored.creation_time_utc,
            events=told,
            policies=dict(self._desk.choices(request, visitor, POLICIES)),
            warnings=[language.gettext(_plain(text)) for text in warnings_of(stored)],
        )

    async def edit(self, request: Request, visitor: Visitor) -> Response:
        def run(call: Call) -> tuple[TrustedApplication, str | None, str]:
            stored = applications.stored(call)
            shown = applications.shown(call, stored)
            return stored, shown.system_user, etag_of(shown)  # type: ignore[attr-defined]

        stored, system_user, etag = await self._desk.calls.read(request, visitor, run)
        if first_party.is_built_in(stored.application_uri):
            return self._desk.go(f"{APPS}/{stored.id}")
        wanted = asked(request).get("type") or visitor.draft.get("client_type", "")
        kind = kind_of_type(_type(wanted, stored.client_type))
        fields = visitor.draft or {**fields_of(stored, system_user), "etag": etag}
        return await self._form(request, visitor, kind, fields, {}, stored=stored)

    async def change(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        stored = await self._desk.calls.read(request, visitor, applications.stored)
        kind = kind_of_type(_type(form.get("client_type", ""), stored.client_type))
        etag = form.get("etag", "")

        def run(call: Call) -> Any:
            values = values_of(form, kind, apis.names_of(call.connection, call.instance.id))
            changes = records.ApplicationChanges(**values, name=names_of(form))
            seen = replace(call, body=changes, if_match=frozenset({etag}))
            return _with_missing(values, lambda: applications.change(seen))

        try:
            await self._desk.calls.write(request, visitor, run)
        except InvalidInput as refused:
            problems = self._desk.problems(request, visitor, refused)
            return await self._form(
                request, visitor, kind, form, problems, stored=stored, status=400
            )
        except PreconditionFailed as refused:
            problems = {"": [self._desk.language(request, visitor).gettext(refused.description)]}
            return await self._form(
                request, visitor, kind, form, problems, stored=stored, status=409
            )
        return self._desk.go(f"{APPS}/{stored.id}", "saved")

    async def connect(self, request: Request, visitor: Visitor) -> Response:
        def run(call: Call) -> tuple[Any, TrustedApplication]:
            stored = applications.stored(call)
            return applications.shown(call, stored), stored

        app, stored = await self._desk.calls.read(request, visitor, run)
        return self._desk.page(
            request,
            visitor,
            "app_connect",
            APPS,
            app=app,
            tab="connect",
            snippets=snippets_of(stored, self._desk.instance),
        )

    async def _form(
        self,
        request: Request,
        visitor: Visitor,
        kind: Kind,
        fields: Mapping[str, str],
        problems: Mapping[str, list[str]],
        *,
        stored: TrustedApplication | None = None,
        status: int = 200,
    ) -> Response:
        def run(call: Call) -> list[str]:
            return sorted(
                set(apis.names_of(call.connection, call.instance.id)).difference(API_AUDIENCES)
            )

        declared = await self._desk.calls.read(request, visitor, run)
        return self._desk.page(
            request,
            visitor,
            "app_form",
            APPS,
            status=status,
            kind=kind,
            fields=dict(fields),
            errors=_by_field(problems),
            apis=declared,
            policies=self._desk.choices(request, visitor, POLICIES),
            stored=stored,
            types=[one.value for one in ClientType if one is not kind.client_type],
        )


def _with_missing(values: Mapping[str, Any], work: Any) -> Any:
    """Do `work`; what is missing is told together with what it refuses."""
    missing = missing_of(values)
    try:
        if not missing:
            return work()
        work()
    except InvalidInput as refused:
        raise InvalidInput(problems=[*refused.problems, *missing]) from None
    raise InvalidInput(problems=missing)


def _by_field(problems: Mapping[str, list[str]]) -> dict[str, str]:
    """Each field's problems as one text; "" has those of no field."""
    found: dict[str, list[str]] = {}
    for attribute, texts in problems.items():
        field = FIELDS.get(attribute, "")
        found.setdefault(field, []).extend(texts)
    return {field: " ".join(texts) for field, texts in found.items()}


def _type(text: str, otherwise: ClientType) -> ClientType:
    return next((one for one in ClientType if one.value == text), otherwise)


def _plain(warning: str) -> str:
    return warning.partition(" [")[0]

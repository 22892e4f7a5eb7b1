"""Users: list, create, look at, change, set a password [IMG-2, USR-1..12]."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation import records
from mintgate.contract.automation.credentials import (
    GrantQuery,
    PageQuery,
    PasswordChange,
    UserQuery,
)
from mintgate.contract.automation.problems import InvalidInput, PreconditionFailed
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.administration import (
    grants,
    reference_tokens,
    second_factors,
    sessions,
    users,
)
from mintgate.identity.administration.call import Call, etag_of
from mintgate.sites.manage.application_form import names_of
from mintgate.sites.manage.desk import PAGE_SIZE, USERS, Desk, asked
from mintgate.sites.manage.user_form import (
    FIELDS,
    KEPT_FIELDS,
    TYPES,
    fields_of,
    type_text,
    values_of,
)
from mintgate.sites.visiting.visitor import Visitor
from mintgate.store.user_search import LOOKS_THROUGH

_USER = "/users/{user_id}"
SHOWN = 10


class UserPages:
    """Pages of users."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        door = self._desk.door
        keeps = KEPT_FIELDS
        return [
            door.page("/users", show=self.index),
            door.page("/users/new", show=self.new, act=self.create, needs_fresh=True, keeps=keeps),
            door.page(_USER, show=self.show),
            # A forgotten password is chosen anew by whoever gets the letter.
            door.page(
                _USER + "/edit", show=self.edit, act=self.change, needs_fresh=True, keeps=keeps
            ),
            door.page(
                _USER + "/password", show=self.password, act=self.set_password, needs_fresh=True
            ),
        ]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        query = asked(request)
        search = query.get("search")
        found = await self._desk.calls.read(
            request,
            visitor,
            users.list_all,
            query=UserQuery(limit=PAGE_SIZE, cursor=query.get("after"), search=search),
        )
        return self._desk.page(
            request,
            visitor,
            "users",
            USERS,
            items=found.items,
            type_text=type_text,
            search=search or "",
            looked=LOOKS_THROUGH,
            next_url=self._desk.url(USERS, search=search, after=found.next) if found.next else None,
            is_first="after" not in query,
        )

    async def new(self, request: Request, visitor: Visitor) -> Response:
        return self._form(request, visitor, visitor.draft, {})

    async def create(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        values, password = values_of(form), form.get("password")
        if values["user_type"] not in MAY_SIGN_IN:
            password = None
        texts = {code: text for code, text in names_of(form).items() if text}
        body = records.NewUser(**values, name=texts, password=password)
        try:
            prepared = await asyncio.to_thread(users.prepared_password, body, self._desk.instance)
            made: Any = await self._desk.calls.write(
                request, visitor, users.create, body=body, prepared=prepared
            )
        except InvalidInput as refused:
            problems = self._desk.problems(request, visitor, refused)
            return self._form(request, visitor, form, problems, status=400)
        return self._desk.go(f"{USERS}/{made.id}", "created")

    async def show(self, request: Request, visitor: Visitor) -> Response:
        def run(call: Call) -> dict[str, Any]:
            stored = users.stored(call)
            few = PageQuery(limit=SHOWN)
            return {
                "user": stored,
                "factors": second_factors.of_user(call),
                "sign_ins": [
                    sessions.shown(call, one) for one in sessions.of_user(call, stored.id)
                ],
                "tokens": reference_tokens.of_user(replace(call, query=few)).items,
                "families": grants.list_all(
                    replace(call, query=GrantQuery(limit=SHOWN, user_id=stored.id))
                ).items,
            }

        found = await self._desk.calls.read(request, visitor, run)
        user: User = found["user"]
        return self._desk.page(
            request,
            visitor,
            "user",
            USERS,
            **found,
            type_text=type_text,
            is_oneself=user.id == visitor.user.id,
            is_locked=user.is_locked(self._desk.clock()),
            may_sign_in=user.user_type in MAY_SIGN_IN,
        )

    async def edit(self, request: Request, visitor: Visitor) -> Response:
        stored = await self._desk.calls.read(request, visitor, users.stored)
        fields = visitor.draft or {**fields_of(stored), "etag": etag_of(users.shown(stored))}
        return self._form(request, visitor, fields, {}, stored=stored)

    async def change(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        stored = await self._desk.calls.read(request, visitor, users.stored)
        changes = records.UserChanges(**values_of(form), name=names_of(form))

        def run(call: Call) -> Any:
            return users.change(
                replace(call, body=changes, if_match=frozenset({form.get("etag", "")}))
            )

        try:
            await self._desk.calls.write(request, visitor, run)
        except InvalidInput as refused:
            problems = self._desk.problems(request, visitor, refused)
            return self._form(request, visitor, form, problems, stored=stored, status=400)
        except PreconditionFailed as refused:
            told = self._desk.language(request, visitor).gettext(refused.description)
            return self._form(request, visitor, form, {"": [told]}, stored=stored, status=409)
        return self._desk.go(f"{USERS}/{stored.id}", "saved")

    async def password(self, request: Request, visitor: Visitor) -> Response:
        return await self._password(request, visitor, None)

    async def set_password(
        self, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> Response:
        """[USR-22]"""
        body = PasswordChange(password=form.get("password", ""))
        try:
            prepared = await asyncio.to_thread(users.prepared_password, body, self._desk.instance)
        except InvalidInput as refused:
            return await self._password(request, visitor, refused)
        await self._desk.calls.write(
            request, visitor, users.set_password, body=body, prepared=prepared
        )
        return self._desk.go(f"{USERS}/{request.path_params['user_id']}", "password_set")

    async def _password(
        self, request: Request, visitor: Visitor, refused: InvalidInput | None
    ) -> Response:
        stored = await self._desk.calls.read(request, visitor, users.stored)
        problems = self._desk.problems(request, visitor, refused) if refused else {}
        return self._desk.page(
            request,
            visitor,
            "user_password",
            USERS,
            status=400 if refused else 200,
            user=stored,
            errors=_by_field(problems),
        )

    def _form(
        self,
        request: Request,
        visitor: Visitor,
        fields: Mapping[str, str],
        problems: Mapping[str, list[str]],
        *,
        stored: User | None = None,
        status: int = 200,
    ) -> Response:
        return self._desk.page(
            request,
            visitor,
            "user_form",
            USERS,
            status=status,
            fields={name: text for name, text in fields.items() if name != "password"},
            errors=_by_field(problems),
            types=self._desk.choices(request, visitor, TYPES),
            stored=stored,
        )


def _by_field(problems: Mapping[str, list[str]]) -> dict[str, str]:
    return {FIELDS.get(attribute, ""): " ".join(texts) for attribute, texts in problems.items()}

"""An application's secrets and tokens: look at them, make new ones [EXT-10, IMG-3, IMG-4]."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.applications import ClientType, TrustedApplication
from mintgate.contract.automation.credentials import GrantQuery, NewServiceToken, PageQuery
from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.automation.secrets import SecretRotation
from mintgate.contract.errors import Refusal
from mintgate.contract.identifiers import new_secret
from mintgate.contract.reference_tokens import (
    GRANTABLE_SCOPES,
    CreationForbidden,
    CreationInvalid,
)
from mintgate.contract.secret_rotation import lines_of
from mintgate.contract.translating import translatable
from mintgate.identity.administration import (
    applications,
    grants,
    reference_tokens,
    secrets,
)
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.desk import APPS, PAGE_SIZE, Desk, asked
from mintgate.sites.visiting.visitor import Visitor

_APP = "/apps/{application_id}"
DAY = 24 * 3600
KEPT = (
    ("0", translatable("end at once")),
    (str(DAY), translatable("for a day")),
    (str(7 * DAY), translatable("for a week")),
    (str(30 * DAY), translatable("for 30 days")),
)
LIVES = (
    ("0", translatable("never")),
    (str(90 * DAY), translatable("after 90 days")),
    (str(365 * DAY), translatable("after a year")),
    (str(2 * 365 * DAY), translatable("after two years")),
)


class ApplicationTokenPages:
    """Secrets and tokens of one application."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        door = self._desk.door
        return [
            door.page(_APP + "/secrets", show=self.secrets),
            door.page(_APP + "/secrets/rotate", show=self.ask, act=self.rotate, needs_fresh=True),
            door.page(_APP + "/tokens", show=self.tokens),
            door.page(
                _APP + "/tokens/new",
                show=self.new_token,
                act=self.make_token,
                needs_fresh=True,
                keeps=("description", "expires", *(f"scope_{n}" for n in GRANTABLE_SCOPES)),
            ),
        ]

    async def secrets(self, request: Request, visitor: Visitor) -> Response:
        return await self._secrets(request, visitor, "app_secrets")

    async def ask(self, request: Request, visitor: Visitor) -> Response:
        return await self._secrets(request, visitor, "app_rotate")

    async def _secrets(self, request: Request, visitor: Visitor, template: str) -> Response:
        def run(call: Call) -> tuple[Any, list[Any]]:
            stored = applications.stored(call)
            return applications.shown(call, stored), lines_of(stored, call.now)

        app, lines = await self._desk.calls.read(request, visitor, run)
        return self._desk.page(
            request,
            visitor,
            template,
            APPS,
            app=app,
            tab="secrets",
            secrets=lines,
            keeps_secret=app.client_type is ClientType.CONFIDENTIAL and not app.is_built_in,
            once=new_secret(),
            kept=self._desk.choices(request, visitor, KEPT),
            lives=self._desk.choices(request, visitor, LIVES),
        )

    async def rotate(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        """The secret is in this answer and nowhere else."""
        wanted = SecretRotation(
            kept_seconds=_chosen(form.get("kept"), KEPT),
            life_seconds=_chosen(form.get("life"), LIVES),
        )

        def run(call: Call) -> tuple[str | None, Any, TrustedApplication]:
            self._desk.sent_once.require(call, visitor, form)
            made = secrets.rotate(call)
            stored = applications.stored(call)
            return made.secret, applications.shown(call, stored), stored

        secret, app, stored = await self._desk.calls.write(request, visitor, run, body=wanted)
        return self._desk.page(
            request,
            visitor,
            "secret_once",
            APPS,
            app=app,
            secret=secret,
            is_new=False,
            kept_until=stored.second_secret_end_utc,
        )

    async def tokens(self, request: Request, visitor: Visitor) -> Response:
        query = asked(request)

        def run(call: Call) -> tuple[Any, Any, Any, str | None]:
            stored = applications.stored(call)
            tokens = reference_tokens.of_application(
                replace(call, query=PageQuery(limit=PAGE_SIZE, cursor=query.get("after")))
            )
            families = grants.list_all(
                replace(
                    call,
                    query=GrantQuery(
                        limit=PAGE_SIZE, cursor=query.get("grants"), application_id=stored.id
                    ),
                )
            )
            return applications.shown(call, stored), tokens, families, _obstacle(call, stored)

        app, tokens, families, obstacle = await self._desk.calls.read(request, visitor, run)
        path = f"{APPS}/{app.id}/tokens"
        language = self._desk.language(request, visitor)
        return self._desk.page(
            request,
            visitor,
            "app_tokens",
            APPS,
            app=app,
            tab="tokens",
            tokens=tokens.items,
            families=families.items,
            obstacle=language.gettext(obstacle) if obstacle else None,
            next_tokens=self._desk.url(path, after=tokens.next) if tokens.next else None,
            next_families=self._desk.url(path, grants=families.next) if families.next else None,
        )

    async def new_token(self, request: Request, visitor: Visitor) -> Response:
        return await self._token_form(request, visitor, visitor.draft, None)

    async def make_token(
        self, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> Response:
        """A service token [IMG-4]; its value is in this answer and nowhere else [REF-3]."""

        def run(call: Call) -> Any:
            self._desk.sent_once.require(call, visitor, form)
            return reference_tokens.create_service(call)

        try:
            body = NewServiceToken(
                scopes=tuple(name for name in GRANTABLE_SCOPES if f"scope_{name}" in form),
                expires_at=_end_of_day(form.get("expires")),
                description=form.get("description"),
            )
            made = await self._desk.calls.write(request, visitor, run, body=body)
        except (CreationForbidden, CreationInvalid, InvalidInput) as refused:
            return await self._token_form(request, visitor, form, refused)
        return self._desk.page(
            request,
            visitor,
            "token_once",
            APPS,
            value=made.value,
            token=made.token,
            root=self._desk.instance.odata_root,
        )

    async def _token_form(
        self,
        request: Request,
        visitor: Visitor,
        fields: Mapping[str, str],
        refused: Refusal | None,
    ) -> Response:
        def run(call: Call) -> tuple[Any, TrustedApplication, str | None]:
            stored = applications.stored(call)
            return applications.shown(call, stored), stored, _obstacle(call, stored)

        app, stored, obstacle = await self._desk.calls.read(request, visitor, run)
        language = self._desk.language(request, visitor)
        today = datetime.fromtimestamp(self._desk.clock(), UTC).date()
        errors = {"": language.gettext(refused.description)} if refused is not None else {}
        return self._desk.page(
            request,
            visitor,
            "token_new",
            APPS,
            status=refused.status if refused is not None else 200,
            app=app,
            fields={"expires": (today + timedelta(days=365)).isoformat(), **fields},
            errors=errors,
            once=new_secret(),
            offered=[name for name in GRANTABLE_SCOPES if name in stored.scope_names],
            obstacle=language.gettext(obstacle) if obstacle else None,
            today=today.isoformat(),
        )


def _obstacle(call: Call, application: TrustedApplication) -> str | None:
    """Why no service token can be made for it, if so [IMG-4, TAP-43]."""
    try:
        reference_tokens.require_service_token(call, application)
    except CreationForbidden as refused:
        return refused.description
    return None


def _chosen(value: str | None, offered: tuple[tuple[str, str], ...]) -> int | None:
    """The seconds of a choice; None for 0 and for what was not offered."""
    known = {key for key, _ in offered}
    return int(value) or None if value in known and value is not None else None


def _end_of_day(text: str | None) -> float:
    """The last second of a day as a browser writes it, in UTC. Raises CreationInvalid."""
    try:
        day = datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise CreationInvalid(NO_DATE) from None
    return (day + timedelta(days=1)).timestamp() - 1


NO_DATE = translatable("Choose the day on which the token expires.")

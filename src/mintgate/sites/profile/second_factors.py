"""Second factors: an authenticator app, passkeys, recovery codes [PRF-1, USR-8]."""

from __future__ import annotations

import asyncio
import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.problems import Conflict, InvalidInput, NoSuchRecord
from mintgate.contract.automation.second_factors import (
    NewPasskey,
    OneTimeCode,
    PasskeyName,
    PasskeyRecord,
)
from mintgate.contract.translating import translatable
from mintgate.identity.administration import second_factors as own
from mintgate.identity.rendering import NO_STORE, RawJson
from mintgate.sites.profile.frame import SECOND_FACTORS, Frame
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import Form

APP, PASSKEYS = SECOND_FACTORS + "/app", SECOND_FACTORS + "/passkeys"
NOT_MADE = translatable("The passkey could not be registered. Try again.")


def routes(frame: Frame) -> list[BaseRoute]:
    """Every page asks for a sign-in that is not long ago: who changes factors owns the account."""
    pages, door, back = _Pages(frame), frame.door, SECOND_FACTORS
    return [
        door.page(SECOND_FACTORS, show=pages.show, needs_fresh=True),
        door.page(APP, show=pages.app, act=pages.confirm_app, needs_fresh=True),
        door.page(
            APP + "/remove",
            show=pages.ask_to_remove_app,
            act=pages.remove_app,
            back=back,
            needs_fresh=True,
        ),
        door.page(
            SECOND_FACTORS + "/recovery-codes", act=pages.new_codes, back=back, needs_fresh=True
        ),
        door.page(PASSKEYS + "/options", act=pages.passkey_options, back=back, needs_fresh=True),
        door.page(PASSKEYS, act=pages.add_passkey, back=back, needs_fresh=True),
        door.page(
            PASSKEYS + "/{passkey_id}/rename",
            show=pages.ask_for_name,
            act=pages.rename,
            back=back,
            needs_fresh=True,
        ),
        door.page(
            PASSKEYS + "/{passkey_id}/remove",
            show=pages.ask_to_remove_passkey,
            act=pages.remove_passkey,
            back=back,
            needs_fresh=True,
        ),
    ]


class _Pages:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._calls = frame.calls

    async def show(
        self, request: Request, visitor: Visitor, problem: str | None = None
    ) -> Response:
        found = await self._calls.read(request, visitor, own.get_own)
        language = self._frame.language_of(request, visitor)
        return self._frame.page(
            request,
            visitor,
            "second_factors.html",
            current=SECOND_FACTORS,
            status=400 if problem else 200,
            found=found,
            problem=problem and language.gettext(problem),
        )

    async def app(self, request: Request, visitor: Visitor, problem: str | None = None) -> Response:
        """The secret that waits for its first code; a reload shows the same."""
        offer = await self._calls.write(request, visitor, own.waiting_own_app)
        return self._frame.page(
            request,
            visitor,
            "second_factor_app.html",
            current=SECOND_FACTORS,
            status=400 if problem else 200,
            offer=offer,
            wrong=problem and self._frame.language_of(request, visitor).gettext(problem),
        )

    async def confirm_app(self, request: Request, visitor: Visitor, form: Form) -> Response:
        body = OneTimeCode(code=form.get("one_time_code", ""))
        try:
            made = await self._calls.write(request, visitor, own.confirm_own_app, body=body)
        except InvalidInput as refused:
            return await self.app(request, visitor, refused.description)
        except Conflict:
            return self._frame.to(SECOND_FACTORS)  # sent twice
        if made.recovery_codes:
            return self._codes(request, visitor, made.recovery_codes)
        return self._frame.to(SECOND_FACTORS, "app-added")

    async def new_codes(self, request: Request, visitor: Visitor, form: Form) -> Response:
        made = await self._calls.write(request, visitor, own.new_own_recovery_codes)
        return self._codes(request, visitor, made.recovery_codes)

    async def passkey_options(self, request: Request, visitor: Visitor, form: Form) -> Response:
        made = await self._calls.write(request, visitor, own.begin_own_passkey)
        return RawJson(made.options, headers=NO_STORE)

    async def add_passkey(self, request: Request, visitor: Visitor, form: Form) -> Response:
        try:
            credential = json.loads(form.get("credential", ""))
            body = NewPasskey(credential=credential, name=form.get("name", ""))
            # In a thread, as the first of the process imports the library.
            prepared = await asyncio.to_thread(
                own.prepared_passkey, body, self._frame.ground.instance
            )
            made = await self._calls.write(
                request, visitor, own.finish_own_passkey, body=body, prepared=prepared
            )
        except (ValueError, InvalidInput):
            return await self.show(request, visitor, NOT_MADE)
        if made.recovery_codes:
            return self._codes(request, visitor, made.recovery_codes)
        return self._frame.to(SECOND_FACTORS, "passkey-added")

    async def ask_for_name(self, request: Request, visitor: Visitor) -> Response:
        passkey = await self._passkey(request, visitor)
        return self._frame.page(
            request, visitor, "rename_passkey.html", current=SECOND_FACTORS, passkey=passkey
        )

    async def rename(self, request: Request, visitor: Visitor, form: Form) -> Response:
        body = PasskeyName(name=form.get("name", ""))
        await self._calls.write(request, visitor, own.rename_own_passkey, body=body)
        return self._frame.to(SECOND_FACTORS, "saved")

    async def ask_to_remove_app(self, request: Request, visitor: Visitor) -> Response:
        return self._ask(request, visitor, APP + "/remove", None)

    async def remove_app(self, request: Request, visitor: Visitor, form: Form) -> Response:
        await self._calls.write(request, visitor, own.remove_own_app)
        return self._frame.to(SECOND_FACTORS, "factor-removed")

    async def ask_to_remove_passkey(self, request: Request, visitor: Visitor) -> Response:
        passkey = await self._passkey(request, visitor)
        return self._ask(request, visitor, f"{PASSKEYS}/{passkey.id}/remove", passkey.name)

    async def remove_passkey(self, request: Request, visitor: Visitor, form: Form) -> Response:
        await self._calls.write(request, visitor, own.remove_own_passkey)
        return self._frame.to(SECOND_FACTORS, "factor-removed")

    async def _passkey(self, request: Request, visitor: Visitor) -> PasskeyRecord:
        """The one that the address names. Raises NoSuchRecord."""
        found = await self._calls.read(request, visitor, own.get_own)
        wanted = request.path_params["passkey_id"]
        passkey = next((one for one in found.passkeys if one.id == wanted), None)
        if passkey is None:
            raise NoSuchRecord
        return passkey

    def _ask(self, request: Request, visitor: Visitor, path: str, passkey: str | None) -> Response:
        return self._frame.page(
            request,
            visitor,
            "remove_second_factor.html",
            current=SECOND_FACTORS,
            action=path,
            passkey=passkey,
        )

    def _codes(self, request: Request, visitor: Visitor, codes: tuple[str, ...]) -> Response:
        """Shown by the answer to the form itself: nowhere else, and never again."""
        return self._frame.page(
            request, visitor, "recovery_codes.html", current=SECOND_FACTORS, codes=codes
        )

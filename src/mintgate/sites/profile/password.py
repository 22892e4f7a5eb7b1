"""Another password [PRF-1]: the current one is asked for, as by a sign-in and with its limits."""

from __future__ import annotations

import asyncio
import hmac

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.identifiers import new_token, token_digest
from mintgate.contract.translating import translatable
from mintgate.contract.users import password_problem
from mintgate.identity.administration import own_account
from mintgate.identity.administration.call import Call
from mintgate.identity.administration.own_account import AnewSignedIn, ChosenPassword
from mintgate.identity.cookies import Cookies
from mintgate.identity.forms import client_address
from mintgate.identity.passwords import hash_password
from mintgate.sites.profile.frame import PASSWORD, Frame
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import Form
from mintgate.store import site_sessions

WRONG = translatable(
    "The current password is not right. After five wrong tries, wait five minutes."
)
SAME = translatable("The new password is the current one.")


def routes(frame: Frame) -> list[BaseRoute]:
    page = _PasswordPage(frame)
    return [frame.door.page(PASSWORD, show=page.show, act=page.change, needs_fresh=True)]


class _PasswordPage:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._cookies = Cookies(frame.ground.instance)

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return self._frame.page(request, visitor, "password.html", current=PASSWORD, wrong={})

    async def change(self, request: Request, visitor: Visitor, form: Form) -> Response:
        current, new, user = form.get("current", ""), form.get("new", ""), visitor.user
        problem = password_problem(new, (user.login, user.email))
        if problem is None and hmac.compare_digest(current.encode(), new.encode()):
            problem = SAME
        if problem is not None:
            return self._again(request, visitor, "new", problem)
        proved = await self._frame.ground.passwords.authenticate(
            user.login, current, client_address(request.scope), self._cookies.device_of(request)
        )
        if proved is None or proved.user.id != user.id:
            return self._again(request, visitor, "current", WRONG)
        hashed = await asyncio.to_thread(hash_password, new)
        value = new_token()
        chosen = ChosenPassword(proved.password_hash, hashed)

        def run(call: Call) -> AnewSignedIn:
            anew = own_account.change_password(call)
            # Of every other session at this site, too, nothing is left.
            site_sessions.start(
                call.writing,
                call.instance.id,
                cookie_hash=token_digest(value),
                application_id=visitor.application_id,
                sid=anew.sid,
                issued_at=int(call.now),
                before=None,
            )
            return anew

        anew = await self._frame.calls.write(request, visitor, run, prepared=chosen)
        response = self._frame.to("", "password")
        self._cookies.set_session(response, anew.cookie, remember=anew.remembered)
        self._frame.door.set_session(response, value)
        return response

    def _again(self, request: Request, visitor: Visitor, field: str, problem: str) -> Response:
        told = self._frame.language_of(request, visitor).gettext(problem)
        return self._frame.page(
            request, visitor, "password.html", current=PASSWORD, status=400, wrong={field: told}
        )

"""`/accounts`: which account to go on with, for `prompt=select_account` [EXT-15]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.applications import TrustedApplication
from mintgate.identity.endpoints.authorize import (
    RESUME_PATH,
    SIGN_IN_PATH,
    expired_page,
    see_other,
)
from mintgate.identity.endpoints.interaction import InteractionEndpoint
from mintgate.identity.sessions import SignedIn
from mintgate.store import Transaction, interactions


class AccountChooserEndpoint(InteractionEndpoint):
    """Shows who is signed in at this browser; goes on as them, or to the sign-in form."""

    async def get(self, request: Request) -> Response:
        waiting = await self._waiting(request.query_params.get("interaction"))
        if waiting is None:
            return expired_page(self._pages, request)
        signed_in = await self._sessions.current(request)
        name = waiting.interaction.name
        if signed_in is None:
            return self._go_to(SIGN_IN_PATH, name)  # signed out meanwhile: nobody to choose
        return self._page(request, name, waiting.application, signed_in, waiting.form_target)

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        waiting = await self._waiting(form.get("interaction"))
        if waiting is None:
            return expired_page(self._pages, request)
        if form.get("action") == "cancel":
            return await self._cancel(request, waiting)
        signed_in = await self._sessions.current(request)
        name = waiting.interaction.name
        if signed_in is None or form.get("action") == "other":
            return self._go_to(SIGN_IN_PATH, name)
        if form.get("account") != signed_in.user.id:
            # Somebody else signed in since the page was drawn: they are asked themselves.
            return self._page(request, name, waiting.application, signed_in, waiting.form_target)
        await self._note(waiting.interaction.row.id_hash, signed_in.session.sid)
        return self._go_to(RESUME_PATH, name)

    async def _note(self, interaction_hash: str, sid: str) -> None:
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> None:
            interactions.note_choice(tx, instance_id, interaction_hash, sid)

        await self._database.write(work)

    def _go_to(self, path: str, interaction: str) -> Response:
        return see_other(self._directory.instance.issuer, path, interaction)

    def _page(
        self,
        request: Request,
        interaction: str,
        application: TrustedApplication,
        signed_in: SignedIn,
        form_target: str,
    ) -> Response:
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._pages.choose_account(
            request,
            interaction=interaction,
            application=application,
            account=signed_in.user.id,
            login=signed_in.user.login,
            user_name=signed_in.user.display_name(),
            anti_forgery=anti_forgery,
            form_target=form_target,
            languages=(signed_in.user.default_language,),
        )
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response

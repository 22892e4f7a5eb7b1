"""`POST /signin/passkey`: what a script of our pages needs to ask the browser for a passkey."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.errors import InvalidRequest, Refusal
from mintgate.contract.second_factors import offers_passkeys
from mintgate.identity.endpoints.interaction import InteractionEndpoint
from mintgate.identity.forms import client_address, read_form
from mintgate.identity.rendering import NO_STORE, RawJson, oauth_error
from mintgate.identity.signin.enrolment import REGISTER, Enrolment, NotPossible
from mintgate.identity.signin.passkey_sign_in import SECOND_STEP, SIGN_IN
from mintgate.identity.signin.passkeys import Json

PATH = "/signin/passkey"


class PasskeyOptionsEndpoint(InteractionEndpoint):
    """A challenge for the sign-in form, for the second step, or for a first passkey."""

    async def post(self, request: Request) -> Response:
        try:
            return RawJson(await self._options(request), headers=NO_STORE)
        except Refusal as refusal:
            return oauth_error(refusal)

    async def _options(self, request: Request) -> Json:
        """Raises InvalidRequest."""
        form = await read_form(request.scope, request.receive)
        if not self._cookies.is_own_form(request, form.get("anti_forgery")):
            raise InvalidRequest("The request did not come from a page of this site.")
        waiting = await self._waiting(form.get("interaction"))
        if waiting is None or not offers_passkeys(self._directory.instance):
            raise InvalidRequest("The page has expired.")
        step = form.get("step")
        if step == SIGN_IN:
            bound_to = waiting.interaction.row.id_hash
            return await self._second_factors.passkeys.options(SIGN_IN, bound_to)
        half = await self._steps.find(request, waiting.interaction)
        if half is None or half.proof.amr is not None:
            raise InvalidRequest("The page has expired.")
        bound_to = half.proof.proof_hash
        if step == SECOND_STEP:
            return await self._second_factors.passkeys.options(SECOND_STEP, bound_to, half.user)
        if step != REGISTER:
            raise InvalidRequest("There is no such step.")

        def work(enrolment: Enrolment) -> Json:
            enrolment.require_first()
            return enrolment.registration_options()

        address = client_address(request.scope)
        try:
            return await self._second_factors.enrol(half.user, half.proof, address, work)
        except NotPossible as problem:
            raise InvalidRequest(str(problem)) from None

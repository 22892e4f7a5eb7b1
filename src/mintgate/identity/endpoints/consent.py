"""`/consent`: whether an application may have what it asks for."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract import scopes
from mintgate.contract.users import UserType
from mintgate.identity.endpoints.authorize import RESUME_PATH, expired_page, see_other
from mintgate.identity.endpoints.interaction import InteractionEndpoint, Waiting
from mintgate.identity.forms import client_address
from mintgate.identity.sessions import SignedIn
from mintgate.store import AuditEvent, Transaction, applications, interactions


class ConsentEndpoint(InteractionEndpoint):
    """Asks whether the application may have what it asks for [EXT-2]."""

    async def get(self, request: Request) -> Response:
        waiting = await self._waiting(request.query_params.get("interaction"))
        signed_in = await self._sessions.current(request)
        if waiting is None or signed_in is None:
            return expired_page(self._pages, request)
        asked = _asked_scopes(waiting, signed_in)
        anti_forgery = self._cookies.anti_forgery_of(request)
        response = self._pages.consent(
            request,
            interaction=waiting.interaction.name,
            application=waiting.application,
            user_name=signed_in.user.display_name(),
            scopes=asked,
            anti_forgery=anti_forgery,
            form_target=waiting.form_target,
            languages=(signed_in.user.default_language, *waiting.request.ui_locales),
        )
        self._cookies.set_anti_forgery(response, anti_forgery)
        return response

    async def post(self, request: Request) -> Response:
        form = await self._own_form(request)
        if isinstance(form, Response):
            return form
        waiting = await self._waiting(form.get("interaction"))
        signed_in = await self._sessions.current(request)
        if waiting is None or signed_in is None:
            return expired_page(self._pages, request)
        if form.get("action") != "allow":
            return await self._cancel(request, waiting)
        instance_id = self._directory.instance.id
        user, application = signed_in.user, waiting.application
        allowed = frozenset(_asked_scopes(waiting, signed_in))

        def work(tx: Transaction) -> None:
            # In the order in which whoever issues the code takes the rows.
            interactions.note_consent(tx, instance_id, waiting.interaction.row.id_hash, user.id)
            applications.remember_consent(tx, instance_id, user.id, application.id, allowed)
            tx.record(
                AuditEvent(
                    instance_id=instance_id,
                    at=tx.now,
                    event="consent.given",
                    actor=user.login,
                    actor_id=user.id,
                    application=application.application_uri,
                    session=signed_in.session.sid,
                    address=client_address(request.scope),
                    details={"scope": sorted(allowed)},
                )
            )

        await self._database.write(work)
        return see_other(self._directory.instance.issuer, RESUME_PATH, waiting.interaction.name)


def _asked_scopes(waiting: Waiting, signed_in: SignedIn) -> tuple[str, ...]:
    """What the page shows, and so what an agreement means [SCP-13]."""
    if signed_in.user.user_type is UserType.COMMUNITY:
        return scopes.without_api_scopes(waiting.request.scopes)
    return waiting.request.scopes

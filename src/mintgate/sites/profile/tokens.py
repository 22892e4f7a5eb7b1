"""Tokens: what acts in a person's name, ending it, and making a new one [PRF-3..7]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.credentials import OwnGrant
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.scopes import token_order
from mintgate.identity.administration import own
from mintgate.sites.profile.frame import TOKENS, Frame
from mintgate.sites.profile.new_token import KEPT_FIELDS, NewToken
from mintgate.sites.scope_texts import scope_text
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import Form

SOON = 14 * 24 * 3600.0
"""Seconds before its end at which a token stands out."""
PAGE = 50


def routes(frame: Frame) -> list[BaseRoute]:
    page, new, door = _Tokens(frame), NewToken(frame), frame.door
    made = TOKENS + "/made/{form_id}"
    return [
        door.page(
            TOKENS,
            show=page.show,
            act=new.create,
            act_needs_fresh=True,
            back=TOKENS + "/new",
            keeps=KEPT_FIELDS,
        ),
        door.page(TOKENS + "/new", show=new.show, needs_fresh=True),
        door.page(made, show=new.made),
        door.page(TOKENS + "/{token_id}/revoke", show=page.ask, act=page.revoke),
    ]


class _Tokens:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def show(self, request: Request, visitor: Visitor) -> Response:
        found = await self._frame.calls.read(request, visitor, own.list_grants)
        offers = await self._frame.calls.read(request, visitor, own.list_applications)
        live = [grant for grant in found.items if grant.state == "live"]
        shows_all = "all" in request.query_params
        listed = found.items if shows_all else live
        number = _number(request.query_params.get("page"))
        first = (number - 1) * PAGE
        language = self._frame.language_of(request, visitor)
        shown = [
            (grant, [scope_text(scope, language)[0] for scope in token_order(grant.scopes)])
            for grant in listed[first : first + PAGE]
        ]

        def url(other: int) -> str:
            query = (["all=1"] if shows_all else []) + ([f"page={other}"] if other > 1 else [])
            return self._frame.url(TOKENS) + (f"?{'&'.join(query)}" if query else "")

        return self._frame.page(
            request,
            visitor,
            "tokens.html",
            current=TOKENS,
            found=shown,
            previous=url(number - 1) if number > 1 else None,
            following=url(number + 1) if first + PAGE < len(listed) else None,
            may_create=bool(offers.items),
            shows_all=shows_all,
            ended=len(found.items) - len(live),
            soon=self._frame.now() + SOON,
        )

    async def ask(self, request: Request, visitor: Visitor) -> Response:
        grant = await self._own(request, visitor)
        if grant.state != "live":
            return self._frame.to(TOKENS)
        return self._frame.page(request, visitor, "revoke.html", current=TOKENS, grant=grant)

    async def revoke(self, request: Request, visitor: Visitor, form: Form) -> Response:
        await self._frame.calls.write(request, visitor, own.revoke_grant)
        return self._frame.to(TOKENS, "revoked")

    async def _own(self, request: Request, visitor: Visitor) -> OwnGrant:
        """The one that the path names; somebody else's does not exist [PRF-7]."""
        found = await self._frame.calls.read(request, visitor, own.list_grants)
        wanted = request.path_params["token_id"]
        grant = next((grant for grant in found.items if grant.id == wanted), None)
        if grant is None:
            raise NoSuchRecord
        return grant


def _number(text: str | None) -> int:
    """Of a page; what is none is the first."""
    return max(int(text), 1) if text and text.isascii() and text.isdigit() and len(text) < 7 else 1

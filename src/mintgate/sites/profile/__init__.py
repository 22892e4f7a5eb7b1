"""Profile: what a person sees, changes and ends of the own account [PRF-1..8, PRF-10..22]."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from mintgate.sites.visiting.making import SiteGround
from mintgate.sites.visiting.visitor import Visitor


def routes(ground: SiteGround) -> Sequence[BaseRoute]:
    """The pages of the site."""

    async def home(request: Request, visitor: Visitor) -> Response:
        return PlainTextResponse(visitor.user.login)

    return [ground.door.page("", show=home)]

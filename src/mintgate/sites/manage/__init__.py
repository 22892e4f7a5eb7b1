"""Instance Manager: what administrators see and change of the instance [IMG-1..6]."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from mintgate.sites.visiting.making import SiteGround


def routes(ground: SiteGround) -> Sequence[BaseRoute]:
    """The pages of the site."""
    return []

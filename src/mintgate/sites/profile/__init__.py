"""Profile: what a person sees, changes and ends of the own account [PRF-1..8, PRF-10..22]."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from mintgate.sites.profile import (
    consents,
    devices,
    email,
    history,
    me,
    overview,
    password,
    second_factors,
    sign_ins,
    tokens,
)
from mintgate.sites.profile.frame import Frame
from mintgate.sites.visiting.making import SiteGround


def routes(ground: SiteGround) -> Sequence[BaseRoute]:
    """The pages of the site, and what it tells programs about the person."""
    frame = Frame(ground)
    return [
        *me.routes(ground),
        *overview.routes(frame),
        *email.routes(frame),
        *password.routes(frame),
        *second_factors.routes(frame),
        *sign_ins.routes(frame),
        *devices.routes(frame),
        *consents.routes(frame),
        *history.routes(frame),
        *tokens.routes(frame),
    ]

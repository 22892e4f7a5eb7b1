"""Invitations, as the automation API takes and shows them [IMG-6]."""

from __future__ import annotations

from typing import Literal

import msgspec

from mintgate.contract.automation.credentials import Hidden, Strict
from mintgate.contract.automation.records import Texts
from mintgate.contract.automation.route import Route


class NewInvitation(Strict, frozen=True, kw_only=True):
    """Whom to invite.

    `login` is the address when it is left out, `name` the login. With `send` false the link is
    in the answer and nowhere else; with true it goes to the address and is not in the answer.
    """

    email: str
    user_type: Literal["internal", "community"] = "internal"
    login: str | None = None
    name: Texts | str | None = None
    default_language: str | None = None
    send: bool = True


class InvitationAgain(Strict, frozen=True, kw_only=True):
    """`send` as in a new invitation."""

    send: bool = True


class Invited(Hidden, msgspec.Struct, frozen=True, kw_only=True):
    """An invitation; `link` is null when it was mailed. `expires_at` in Unix seconds."""

    user_id: str
    login: str
    email: str
    expires_at: float
    link: str | None


INVITATION_ROUTES = (
    Route(
        name="invitations.create",
        method="POST",
        path="/invitations",
        summary="Invite somebody: a user who becomes active with a link for one use.",
        body=NewInvitation,
        result=Invited,
        status=201,
    ),
    Route(
        name="invitations.again",
        method="POST",
        path="/users/{user_id}/invite",
        summary="Send an invited user another link; the one of before ends.",
        body=InvitationAgain,
        result=Invited,
    ),
)

"""Another mail address of one's own, confirmed by a link that is mailed there [USR-3]."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.problems import Conflict
from mintgate.identity.administration import own_email
from mintgate.sites.profile.frame import EMAIL, Frame
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import Form


def routes(frame: Frame) -> list[BaseRoute]:
    """Asks for a sign-in that is not long ago: where mail goes, passwords can be chosen anew."""
    page, door = _EmailPage(frame), frame.door
    return [
        door.page(EMAIL, show=page.show, act=page.change, needs_fresh=True, keeps=("email",)),
        door.page(EMAIL + "/confirm", act=page.confirm, back=EMAIL, needs_fresh=True),
    ]


class _EmailPage:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return self._page(request, visitor, visitor.draft.get("email", ""))

    async def change(self, request: Request, visitor: Visitor, form: Form) -> Response:
        typed = form.get("email", "").strip()
        try:
            run = partial(own_email.change, email=typed)
            problem = await self._frame.calls.write(request, visitor, run)
        except Conflict as refused:
            return self._page(request, visitor, typed, refused.description, status=409)
        if problem is not None:
            return self._page(request, visitor, typed, problem, status=400)
        return self._frame.to(EMAIL, "email")

    async def confirm(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """The link once more: the letter may be lost, or its time over."""
        try:
            await self._frame.calls.write(request, visitor, own_email.confirm)
        except Conflict as refused:
            return self._page(request, visitor, "", refused.description, status=409)
        return self._frame.to(EMAIL, "email-link")

    def _page(
        self,
        request: Request,
        visitor: Visitor,
        typed: str,
        problem: str | None = None,
        *,
        status: int = 200,
    ) -> Response:
        language = self._frame.language_of(request, visitor)
        return self._frame.page(
            request,
            visitor,
            "email.html",
            current="",
            status=status,
            typed=typed,
            problem=problem and language.gettext(problem),
            can_mail=self._frame.calls.can_mail,
        )

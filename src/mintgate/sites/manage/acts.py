"""Acts that are asked once more before they are done: a page that says what will happen.

Without scripts it is the next page, with them a dialog over the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.problems import Conflict
from mintgate.contract.instance import MANAGE_PATH, Instance
from mintgate.contract.translating import translatable
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.desk import Desk
from mintgate.sites.visiting.visitor import Visitor

YOURSELF = translatable("You cannot do this to your own account; ask another administrator.")


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One act and its question; texts are marked with `translatable`, with `%s` for the subject.

    Args:
        path: below the site's root.
        section: the entry of the navigation.
        run: does it.
        subject: what it is done to, for the question; raises NoSuchRecord.
        done: the notice afterwards.
        back: where Cancel leads, below the site's root, with the path's parameters in braces.
        after: where to go when it is done; `back` unless said.
        prepare: what takes too long for a transaction.
        needs_fresh: whether the person must have signed in a moment ago.
        not_oneself: whether an administrator may not do it to the own account.
        is_danger: whether it cannot be undone.
    """

    path: str
    section: str
    title: str
    text: str
    yes: str
    run: Callable[[Call], Any]
    subject: Callable[[Call], str]
    done: str
    back: str
    after: str | None = None
    body: Any = None
    prepare: Callable[[Any, Instance], Any] | None = None
    needs_fresh: bool = False
    not_oneself: bool = False
    is_danger: bool = True


class ActPages:
    """The pages of acts."""

    def __init__(self, desk: Desk, acts: tuple[Act, ...]) -> None:
        self._desk = desk
        self._acts = acts

    def routes(self) -> list[BaseRoute]:
        return [
            self._desk.door.page(
                act.path,
                show=_Page(self._desk, act).show,
                act=_Page(self._desk, act).do,
                needs_fresh=act.needs_fresh,
            )
            for act in self._acts
        ]


class _Page:
    def __init__(self, desk: Desk, act: Act) -> None:
        self._desk = desk
        self._act = act

    async def show(self, request: Request, visitor: Visitor) -> Response:
        self._refuse_oneself(request, visitor)
        act = self._act
        subject = await self._desk.calls.read(request, visitor, act.subject)
        return self._desk.page(
            request,
            visitor,
            "confirm",
            act.section,
            act=act,
            subject=subject,
            action=request.url.path,
            back=MANAGE_PATH + _filled(act.back, request.path_params),
        )

    async def do(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> Response:
        self._refuse_oneself(request, visitor)
        act, prepared = self._act, None
        if act.prepare is not None:
            prepared = await asyncio.to_thread(act.prepare, act.body, self._desk.instance)
        await self._desk.calls.write(request, visitor, act.run, body=act.body, prepared=prepared)
        after = act.after if act.after is not None else act.back
        return self._desk.go(MANAGE_PATH + _filled(after, request.path_params), act.done)

    def _refuse_oneself(self, request: Request, visitor: Visitor) -> None:
        if self._act.not_oneself and request.path_params.get("user_id") == visitor.user.id:
            raise Conflict(YOURSELF)


def _filled(path: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    return path

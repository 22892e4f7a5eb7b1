"""About me: names, language, picture, and what only an administrator changes [PRF-1]."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.instance import PROFILE_PATH
from mintgate.identity.administration import own_account
from mintgate.identity.administration.own_account import OwnDetails
from mintgate.sites.languages import LANGUAGES
from mintgate.sites.pictures import BadPicture
from mintgate.sites.profile.drawing import drawn
from mintgate.sites.profile.frame import Frame
from mintgate.sites.profile.picture_urls import picture_urls
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import Form
from mintgate.sites.visiting.uploads import Upload
from mintgate.store import pictures

NAMES = {"en": "English", "bg": "Български"}
"""Of the languages of pages, each in itself."""
MAX_UPLOAD = 5 * 1024 * 1024


def routes(frame: Frame) -> list[BaseRoute]:
    page, door = _Overview(frame), frame.door
    return [
        door.page("", show=page.show),
        door.page("/details", act=page.change_details, back=""),
        door.page("/picture", upload=page.change_picture, max_upload=MAX_UPLOAD, back=""),
        door.page("/picture/remove", act=page.remove_picture, back=""),
    ]


class _Overview:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def show(self, request: Request, visitor: Visitor) -> Response:
        return await self._page(request, visitor)

    async def change_details(self, request: Request, visitor: Visitor, form: Form) -> Response:
        languages = _name_languages(visitor)
        names = {code: form.get(f"name_{code}", "").strip() for code in languages}
        details = OwnDetails(name=names, default_language=form.get("language") or None)
        try:
            await self._frame.calls.write(
                request, visitor, own_account.change_details, body=details
            )
        except InvalidInput as refused:
            wrong = {attribute for attribute, _ in refused.problems}
            return await self._page(request, visitor, status=400, form=form, wrong=wrong)
        return self._frame.to("", "saved")

    async def change_picture(
        self, request: Request, visitor: Visitor, form: Form, files: Mapping[str, Upload]
    ) -> Response:
        upload = files.get("picture")
        try:
            # Off the event loop: a picture may be large, and is not to be trusted.
            picture = await asyncio.to_thread(drawn, upload.data if upload else b"")
        except BadPicture as bad:
            return await self._page(request, visitor, status=400, picture_problem=str(bad))
        await self._frame.calls.write(request, visitor, own_account.set_picture, prepared=picture)
        return self._frame.to("", "picture")

    async def remove_picture(self, request: Request, visitor: Visitor, form: Form) -> Response:
        await self._frame.calls.write(request, visitor, own_account.remove_picture)
        return self._frame.to("", "picture-removed")

    async def _page(
        self,
        request: Request,
        visitor: Visitor,
        *,
        status: int = 200,
        form: Form | None = None,
        wrong: set[str] | None = None,
        picture_problem: str | None = None,
    ) -> Response:
        ground, user = self._frame.ground, visitor.user
        changed_at = await ground.database.read(
            lambda c: pictures.changed_at(c, ground.instance.id, user.id)
        )
        language = self._frame.language_of(request, visitor)
        names: list[tuple[str, str, Any]] = [
            (
                code,
                NAMES.get(code, code),
                form.get(f"name_{code}", "") if form else user.name.get(code, ""),
            )
            for code in _name_languages(visitor)
        ]
        chosen = form.get("language", "") if form else user.default_language or ""
        choices = [(code, NAMES[code]) for code in LANGUAGES]
        if chosen and chosen not in LANGUAGES:
            choices.append((chosen, chosen))
        return self._frame.page(
            request,
            visitor,
            "overview.html",
            current="",
            status=status,
            user=user,
            display_name=user.display_name(language.code),
            picture=picture_urls(ground.instance.base_url + PROFILE_PATH, changed_at)[1],
            picture_problem=picture_problem and language.gettext(picture_problem),
            names=names,
            chosen=chosen,
            choices=choices,
            wrong=wrong or set(),
        )


def _name_languages(visitor: Visitor) -> list[str]:
    """Those that the name has already, and those of the pages."""
    return list(dict.fromkeys((*visitor.user.name, *LANGUAGES)))

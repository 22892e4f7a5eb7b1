"""How the instance looks: its name for people, its colour, its logo."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.problems import InvalidInput, PreconditionFailed
from mintgate.contract.automation.settings import Appearance
from mintgate.contract.translating import translatable
from mintgate.identity.administration import settings
from mintgate.identity.administration.call import Call, etag_of
from mintgate.sites.manage.acts import Act
from mintgate.sites.manage.desk import SETTINGS, Desk
from mintgate.sites.manage.logos import logo_of_file
from mintgate.sites.manage.settings import Fields, by_field, differences, seen
from mintgate.sites.pictures import BadPicture
from mintgate.sites.visiting.uploads import Files
from mintgate.sites.visiting.visitor import Visitor

APPEARANCE = SETTINGS + "/appearance"
MAX_UPLOAD = 5 * 1024 * 1024
LABELS = {
    "display_name": translatable("Name that people see"),
    "accent_colour": translatable("Colour of buttons and links"),
}
_BARE_COLOUR = re.compile(r"[0-9a-fA-F]{6}")

APPEARANCE_ACTS = (
    Act(
        path="/settings/appearance/remove-logo",
        section=SETTINGS,
        title=translatable("Remove the logo?"),
        text=translatable(
            "Pages of %s show its first letter instead. The picture is not kept; to have it back, "
            "choose the file again."
        ),
        yes=translatable("Remove the logo"),
        run=settings.remove_logo,
        subject=lambda call: settings.stored(call).shown_name,
        done="logo_removed",
        back="/settings/appearance",
        needs_fresh=True,
    ),
)


class AppearancePages:
    """A form with a file."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        return [
            self._desk.door.page(
                "/settings/appearance",
                show=self.show,
                upload=self.change,
                max_upload=MAX_UPLOAD,
                needs_fresh=True,
                keeps=("etag", *LABELS),
            )
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        found = await self._desk.calls.read(request, visitor, settings.show_appearance)
        fields = visitor.draft or {**_fields(found), "etag": etag_of(found)}
        return self._page(request, visitor, found, fields)

    async def change(
        self, request: Request, visitor: Visitor, form: Fields, files: Files
    ) -> Response:
        # A picture that was fine comes along with a form that was not.
        logo = form.get("chosen_logo") or None
        found = await self._desk.calls.read(request, visitor, settings.show_appearance)
        file = files.get("picture")
        if file is not None:
            try:
                logo = await asyncio.to_thread(logo_of_file, file.data)
            except BadPicture as bad:
                told = self._desk.language(request, visitor).gettext(str(bad))
                problems = {"picture": [told]}
                return self._page(request, visitor, found, form, problems, status=400)
        typed = {**form, "chosen_logo": logo or ""}
        body = Appearance(
            display_name=form.get("display_name", "").strip() or None,
            accent_colour=_colour(form.get("accent_colour", "")),
            logo=logo,
        )
        try:
            run = seen(form, _change)
            await self._desk.calls.write(request, visitor, run, body=body)
        except InvalidInput as refused:
            problems = self._desk.problems(request, visitor, refused)
            if "logo" in problems:
                typed["chosen_logo"] = ""
                problems["picture"] = problems.pop("logo")
            return self._page(request, visitor, found, typed, problems, status=400)
        except PreconditionFailed:
            language = self._desk.language(request, visitor)
            return self._page(
                request,
                visitor,
                found,
                {**typed, "etag": etag_of(found)},
                meanwhile=differences(LABELS, _fields(found), form, language),
                status=409,
            )
        return self._desk.go(APPEARANCE, "saved")

    def _page(
        self,
        request: Request,
        visitor: Visitor,
        found: Appearance,
        fields: Fields,
        problems: Mapping[str, list[str]] | None = None,
        *,
        meanwhile: Sequence[tuple[str, str]] | None = None,
        status: int = 200,
    ) -> Response:
        return self._desk.page(
            request,
            visitor,
            "settings_appearance",
            SETTINGS,
            status=status,
            fields=dict(fields),
            labels=LABELS,
            errors=by_field(problems),
            meanwhile=meanwhile,
            logo=fields.get("chosen_logo") or found.logo,
            has_logo=found.logo is not None,
            is_draft=bool(visitor.draft),
        )


def _change(call: Call) -> Appearance:
    """Who chose no picture keeps the one that is there."""
    given = call.given(Appearance)
    if given.logo is None:
        call = replace(call, body=replace(given, logo=settings.stored(call).logo))
    return settings.change_appearance(call)


def _fields(found: Appearance) -> dict[str, str]:
    return {
        "display_name": found.display_name or "",
        "accent_colour": found.accent_colour or "",
    }


def _colour(typed: str) -> str | None:
    """As it is stored: in lower case, and with the # that people leave out."""
    text = typed.strip().lower()
    return f"#{text}" if _BARE_COLOUR.fullmatch(text) else text or None

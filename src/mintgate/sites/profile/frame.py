"""What is around every page of Profile: its navigation, its language, its notices."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mintgate.contract.instance import MANAGE_PATH, PROFILE_PATH
from mintgate.contract.translating import translatable
from mintgate.sites.languages import Language
from mintgate.sites.rendering import Entry, PageRenderer, Shell
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import LEAVE_PATH
from mintgate.sites.visiting.making import SiteGround

PASSWORD = "/security/password"  # noqa: S105 - a path
EMAIL = "/email"
SECOND_FACTORS = "/security/second-factors"
TOKENS = "/security/tokens"
SIGN_INS = "/security/sign-ins"
DEVICES = "/devices"
HISTORY = "/security/history"
APPLICATIONS = "/applications"

ENTRIES = (
    Entry(translatable("About me"), PROFILE_PATH, "user"),
    Entry(translatable("Password"), PROFILE_PATH + PASSWORD, "lock"),
    Entry(translatable("Second factors"), PROFILE_PATH + SECOND_FACTORS, "shield"),
    Entry(translatable("Tokens"), PROFILE_PATH + TOKENS, "token"),
    Entry(translatable("Sign-ins"), PROFILE_PATH + SIGN_INS, "check"),
    Entry(translatable("Devices"), PROFILE_PATH + DEVICES, "device"),
    Entry(translatable("Applications"), PROFILE_PATH + APPLICATIONS, "apps"),
    Entry(translatable("History"), PROFILE_PATH + HISTORY, "audit"),
)
_MANAGE = Entry(translatable("Instance Manager"), MANAGE_PATH, "settings")

DONE = {
    "saved": translatable("Saved."),
    "picture": translatable("Your picture was changed."),
    "picture-removed": translatable("Your picture was removed."),
    "password": translatable(
        "Your password was changed. You are signed out everywhere but in this browser."
    ),
    "email": translatable(
        "Your address was changed. Open the link in the letter that is on its way to it."
    ),
    "email-link": translatable("Another letter is on its way."),
    "app-added": translatable("The app is set up."),
    "passkey-added": translatable("The passkey is registered."),
    "factor-removed": translatable("It is removed."),
    "signed-out": translatable("That browser is signed out."),
    "device-removed": translatable("The device is removed, and you are signed out there."),
    "signed-out-others": translatable("All other browsers are signed out."),
    "withdrawn": translatable("The application may do nothing in your name any more."),
    "revoked": translatable("The token works no more."),
}
"""What a page says after something was done, by the value of its `done` parameter."""


class Frame:
    """Draws the pages of the site, and leads from one to the next."""

    def __init__(self, ground: SiteGround) -> None:
        self.ground = ground
        self.door = ground.door
        self.calls = ground.calls
        self._base_url = ground.instance.base_url
        self._renderer = PageRenderer(ground.instance)

    def now(self) -> float:
        """Unix seconds."""
        return self.ground.clock()

    def url(self, path: str) -> str:
        """Of an address below the site's root."""
        return f"{self._base_url}{PROFILE_PATH}{path}"

    def language_of(self, request: Request, visitor: Visitor) -> Language:
        return self._renderer.language_of(request, visitor.locale)

    def page(
        self,
        request: Request,
        visitor: Visitor,
        template: str,
        *,
        current: str,
        status: int = 200,
        **values: Any,
    ) -> Response:
        """A page of the site.

        Args:
            template: below `templates/profile/`.
            current: which entry of the navigation is open, below the site's root.
        """
        language = self.language_of(request, visitor)
        return self._renderer.page(
            request,
            f"profile/{template}",
            locale=language,
            status=status,
            shell=self._shell(visitor, language, current),
            site=self.url(""),
            own={"anti_forgery": visitor.anti_forgery},
            visitor=visitor,
            now=self.now(),
            done=DONE.get(request.query_params.get("done", "")),
            **values,
        )

    def to(self, path: str, done: str | None = None) -> Response:
        """303 to a page of the site, which says what was done."""
        where = self.url(path) + (f"?done={done}" if done else "")
        return RedirectResponse(where, 303, {"Cache-Control": "no-store"})

    def _shell(self, visitor: Visitor, language: Language, current: str) -> Shell:
        return Shell(
            site=translatable("Profile"),
            home=PROFILE_PATH,
            entries=ENTRIES,
            current=PROFILE_PATH + current,
            user_name=visitor.user.display_name(language.code),
            login=visitor.user.login,
            sign_out_url=self.url(LEAVE_PATH),
            anti_forgery=visitor.anti_forgery,
            others=(_MANAGE,) if visitor.user.is_admin else (),
        )

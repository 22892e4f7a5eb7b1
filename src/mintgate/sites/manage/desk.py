"""What every page of Instance Manager is drawn with: navigation, notices, the way on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.instance import MANAGE_PATH, PROFILE_PATH
from mintgate.contract.translating import translatable
from mintgate.identity.forms import query_of
from mintgate.sites.languages import Language
from mintgate.sites.manage.notices import DONE
from mintgate.sites.manage.sent_once import SentOnce
from mintgate.sites.manage.sentences import problem_texts
from mintgate.sites.rendering import Entry, PageRenderer, Shell
from mintgate.sites.visiting.making import SiteGround
from mintgate.sites.visiting.visitor import Visitor

HOME, SESSIONS, SITES, USERS, APPS = (
    MANAGE_PATH + path for path in ("", "/sessions", "/sites", "/users", "/apps")
)
INVITE = MANAGE_PATH + "/invite"
LICENCES, KEYS, CONSENTS, AUDIT, INSPECTOR, SETTINGS = (
    MANAGE_PATH + path
    for path in ("/licences", "/keys", "/consents", "/audit", "/inspector", "/settings")
)
NAVIGATION = (  # [IMG-2]
    Entry(translatable("Home"), HOME, "home"),
    Entry(translatable("Sessions"), SESSIONS, "device"),
    Entry(translatable("Web sites"), SITES, "link"),
    Entry(translatable("Users"), USERS, "users"),
    Entry(translatable("Invite user"), INVITE, "mail"),
    Entry(translatable("Trusted apps"), APPS, "apps"),
    Entry(translatable("Licences"), LICENCES, "seat"),
    Entry(translatable("Signing keys"), KEYS, "key"),
    Entry(translatable("Consents"), CONSENTS, "check"),
    Entry(translatable("Audit log"), AUDIT, "audit"),
    Entry(translatable("Token inspector"), INSPECTOR, "inspect"),
    Entry(translatable("Settings"), SETTINGS, "settings"),
)
PAGE_SIZE = 25


class Desk:
    """Draws pages for administrators."""

    def __init__(self, ground: SiteGround) -> None:
        self.instance = ground.instance
        self.door = ground.door
        self.calls = ground.calls
        self.database = ground.database
        self.clock = ground.clock
        self.sent_once = SentOnce(ground.instance.id, ground.key_encryption_key)
        self._renderer = PageRenderer(ground.instance)

    def language(self, request: Request, visitor: Visitor) -> Language:
        return self._renderer.language_of(request, visitor.locale)

    def page(
        self,
        request: Request,
        visitor: Visitor,
        template: str,
        current: str,
        *,
        status: int = 200,
        **values: Any,
    ) -> Response:
        """A page below `templates/manage/`.

        Args:
            current: the path of the navigation's entry that it belongs to.
        """
        language = self.language(request, visitor)
        user = visitor.user
        base_url = self.instance.base_url
        done = DONE.get(request.query_params.get("done", ""))
        return self._renderer.page(
            request,
            f"manage/{template}.html",
            locale=language,
            status=status,
            shell=Shell(
                site=translatable("Instance Manager"),
                home=MANAGE_PATH,
                entries=NAVIGATION,
                current=current,
                user_name=user.display_name(language.code),
                login=user.login,
                sign_out_url=f"{base_url}{MANAGE_PATH}/signout",
                anti_forgery=visitor.anti_forgery,
                others=(Entry(translatable("Profile"), PROFILE_PATH, "user"),),
            ),
            manage=base_url + MANAGE_PATH,
            anti_forgery=visitor.anti_forgery,
            now=self.clock(),
            done=done,
            **values,
        )

    def problems(
        self, request: Request, visitor: Visitor, refused: InvalidInput
    ) -> dict[str, list[str]]:
        """What was refused, by attribute; "" has what belongs to none."""
        return problem_texts(refused, self.language(request, visitor))

    def choices(
        self, request: Request, visitor: Visitor, offered: Iterable[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """(value, text) pairs with their texts in the language of the page."""
        language = self.language(request, visitor)
        return [(value, language.gettext(text)) for value, text in offered]

    def go(self, path: str, done: str | None = None) -> Response:
        """On to another page of the site, where a notice says what was done."""
        where = self.instance.base_url + path + (f"?done={done}" if done else "")
        return RedirectResponse(where, status_code=303, headers={"Cache-Control": "no-store"})

    def url(self, path: str, **query: str | None) -> str:
        """The address of a page with these parameters, without those that are None or empty."""
        given = {name: value for name, value in query.items() if value}
        text = urlencode(given, quote_via=quote)
        return self.instance.base_url + path + (f"?{text}" if text else "")


def asked(request: Request) -> dict[str, str]:
    """The query parameters; raises InvalidRequest when they are malformed."""
    return query_of(request.scope)

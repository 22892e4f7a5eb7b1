"""How every page is drawn and sent: its language, its layout's values, its security headers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mintgate.contract.instance import Instance
from mintgate.contract.redirects import policy_source_of
from mintgate.sites.assets import asset_url
from mintgate.sites.brand import brand_asset_url, brand_of
from mintgate.sites.languages import Language, best_language, language

if TYPE_CHECKING:
    from jinja2 import Environment

_PERMISSIONS = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
    "magnetometer=(), microphone=(), midi=(), payment=(), usb=(), "
    "clipboard-write=(self), publickey-credentials-create=(self), publickey-credentials-get=(self)"
)


class Entry(msgspec.Struct, frozen=True):
    """A line of a site's navigation; `title` is marked with `translatable`.

    Args:
        path: below the base URL, such as `/profile/tokens`.
        icon: a symbol of `assets/icons.svg`.
    """

    title: str
    path: str
    icon: str = "dot"


class Shell(msgspec.Struct, frozen=True, kw_only=True):
    """What is around the pages of a site for who is signed in.

    Args:
        site: its name, marked with `translatable`.
        home: the path of its first page.
        entries: its navigation.
        current: the path of the entry that is open.
        sign_out_url: a form is posted there, with the anti-forgery value.
        others: other sites that this person may open.
    """

    site: str
    home: str
    entries: Sequence[Entry]
    current: str
    user_name: str
    login: str
    sign_out_url: str
    anti_forgery: str
    others: Sequence[Entry] = ()


class PageRenderer:
    """Draws the pages of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def language_of(self, request: Request, *wanted: str | None) -> Language:
        """The language of a page: the first of `wanted` that we have, else the browser's."""
        return best_language(wanted, request.headers.get("accept-language"))

    def page(
        self,
        request: Request,
        template: str,
        *,
        locale: str | Language | None = None,
        status: int = 200,
        form_target: str | None = None,
        has_own_forms: bool = True,
        frames: Sequence[str] = (),
        may_have_opener: bool = False,
        **values: Any,
    ) -> Response:
        """A page as an answer.

        Args:
            template: below `templates/`.
            locale: of the person, when known.
            form_target: an origin or a scheme that its forms may lead to, besides ours [SGN-9].
            has_own_forms: whether forms may lead to us as well.
            frames: addresses that it loads in frames.
            may_have_opener: whether a page of another origin may have it in a pop-up window, as
                applications do for signing in; it then keeps the window's handle.
        """
        if not isinstance(locale, Language):
            locale = self.language_of(request, locale)
        issuer = self.instance.issuer
        text = (
            environment(locale.code)
            .get_template(template)
            .render(
                instance=self.instance,
                brand=brand_of(self.instance),
                brand_asset=partial(brand_asset_url, issuer),
                issuer=issuer,
                base_url=self.instance.base_url,
                asset=partial(asset_url, issuer),
                language=locale,
                frames=frames,
                **values,
            )
        )
        targets = [*(["'self'"] if has_own_forms else []), *([form_target] if form_target else [])]
        headers = security_headers(targets, frames, may_have_opener=may_have_opener)
        headers["Content-Language"] = locale.code
        return HTMLResponse(text, status_code=status, headers=headers)


def security_headers(
    form_targets: Sequence[str], frames: Sequence[str] = (), *, may_have_opener: bool = False
) -> dict[str, str]:
    """Of every page; see `PageRenderer.page`. `BASE_HEADERS` of the server come on top."""
    # Browsers apply form-action to the redirect after the POST as well [SGN-9].
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": " ".join(form_targets),
        "frame-ancestors": "'none'",  # [EP-7]
    }
    if frames:
        policy["frame-src"] = " ".join(dict.fromkeys(map(policy_source_of, frames)))
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Frame-Options": "DENY",  # [EP-7]
        "Cache-Control": "no-store",
        "Permissions-Policy": _PERMISSIONS,
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if not may_have_opener:
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return headers


@cache
def environment(code: str) -> Environment:
    """The templates in one of `LANGUAGES`."""
    # One a language, so that compiled templates hold its texts; made with its first page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    spoken = language(code)
    made = Environment(
        loader=PackageLoader("mintgate.sites", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]
        spoken.markup, spoken.plural_markup, newstyle=True
    )
    made.filters.update(
        date=spoken.date,
        date_and_time=spoken.date_and_time,
        iso=spoken.iso,
        relative=spoken.relative,
        number=spoken.number,
        percent=spoken.percent,
    )
    return made

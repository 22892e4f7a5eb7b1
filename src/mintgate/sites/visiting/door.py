"""What every page of a site asks first: who is there, may they, and is this form theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.errors import (
    Forbidden,
    Refusal,
    TemporarilyUnavailable,
)
from mintgate.contract.first_party import SIGN_IN_PATH, SIGN_OUT_PATH
from mintgate.contract.translating import translatable
from mintgate.identity.endpoints.end_session import EndSessionEndpoint
from mintgate.identity.forms import header, read_form
from mintgate.identity.rendering import Handler, Methods
from mintgate.sites.visiting.sign_in import SignInParts, SiteSignIn
from mintgate.sites.visiting.site import Site
from mintgate.sites.visiting.uploads import Files, read_upload
from mintgate.sites.visiting.visitor import Visitor
from mintgate.store import DatabaseUnavailable, Transaction, site_sessions

LEAVE_PATH = "/signout"
FORM_FIELD = "anti_forgery"
MAX_DRAFT = 8192

Form = Mapping[str, str]
Show = Callable[[Request, Visitor], Awaitable[Response]]
Act = Callable[[Request, Visitor, Form], Awaitable[Response]]
ActWithFiles = Callable[[Request, Visitor, Form, Files], Awaitable[Response]]

FOREIGN_FORM = translatable(
    "The form did not come from this page, or you have signed in anew since it was opened. "
    "Open the page again and repeat what you did."
)
ADMINISTRATORS_ONLY = translatable("Only administrators of this instance can open this site.")


class Door:
    """Makes the routes of a site.

    Args:
        end_session: signs people out, of the site and of the instance.
    """

    def __init__(
        self,
        site: Site,
        parts: SignInParts,
        end_session: EndSessionEndpoint,
    ) -> None:
        self.site = site
        self._parts = parts
        self._instance = parts.directory.instance
        self._sign_in = SiteSignIn(site, parts)
        self._end_session = end_session
        self._fresh_seconds = self._instance.fresh_sign_in_seconds

    def page(
        self,
        path: str,
        *,
        show: Show | None = None,
        act: Act | None = None,
        upload: ActWithFiles | None = None,
        max_upload: int = 0,
        back: str | None = None,
        needs_fresh: bool = False,
        act_needs_fresh: bool = False,
        keeps: Sequence[str] = (),
    ) -> Route:
        """One address of the site.

        Args:
            path: below the site's root.
            show: answers GET.
            act: answers POST, given the form without its anti-forgery value.
            upload: the same for a form with files, of at most `max_upload` bytes together.
            back: where a person goes on after a sign-in that came in between, below the site's
                root; without it the page itself, when it can be shown.
            needs_fresh: whether both ask for a sign-in that is not long ago.
            act_needs_fresh: whether only POST does.
            keeps: the fields that are kept while the person signs in anew, for the page at `back`
                to fill in from `Visitor.draft`; `begin_*` stands for all that begin so. Never a
                secret.
        """
        handlers: dict[str, Handler] = {}
        if show is not None:
            handlers["GET"] = _Showing(self, show, needs_fresh).get
        if act is not None or upload is not None:
            fixed = "" if show is None and back is None else back
            handlers["POST"] = _Acting(
                self,
                act=act,
                upload=upload,
                max_upload=max_upload,
                back=None if fixed is None else self.site.root + fixed,
                needs_fresh=needs_fresh or act_needs_fresh,
                keeps=keeps,
            ).post
        return Route(self.site.root + path, Methods(**handlers))

    def routes(self) -> list[Route]:
        """Those that every site has: back from the issuer, and out."""
        root = self.site.root
        return [
            Route(root + SIGN_IN_PATH, Methods(GET=self._guarded(self._sign_in.callback))),
            Route(root + SIGN_OUT_PATH, Methods(GET=self._signed_out)),
            self.page(LEAVE_PATH, act=self._leave),
        ]

    async def visitor(self, request: Request) -> Visitor | None:
        """Who asks, for endpoints that are no pages."""
        return await self._parts.visitors.current(request)

    def set_session(self, response: Response, value: str) -> None:
        """Give the browser another site session, which is stored already."""
        self._parts.cookies.set_session(response, value)

    async def admit(self, request: Request, address: str) -> Visitor | Response:
        """The visitor, or else the way to a sign-in and back to `address`.

        Raises:
            Forbidden: the site is for administrators only, and this is none.
        """
        visitor = await self._parts.visitors.current(request)
        if visitor is None:
            return self._sign_in.start(request, address)
        if self.site.administrators_only and not visitor.user.is_admin:
            raise Forbidden(ADMINISTRATORS_ONLY)  # [IMG-1]
        return visitor

    def is_fresh(self, visitor: Visitor) -> bool:
        """Whether the sign-in is recent enough for what is dangerous."""
        return visitor.is_fresh(self._parts.clock(), self._fresh_seconds)

    def ask_again(self, request: Request, visitor: Visitor, address: str) -> Response:
        """To a new sign-in of the same person, and back to `address`."""
        return self._sign_in.start(request, address, again=visitor)

    async def answer(self, request: Request, handler: Handler) -> Response:
        """What a handler answers; what it refuses becomes a page."""
        try:
            if any("\0" in value for value in request.path_params.values()):
                raise NoSuchRecord("There is no such page.")  # PostgreSQL is asked of no NUL
            return await handler(request)
        except DatabaseUnavailable as error:
            refusal: Refusal = TemporarilyUnavailable(cause=str(error))
        except Refusal as refused:
            refusal = refused
        response = self._parts.pages.refused(
            request, description=refusal.description, status=refusal.status
        )
        if isinstance(refusal, TemporarilyUnavailable):
            response.headers["Retry-After"] = str(refusal.retry_after)
        return response

    async def keep_draft(self, visitor: Visitor, path: str, fields: Form) -> None:
        """Keep what was typed on a page; nothing of it forgets what was kept."""
        draft = None
        if fields and sum(map(len, fields.values())) <= MAX_DRAFT:
            draft = {"path": path, "at": self._parts.clock(), "fields": dict(fields)}

        def work(tx: Transaction) -> None:
            site_sessions.keep_draft(tx, self._instance.id, visitor.cookie_hash, draft)

        await self._parts.database.write(work)

    def require_own_form(self, request: Request, visitor: Visitor, form: Form) -> None:
        """[PRF-6] Raises Forbidden for a form that is not of this visitor and of this site."""
        if _comes_from_elsewhere(request, self._instance.base_url) or not visitor.is_own_form(
            form.get(FORM_FIELD)
        ):
            raise Forbidden(FOREIGN_FORM)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            return await self.answer(request, handler)

        return guarded

    async def _leave(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """Sign out of everything in this browser, as by `end_session_endpoint` [END-4]."""
        response = await self._end_session.leave(visitor.sid, self.site.client_id)
        self._parts.cookies.drop_session(response)
        return response

    async def _signed_out(self, request: Request) -> Response:
        return RedirectResponse(self._instance.base_url + "/", status_code=303)


class _Showing:
    """GET of a page."""

    def __init__(self, door: Door, show: Show, needs_fresh: bool) -> None:
        self._door = door
        self._show = show
        self._needs_fresh = needs_fresh

    async def get(self, request: Request) -> Response:
        return await self._door.answer(request, self._get)

    async def _get(self, request: Request) -> Response:
        address = self._door.site.address(request.url.path, request.url.query)
        visitor = await self._door.admit(request, address)
        if isinstance(visitor, Response):
            return visitor
        if self._needs_fresh and not self._door.is_fresh(visitor):
            return self._door.ask_again(request, visitor, address)
        response = await self._show(request, visitor)
        if visitor.draft:
            await self._door.keep_draft(visitor, request.url.path, {})
        return response


class _Acting:
    """POST of a page's form."""

    def __init__(
        self,
        door: Door,
        *,
        act: Act | None,
        upload: ActWithFiles | None,
        max_upload: int,
        back: str | None,
        needs_fresh: bool,
        keeps: Sequence[str],
    ) -> None:
        self._door = door
        self._act = act
        self._upload = upload
        self._max_upload = max_upload
        self._back = back
        self._needs_fresh = needs_fresh
        self._keeps = keeps

    async def post(self, request: Request) -> Response:
        return await self._door.answer(request, self._post)

    async def _post(self, request: Request) -> Response:
        door = self._door
        address = door.site.address(request.url.path if self._back is None else self._back)
        visitor = await door.admit(request, address)
        if isinstance(visitor, Response):
            return visitor
        form, files = await self._read(request)
        door.require_own_form(request, visitor, form)
        if self._needs_fresh and not door.is_fresh(visitor):
            kept = {name: form[name] for name in form if self._is_kept(name)}
            await door.keep_draft(visitor, address, kept)
            return door.ask_again(request, visitor, address)
        form = {name: value for name, value in form.items() if name != FORM_FIELD}
        if self._upload is not None:
            return await self._upload(request, visitor, form, files)
        assert self._act is not None  # noqa: S101 - told to the type checker
        return await self._act(request, visitor, form)

    def _is_kept(self, name: str) -> bool:
        return any(
            name.startswith(kept[:-1]) if kept.endswith("*") else name == kept
            for kept in self._keeps
        )

    async def _read(self, request: Request) -> tuple[Form, Files]:
        if self._upload is not None:
            return await read_upload(request, self._max_upload)
        return await read_form(request.scope, request.receive), {}


def _comes_from_elsewhere(request: Request, base_url: str) -> bool:
    """Whether the browser says so (Fetch Metadata, RFC 6454); an old one says nothing.

    Pages are sent with `Referrer-Policy: no-referrer`, which makes the origin `null`.
    """
    site = header(request.scope, b"sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = header(request.scope, b"origin")
    return origin not in {None, "null", base_url}

"""Making a personal token: a form, and the page that shows the value once [PRF-4, PRF-5]."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract.automation.credentials import NewPersonalToken, TokenApplication
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.identifiers import new_secret
from mintgate.contract.reference_tokens import CreationInvalid
from mintgate.contract.scopes import READ
from mintgate.contract.translating import translatable
from mintgate.identity.administration import own
from mintgate.identity.administration.call import Call
from mintgate.sites.profile.frame import TOKENS, Frame
from mintgate.sites.profile.shown_once import ShownOnce
from mintgate.sites.scope_texts import scope_text
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import Form

SHOWN = 24
"""Applications to choose from at once; a search finds the others."""
DAYS = (7, 30, 90, 365)
USUAL_DAYS = "365"
"""[REF-18]"""
DATE = "date"
"""The choice of a day, and the field with the day."""
SCOPE_FIELD = "scope_"
KEPT_FIELDS = ("application", "description", "days", DATE, "scope_read", "scope_update")
NO_SCOPE = translatable("Choose at least one permission.")
BAD_DATE = translatable("Choose a day after today.")
TOO_LATE = translatable(
    "Choose an earlier day: tokens of this instance live at most %(days)s days."
)
NOT_OFFERED = translatable("You can make no token for this application any more.")


class NewToken:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        ground = frame.ground
        self._shown_once = ShownOnce(ground.instance.id, ground.key_encryption_key)

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """The form; first the choice of an application, where there is one."""
        draft = visitor.draft
        wanted = request.query_params.get("application") or draft.get("application")
        offers = await self._frame.calls.read(request, visitor, own.list_applications)
        if wanted is None and len(offers.items) == 1:
            wanted = offers.items[0].id
        application = next((one for one in offers.items if one.id == wanted), None)
        if application is None:
            return self._choice(request, visitor, offers.items)
        form = dict(draft) or {"days": USUAL_DAYS, SCOPE_FIELD + READ: "on"}
        return self._form(request, visitor, application, len(offers.items), form)

    def _choice(
        self, request: Request, visitor: Visitor, offers: Sequence[TokenApplication]
    ) -> Response:
        search = request.query_params.get("search", "").strip()
        wanted = search.casefold()
        found = [
            one
            for one in offers
            if wanted in one.application.casefold() or wanted in (one.name or "").casefold()
        ]
        return self._frame.page(
            request,
            visitor,
            "choose_application.html",
            current=TOKENS,
            offers=found[:SHOWN],
            more=len(found) - SHOWN,
            search=search,
            can_search=bool(search) or len(offers) > SHOWN,
        )

    async def create(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """Make it once, however often the form comes [PRF-6]."""
        offers = await self._frame.calls.read(request, visitor, own.list_applications)
        application = next((o for o in offers.items if o.id == form.get("application")), None)
        form_id = form.get("once", "")
        if application is None or not form_id:
            raise NoSuchRecord(NOT_OFFERED)
        scopes = tuple(name for name in application.scopes if SCOPE_FIELD + name in form)
        now = self._frame.now()
        body = NewPersonalToken(
            application_id=application.id,
            scopes=scopes,
            expires_at=_end_of(form, now) or 0,
            description=form.get("description", "").strip() or None,
        )
        slot = self._shown_once.slot(visitor, form_id)

        def run(call: Call) -> None:
            call.lock()
            if not self._shown_once.is_taken(call, slot):
                self._shown_once.put(call, slot, own.create_token(call))

        try:
            await self._frame.calls.write(request, visitor, run, body=body)
        except CreationInvalid as refused:
            wrong = self._wrong(body, now) or {"form": (refused.description, {})}
            return self._form(
                request, visitor, application, len(offers.items), form, wrong=wrong, status=400
            )
        return self._frame.to(f"{TOKENS}/made/{form_id}")

    async def made(self, request: Request, visitor: Visitor) -> Response:
        """The value, once; whoever reloads the page learns that it was shown."""
        slot = self._shown_once.slot(visitor, request.path_params["form_id"])

        def run(call: Call) -> object:
            return self._shown_once.take(call, slot)

        made = await self._frame.calls.write(request, visitor, run)
        return self._frame.page(
            request,
            visitor,
            "made_token.html",
            current=TOKENS,
            made=made,
            api_url=self._frame.ground.instance.odata_root,
        )

    def _wrong(
        self, body: NewPersonalToken, now: float
    ) -> dict[str, tuple[str, dict[str, object]]]:
        """Which fields are to blame for a refusal, with a sentence to translate for each."""
        wrong: dict[str, tuple[str, dict[str, object]]] = {}
        longest = self._frame.ground.instance.max_reference_token_days
        if not body.scopes:
            wrong["scopes"] = (NO_SCOPE, {})
        if body.expires_at <= now:
            wrong["expiry"] = (BAD_DATE, {})
        elif longest is not None and body.expires_at > now + longest * 86_400:
            wrong["expiry"] = (TOO_LATE, {"days": longest})
        return wrong

    def _form(
        self,
        request: Request,
        visitor: Visitor,
        application: TokenApplication,
        offered: int,
        form: Form,
        *,
        wrong: dict[str, tuple[str, dict[str, object]]] | None = None,
        status: int = 200,
    ) -> Response:
        language = self._frame.language_of(request, visitor)
        longest = self._frame.ground.instance.max_reference_token_days
        now = self._frame.now()
        presets = [days for days in DAYS if longest is None or days <= longest]
        chosen = form.get("days", "")
        if chosen != DATE and chosen not in {str(days) for days in presets}:
            chosen = str(presets[-1]) if presets else DATE
        told = {
            field: language.gettext(sentence) % values if values else language.gettext(sentence)
            for field, (sentence, values) in (wrong or {}).items()
        }
        return self._frame.page(
            request,
            visitor,
            "new_token.html",
            current=TOKENS,
            status=status,
            application=application,
            offered=offered,
            form=form,
            once=form.get("once") or new_secret(),
            presets=[(days, now + days * 86_400) for days in presets],
            chosen=chosen,
            first_day=_day(now + 86_400),
            last_day=None if longest is None else _day(now + (longest - 1) * 86_400),
            scopes=[
                (name, *scope_text(name, language), SCOPE_FIELD + name in form)
                for name in application.scopes
            ],
            wrong=told,
        )


def _end_of(form: Form, now: float) -> float | None:
    """Unix seconds; None when nothing that can be read was chosen."""
    days = form.get("days", "")
    if days != DATE:
        return now + int(days) * 86_400 if days in {str(d) for d in DAYS} else None
    try:
        day = date.fromisoformat(form.get(DATE, ""))
        # The whole of the chosen day, as times are shown in UTC.
        return datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()

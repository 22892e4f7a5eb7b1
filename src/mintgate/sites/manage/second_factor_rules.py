"""Who has a second factor: the rules, and what will happen before one is changed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.problems import PreconditionFailed
from mintgate.contract.automation.settings import SecondFactorRules
from mintgate.contract.instance import SecondFactorRule
from mintgate.contract.translating import translatable
from mintgate.identity.administration import second_factor_facts, settings
from mintgate.identity.administration.call import etag_of
from mintgate.identity.administration.second_factor_facts import FactorFacts
from mintgate.sites.manage.desk import SETTINGS, Desk
from mintgate.sites.manage.settings import Fields, differences, seen
from mintgate.sites.visiting.visitor import Visitor
from mintgate.store.second_factors import People

RULES = SETTINGS + "/second-factors"
LABELS = {
    "second_factor_internal": translatable("Internal users"),
    "second_factor_community": translatable("External users"),
}
OFF, ALLOWED, REQUIRED = SecondFactorRule.OFF, SecondFactorRule.ALLOWED, SecondFactorRule.REQUIRED
RULE_TEXTS = {
    ALLOWED: (
        translatable("Allowed"),
        translatable("Whoever has set up an app or a passkey is asked for it, the others are not."),
    ),
    REQUIRED: (
        translatable("Required"),
        translatable("Whoever has none sets one up at the next sign-in, before it ends."),
    ),
    OFF: (
        translatable("Off"),
        translatable("The password is enough for everybody, and passkeys are not taken."),
    ),
}

SET_UP = translatable(
    "Whoever has none sets one up at the next sign-in, with an app or a passkey: nobody is locked "
    "out by that."
)
HURRY = translatable(
    "Until then a stolen password is enough to set one up in its owner's place. Ask people to sign "
    "in soon."
)
NO_BASIC = translatable(
    "HTTP Basic and ErpLogin stop working for all of them, as these know no second factor."
)
KEPT = translatable("The last one cannot be removed in Profile any more.")
ASKED_AGAIN = translatable(
    "Whoever set one up before is asked for it again, and whoever has lost it meanwhile needs an "
    "administrator to reset it."
)
ADMINISTRATORS_ASKED = translatable(
    "Every administrator is among them. Make sure that one of you still has the app, the passkey "
    "or a recovery code: otherwise only the operator can let you in again, with mintgate user "
    "reset-second-factor."
)
NO_MORE = translatable(
    "Whoever has one is not asked for it any more: a stolen password is enough to sign in."
)
NO_PASSKEYS = translatable(
    "Passkeys are not taken. Whoever signs in with one needs the password again."
)
APPLICATIONS_CLOSED = translatable("Applications that ask for a second factor let none of them in.")
STORED = translatable("What they have set up stays stored, for the day you allow it again.")
FREE = translatable("Whoever has one is asked for it as before, and may remove it.")
OWN_NONE = translatable("You have none yourself: you set one up at your next sign-in.")
OWN_SOME = translatable("You have one yourself, and are asked for it at your next sign-in.")
OWN_OFF = translatable("This is so for your own account, too.")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that becomes another; texts are to be translated."""

    label: str
    before: str
    after: str
    people: People
    effects: Sequence[str]


class SecondFactorRulePages:
    """The form, and the question before anything is changed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        return [
            self._desk.door.page(
                "/settings/second-factors",
                show=self.show,
                act=self.change,
                needs_fresh=True,
                keeps=("etag", *LABELS),
            )
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        found = await self._desk.calls.read(request, visitor, settings.show_rules)
        fields = visitor.draft or {**_fields(found), "etag": etag_of(found)}
        return await self._page(request, visitor, fields)

    async def change(self, request: Request, visitor: Visitor, form: Fields) -> Response:
        found = await self._desk.calls.read(request, visitor, settings.show_rules)
        wanted = _wanted(form)
        if wanted is None:
            return await self._page(request, visitor, _fields(found) | dict(form), status=400)
        if form.get("etag", "") != etag_of(found):
            return await self._meanwhile(request, visitor, form)
        if wanted == found:
            return self._desk.go(RULES, "saved")
        if "confirmed" not in form:
            return await self._ask(request, visitor, found, wanted, form)
        try:
            run = seen(form, settings.change_rules)
            await self._desk.calls.write(request, visitor, run, body=wanted)
        except PreconditionFailed:
            return await self._meanwhile(request, visitor, form)
        return self._desk.go(RULES, "rules_saved")

    async def _ask(
        self,
        request: Request,
        visitor: Visitor,
        found: SecondFactorRules,
        wanted: SecondFactorRules,
        form: Fields,
    ) -> Response:
        facts = await self._desk.calls.read(request, visitor, second_factor_facts.show)
        return self._desk.page(
            request,
            visitor,
            "settings_factors_confirm",
            SETTINGS,
            changes=changes(found, wanted, facts),
            values={
                "anti_forgery": visitor.anti_forgery,
                "etag": form["etag"],
                "confirmed": "on",
                **_fields(wanted),
            },
        )

    async def _meanwhile(self, request: Request, visitor: Visitor, form: Fields) -> Response:
        found = await self._desk.calls.read(request, visitor, settings.show_rules)
        language = self._desk.language(request, visitor)
        stored = {name: RULE_TEXTS[rule][0] for name, rule in msgspec.structs.asdict(found).items()}
        told = differences(
            LABELS,
            {name: language.gettext(text) for name, text in stored.items()},
            {name: language.gettext(_text_of(form.get(name, ""))) for name in LABELS},
            language,
        )
        fields = {**form, "etag": etag_of(found)}
        return await self._page(request, visitor, fields, meanwhile=told, status=409)

    async def _page(
        self,
        request: Request,
        visitor: Visitor,
        fields: Fields,
        *,
        meanwhile: Sequence[tuple[str, str]] | None = None,
        status: int = 200,
    ) -> Response:
        facts = await self._desk.calls.read(request, visitor, second_factor_facts.show)
        people = {"second_factor_internal": facts.internal}
        people["second_factor_community"] = facts.community
        return self._desk.page(
            request,
            visitor,
            "settings_factors",
            SETTINGS,
            status=status,
            fields=dict(fields),
            rules=[(name, label, people[name]) for name, label in LABELS.items()],
            choices=[(rule.value, *texts) for rule, texts in RULE_TEXTS.items()],
            meanwhile=meanwhile,
        )


def changes(
    found: SecondFactorRules, wanted: SecondFactorRules, facts: FactorFacts
) -> list[Change]:
    """What becomes another rule, and what follows from it."""
    made = []
    for name, people, is_own in (
        ("second_factor_internal", facts.internal, True),
        ("second_factor_community", facts.community, False),  # these are no administrators [USR-5]
    ):
        before, after = getattr(found, name), getattr(wanted, name)
        if before is not after:
            effects = _effects(before, after, people)
            if is_own:
                effects.append(_own_effect(after, has_one=facts.own))
            made.append(
                Change(
                    label=LABELS[name],
                    before=RULE_TEXTS[before][0],
                    after=RULE_TEXTS[after][0],
                    people=people,
                    effects=[text for text in effects if text],
                )
            )
    return made


def _effects(before: SecondFactorRule, after: SecondFactorRule, people: People) -> list[str]:
    if after is OFF:
        return [NO_MORE, NO_PASSKEYS, APPLICATIONS_CLOSED, STORED]
    effects = []
    if before is OFF:
        effects.append(ASKED_AGAIN)
        if 0 < people.administrators == people.administrators_with_factor:
            effects.append(ADMINISTRATORS_ASKED)
    if after is REQUIRED:
        effects += [SET_UP, HURRY, KEPT, NO_BASIC]
    elif before is REQUIRED:
        effects.append(FREE)
    return effects


def _own_effect(after: SecondFactorRule, *, has_one: bool) -> str:
    if after is OFF:
        return OWN_OFF
    if has_one:
        return OWN_SOME
    return OWN_NONE if after is REQUIRED else ""


def _wanted(form: Fields) -> SecondFactorRules | None:
    """The rules of a form; None for one that was put together by hand."""
    try:
        return SecondFactorRules(**{name: SecondFactorRule(form.get(name, "")) for name in LABELS})
    except ValueError:
        return None


def _text_of(rule: str) -> str:
    return RULE_TEXTS[SecondFactorRule(rule)][0]


def _fields(rules: SecondFactorRules) -> dict[str, str]:
    return {name: rule.value for name, rule in msgspec.structs.asdict(rules).items()}

"""Signing keys: which there are, a new one, and what to do about a stolen one [EXT-14, DSC-14]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.contract.automation.credentials import NoBody, Rotation
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.translating import translatable
from mintgate.identity.administration import keys
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.acts import Act
from mintgate.sites.manage.desk import KEYS, Desk
from mintgate.sites.visiting.visitor import Visitor


class KeyPages:
    """The list of keys."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        return [self._desk.door.page("/keys", show=self.index)]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        found = await self._desk.calls.read(request, visitor, keys.list_all)
        return self._desk.page(request, visitor, "keys", KEYS, items=list(reversed(found.items)))


def _kid(call: Call) -> str:
    kid = call.path["kid"]
    if kid not in [key.kid for key in keys.list_all(call).items]:
        raise NoSuchRecord("There is no key with this kid.")
    return kid


KEY_ACTS = (
    Act(
        path="/keys/rotate/tomorrow",
        section=KEYS,
        title=translatable("Make a new signing key?"),
        text=translatable(
            "It is published now and signs from tomorrow on, so that every API knows it by then. "
            "Tokens of the key of until now stay valid."
        ),
        yes=translatable("Make the key"),
        run=keys.rotate,
        subject=lambda call: "",
        done="key_added",
        back="/keys",
        body=Rotation(),
        prepare=keys.prepared_key,
        needs_fresh=True,
        is_danger=False,
    ),
    Act(
        path="/keys/rotate/now",
        section=KEYS,
        title=translatable("Sign with a new key at once?"),
        text=translatable(
            "APIs that keep a copy of the keys refuse its tokens until they fetch the keys "
            "again, which may take them some minutes. Tomorrow is better, unless it is urgent."
        ),
        yes=translatable("Make the key and use it now"),
        run=keys.rotate,
        subject=lambda call: "",
        done="key_added",
        back="/keys",
        body=Rotation(at_once=True),
        prepare=keys.prepared_key,
        needs_fresh=True,
    ),
    Act(
        path="/keys/{kid}/compromised",
        section=KEYS,
        title=translatable("Was this key stolen?"),
        text=translatable(
            "Every token that the key %s has signed is refused from now on: people and services "
            "must get new ones. If it signs at the moment, another one takes its place. This "
            "cannot be undone."
        ),
        yes=translatable("End this key"),
        run=keys.compromised,
        subject=_kid,
        done="key_ended",
        back="/keys",
        body=NoBody(),
        prepare=keys.prepared_key,
        needs_fresh=True,
    ),
)

"""Devices where a person signed in [PRF-8]."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from mintgate.identity.administration import own_devices
from mintgate.identity.cookies import Cookies
from mintgate.identity.signin.devices import digest_of
from mintgate.sites.languages import Language
from mintgate.sites.profile.browsers import browser_text
from mintgate.sites.profile.frame import DEVICES, Frame
from mintgate.sites.visiting import Visitor
from mintgate.sites.visiting.door import Form
from mintgate.store.user_devices import UserDevice


class _Shown(NamedTuple):
    device: UserDevice
    name: str
    is_own: bool


def routes(frame: Frame) -> list[BaseRoute]:
    page, door = _Devices(frame), frame.door
    return [
        door.page(DEVICES, show=page.show),
        door.page(
            DEVICES + "/{device_id}/remove",
            show=page.ask_to_remove,
            act=page.remove,
            back=DEVICES,
        ),
    ]


class _Devices:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._cookies = Cookies(frame.ground.instance)

    async def show(self, request: Request, visitor: Visitor) -> Response:
        found = await self._frame.calls.read(request, visitor, own_devices.list_all)
        language = self._frame.language_of(request, visitor)
        shown = [self._shown(device, request, language) for device in found]
        return self._frame.page(request, visitor, "devices.html", current=DEVICES, found=shown)

    async def ask_to_remove(self, request: Request, visitor: Visitor) -> Response:
        device = await self._frame.calls.read(request, visitor, own_devices.get)
        language = self._frame.language_of(request, visitor)
        return self._frame.page(
            request,
            visitor,
            "remove_device.html",
            current=DEVICES,
            one=self._shown(device, request, language),
        )

    async def remove(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """Of the own one the sign-in ends as well, and the next page asks for a new one."""
        await self._frame.calls.write(request, visitor, own_devices.remove)
        return self._frame.to(DEVICES, "device-removed")

    def _shown(self, device: UserDevice, request: Request, language: Language) -> _Shown:
        cookie = self._cookies.device_of(request)
        is_own = cookie is not None and digest_of(cookie) == device.device_hash
        return _Shown(device, browser_text(device.info, language), is_own)

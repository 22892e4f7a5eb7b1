"""A world with administrators of every kind, and requests to the automation API."""

from __future__ import annotations

from typing import Any

import httpx

from tests.world import SECRET, World

ROOT = "/manage/api/v1"
SEC_TOOL, ADMIN_SERVICE, SEC_SERVICE = (
    "tools.example.org/admin",
    "tools.example.org/robot",
    "tools.example.org/no-admin",
)
MORE = """
[[users]]
Login = "svc.admin"
Name = "Administration service"
UserType = "SystemUserNoLogin"
IsAdmin = true

[[applications]]
ApplicationUri = "tools.example.org/admin"
Name = "Administration tool"
ApplicationSecret = "s3cret-of-the-tests"
ImpersonateLoginUrl = "http://127.0.0.1:9101/callback"
ImpersonateAsInternalUserAllowed = true
Scope = "read update sec"

[[applications]]
ApplicationUri = "tools.example.org/robot"
Name = "Administration robot"
ApplicationSecret = "s3cret-of-the-tests"
SystemUserAllowed = true
SystemUser = "svc.admin"
Scope = "sec update"
ReferenceTokens = "AdministratorsOnly"

[[applications]]
ApplicationUri = "tools.example.org/no-admin"
Name = "A robot without rights"
ApplicationSecret = "s3cret-of-the-tests"
SystemUserAllowed = true
SystemUser = "svc.stock"
Scope = "sec"
"""


def user_token(world: World, login: str, scope: str, client_id: str = SEC_TOOL) -> str:
    """A token of a person for an application that may have `sec`."""
    code = world.browser().code(login, client_id=client_id, scope=scope)
    answer = world.redeem(code, client_id)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def robot_token(world: World, client_id: str = ADMIN_SERVICE, scope: str = "sec") -> str:
    answer = world.request_token((client_id, SECRET), grant_type="client_credentials", scope=scope)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


class Automation:
    """The automation API with one token."""

    def __init__(self, world: World, token: str | None = None) -> None:
        self.world = world
        self.token = robot_token(world) if token is None else token

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.world.http.request(method, ROOT + path, json=body, headers=sent)

    def get(self, path: str) -> Any:
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        answer = self("POST", path, body, **headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def application(self, uri: str) -> Any:
        (found,) = self.get(f"/applications?uri={uri}")["items"]
        return found

    def user(self, login: str) -> Any:
        (found,) = self.get(f"/users?login={login}")["items"]
        return found

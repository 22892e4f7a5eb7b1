"""A world where old integrations still call by HTTP Basic and ErpLogin."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from tests.world import PASSWORD, PASSWORD_HASH, World

OLD, OLDER, ROBOT, NEW = (
    "old.example.org/export",
    "older.example.org/import",
    "old.example.org/robot",
    "new.example.org/app",
)
CUSTOMERS = "Crm_Sales_Customers"
MORE = f"""
[[apis]]
Name = "DomainAPI"
basic_client = "{OLD}"

[[apis]]
Name = "TableAPI"
basic_client = "{OLD}"

[[applications]]
ApplicationUri = "{OLD}"
Name = "Export"
ClientType = "None"
BasicAuthenticationAllowed = true

[[applications]]
ApplicationUri = "{OLDER}"
Name = "Import"
ClientType = "None"
BasicAuthenticationAllowed = true

[[applications]]
ApplicationUri = "{ROBOT}"
Name = "Robot"
ClientType = "None"
BasicAuthenticationAllowed = true
SystemUser = "olga"

[[applications]]
ApplicationUri = "{NEW}"
Name = "New"
ClientType = "None"

[[users]]
Login = "olga"
Name = {{ en = "Olga Old", bg = "Олга" }}
UserType = "InternalUser"
BasicAuthenticationAllowed = true
PasswordHash = "{PASSWORD_HASH}"

[[users]]
Login = "oleg"
Name = "Oleg Old"
UserType = "InternalUser"
BasicAuthenticationAllowed = true
IsAdmin = true
PasswordHash = "{PASSWORD_HASH}"

[[users]]
Login = "guest@client.example"
Name = "Guest"
UserType = "ExternalCommunityUser"
Email = "guest@client.example"
BasicAuthenticationAllowed = true
PasswordHash = "{PASSWORD_HASH}"
"""


def basic(login: str = "olga", password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


def call(
    world: World, authorization: str | None, path: str = f"{CUSTOMERS}?$top=1", **more: Any
) -> httpx.Response:
    """A request to the DomainAPI with this `Authorization`."""
    headers = more.pop("headers", {})
    if authorization is not None:
        headers["Authorization"] = authorization
    return world.api(path, headers=headers, **more)


def log_in(
    world: World,
    login: str = "olga",
    password: str = PASSWORD,
    app: str | None = OLD,
    path: str = "/api/domain/login",
    headers: dict[str, str] | None = None,
    **more: Any,
) -> httpx.Response:
    body = {"user": login, "pass": password} | ({"app": app} if app is not None else {}) | more
    return world.http.post(path, json=body, headers=headers)


def session_of(answer: httpx.Response) -> str:
    """The value of `Authorization` that a login gave."""
    assert answer.status_code == 200, answer.text
    return str(answer.json()["authorization"])


def causes(world: World) -> list[str]:
    """Why requests were refused, for the audit log only; newest first."""
    return [event.cause or "" for event in world.events("api.refused")]

"""A world for tests: a declared instance, a server with a clock that tests move, and people."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import json
import logging
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec
import uvicorn
from sqlalchemy import func, insert, select, update

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.users import User
from mintgate.identity.directory import Directory
from mintgate.identity.mail.post import Post
from mintgate.server import declaration
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.server.listening import serve_config
from mintgate.store import (
    AuditEvent,
    Database,
    applications,
    audit,
    feed,
    instances,
    schema,
    tables,
    users,
)
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.records import fill_demo_data
from mintgate.store.tables import application_authorizations, identity_sessions
from tests import ready_databases
from tests.leaks import Leaks

NOW = 1_790_000_100.0
PASSWORD = "correct horse battery staple"
SECRET = "s3cret-of-the-tests"
REDIRECT = "http://127.0.0.1:9101/callback"
STOCK, BACKOFFICE, SPA = (
    "sync.example.org/stock",
    "shop.example.org/backoffice",
    "shop.example.org/spa",
)
FULL = "openid profile read update offline_access"
LOGOUT = "http://127.0.0.1:9101/"

TOML = """
[instance]
name = "orion"
database = "ORION_PROD X-1"
base_url = "{base_url}"
licences = 1000
{instance_settings}

[[applications]]
ApplicationUri = "sync.example.org/stock"
Name = "Stock"
ApplicationSecret = "s3cret-of-the-tests"
SystemUserAllowed = true
SystemUser = "svc.stock"
Scope = "read update"

[[applications]]
ApplicationUri = "shop.example.org/backoffice"
Name = "Back office"
ApplicationSecret = "s3cret-of-the-tests"
ImpersonateLoginUrl = "http://127.0.0.1:9101/callback"
ImpersonateLogoutUrl = "http://127.0.0.1:9101/"
ImpersonateAsInternalUserAllowed = true
ImpersonateAsCommunityUserAllowed = true
Scope = "read update"

[[applications]]
ApplicationUri = "shop.example.org/spa"
Name = "SPA"
ClientType = "Public"
ImpersonateLoginUrl = "http://127.0.0.1:9101/callback,http://127.0.0.1/native"
ImpersonateAsInternalUserAllowed = true
Scope = "read"

[[users]]
Login = "svc.stock"
Name = "Stock service"
UserType = "SystemUserNoLogin"

[[users]]
Login = "mira.k"
Name = {{ en = "Mira Kolarova", bg = "Мира Коларова" }}
UserType = "InternalUser"
Email = "mira.k@orion.example"
EmailConfirmed = true
DefaultLanguage = "bg"
PasswordHash = "{password_hash}"

[[users]]
Login = "ada"
Name = "Ada Admin"
UserType = "InternalUser"
IsAdmin = true
PasswordHash = "{password_hash}"

[[users]]
Login = "buyer@client.example"
Name = "Ana Buyer"
UserType = "ExternalCommunityUser"
Email = "buyer@client.example"
PasswordHash = "{password_hash}"
{more}
"""


class MovableClock:
    """Seconds since 1970, moved by tests only."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def aspnet_hash(password: str, rounds: int = 1000) -> str:
    """A cheap hash in the ASP.NET Core Identity v3 format, made without our code."""
    salt = secrets.token_bytes(16)
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds, 32)
    data = b"\x01" + b"".join(n.to_bytes(4, "big") for n in (1, rounds, 16)) + salt + key
    return base64.b64encode(data).decode()


PASSWORD_HASH = aspnet_hash(PASSWORD)


@dataclass
class World:
    """One server over one database."""

    database_url: str
    clock: Any = field(default_factory=MovableClock)
    instance_settings: str = ""
    more: str = ""
    customers: bool = False
    read_url: str | None = None
    host: str = "127.0.0.1"
    post: Post | None = None
    password_hash: str = PASSWORD_HASH
    application: Application | None = None
    leaks: Leaks = field(default_factory=Leaks)

    def start(self) -> Self:
        logging.getLogger().addHandler(self.leaks)
        for secret in (SECRET, PASSWORD):
            self.leaks.note("secret", secret)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.base = f"http://{self.host}:{self.port}"
        self.issuer = f"{self.base}/id"
        self.kek = KeyEncryptionKey(bytes(32))
        self.database = Database(self.database_url, self.clock)
        schema.upgrade(self.database)
        self.declare()
        if self.customers:
            with self.database.begin() as tx:
                fill_demo_data(tx, self.instance.id)
        self.server_database = Database(self.database_url, self.clock, read_url=self.read_url)
        self.application = Application(self.server_database, self.kek, self.clock, post=self.post)
        self._server = uvicorn.Server(serve_config(self.application))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        self.http = self.leaks.watch(httpx.Client(base_url=self.base, timeout=30))
        return self

    def stop(self) -> None:
        self.http.close()
        self._server.should_exit = True
        self._thread.join(30)
        self.database.close()
        logging.getLogger().removeHandler(self.leaks)
        self.leaks.check(self.database_url)  # no secret and no token is left anywhere

    def declare(self, *, more: str | None = None, replace: tuple[str, str] | None = None) -> None:
        """Apply the file (again), as another process would."""
        text = TOML.format(
            base_url=self.base,
            instance_settings=self.instance_settings,
            password_hash=self.password_hash,
            more=self.more if more is None else more,
        )
        if replace is not None:
            assert replace[0] in text
            text = text.replace(*replace)
        declaration.apply(self.database, declaration.read(text, {}), lambda: self.kek)
        self.instance = self.database.read_now(instances.all_of)[0]
        self.sync()

    def sync(self) -> None:
        """Wait until the server knows what this process committed [TOP-13]."""
        if self.application is None:
            return
        position = self.database.read_now(feed.positions)[self.instance.id]
        deadline = time.monotonic() + 10.0
        while self.application.follower.position_of(self.instance.id) < position:
            assert time.monotonic() < deadline, "the change was not seen"
            time.sleep(0.01)

    def change_user(self, login: str, /, **changes: Any) -> User:
        """Change a user's row, as another process would."""
        user = self.database.read_now(lambda c: users.by_login(c, self.instance.id, login))
        assert user is not None
        changed = msgspec.structs.replace(user, **changes)
        with self.database.begin() as tx:
            users.change(tx, self.instance.id, changed)
        self.sync()
        return changed

    def change_application(self, client_id: str, /, **changes: Any) -> TrustedApplication:
        """Change an application's row, as another process would."""
        found = self.database.read_now(
            lambda c: applications.by_uri(c, self.instance.id, client_id)
        )
        assert found is not None
        changed = msgspec.structs.replace(found, **changes)
        with self.database.begin() as tx:
            applications.change(tx, self.instance.id, changed)
        self.sync()
        return changed

    def block_user(self, login: str, client_id: str, **record: Any) -> None:
        """An authorization record that keeps the user out of the application [TAP-30]."""
        user, application = self.change_user(login), self.change_application(client_id)
        with self.database.begin() as tx:
            tx.connection.execute(
                insert(application_authorizations).values(
                    instance_id=self.instance.id,
                    id="1",
                    application_id=application.id,
                    context_user=user.id,
                    grant_time_utc=1,
                    **(record or {"is_revoked": True}),
                )
            )

    def make_sessions_external(self) -> None:
        """Turn every sign-in into one by another provider, as none is connected yet."""
        with self.database.begin() as tx:
            tx.connection.execute(update(identity_sessions).values(idp="google", amr=["external"]))

    def withdraw_consent(self, user: User, application: TrustedApplication) -> None:
        """As the user's own wish."""
        with self.database.begin() as tx:
            applications.withdraw_consent(
                tx, self.instance.id, user, application, actor=user.login, address=None
            )
        self.sync()

    def rows(self, table: str) -> list[dict[str, Any]]:
        query = select(tables.metadata.tables[table])
        return self.database.read_now(lambda c: [dict(r) for r in c.execute(query).mappings()])

    def count_rows(self, table: str) -> int:
        counted = select(func.count()).select_from(tables.metadata.tables[table])
        return int(self.database.read_now(lambda c: c.execute(counted).scalar_one()))

    def server_directory(self) -> Directory:
        """What the server's process knows of the instance."""
        assert self.application is not None
        return self.application._instances[self.instance.id].directory

    def run_in_server(
        self, work: Callable[[Application, InstanceApplication], Coroutine[Any, Any, None]]
    ) -> None:
        """Have the server do now what it does by itself from time to time."""
        assert self.application is not None
        instance = self.application._instances[self.instance.id]
        loop = self.application.chores.tasks[0].get_loop()
        asyncio.run_coroutine_threadsafe(work(self.application, instance), loop).result(30)

    def events(self, name: str) -> list[AuditEvent]:
        """The audit events of this name, newest first."""
        found = self.database.read_now(lambda c: audit.latest(c, self.instance.id, 1000))
        return [event for event in found if event.event == name]

    # What clients do.

    def request_token(self, auth: tuple[str, str] | None = None, **form: str) -> httpx.Response:
        return self.http.post("/id/connect/token", data=form, auth=auth)

    def service_token(self, scope: str | None = None) -> str:
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        answer = self.request_token(("sync.example.org/stock", SECRET), **form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def api(self, path: str, token: str | None = None, **kwargs: Any) -> httpx.Response:
        headers = kwargs.pop("headers", {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        method = kwargs.pop("method", "GET")
        return self.http.request(method, f"/api/domain/odata/{path}", headers=headers, **kwargs)

    def redeem(self, code: str, client_id: str = BACKOFFICE, **form: str) -> httpx.Response:
        """Exchange a code; Confidential applications send their secret."""
        auth = None if client_id == SPA else (client_id, SECRET)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | form
        if auth is None:
            form["client_id"] = client_id
        return self.request_token(auth, **{k: v for k, v in form.items() if v})

    def refresh(
        self, refresh_token: str, client_id: str = BACKOFFICE, **form: str
    ) -> httpx.Response:
        auth = None if client_id == SPA else (client_id, SECRET)
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token} | form
        if auth is None:
            form["client_id"] = client_id
        return self.request_token(auth, **form)

    def user_tokens(self, login: str = "mira.k", scope: str = FULL) -> dict[str, Any]:
        """Sign a person in and return the token response."""
        answer = self.redeem(self.browser().code(login, scope=scope))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def site_token(self, site: str = "profile", login: str = "mira.k", **parameters: str) -> str:
        """A token that a site of the instance itself gets for a person [TOP-12]."""
        verifier, challenge = pkce()
        client_id, callback = f"internal.erp.net/{site}", f"{self.base}/{site}/signin-oidc"
        asked = {
            "client_id": client_id,
            "redirect_uri": callback,
            "scope": "openid profile update offline_access",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        answer = self.request_token(
            grant_type="authorization_code",
            client_id=client_id,
            redirect_uri=callback,
            code=self.browser().code(login, **(asked | parameters)),
            code_verifier=verifier,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def browser(self) -> Browser:
        return Browser(self)


class Browser:
    """What a person's browser does, without scripts: forms, cookies, redirects."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.http = world.leaks.watch(httpx.Client(base_url=world.base, timeout=30))

    def authorize(self, method: str = "GET", **parameters: str) -> httpx.Response:
        """Open an authorization request and follow redirects within the issuer."""
        query = {
            "client_id": "shop.example.org/backoffice",
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": "openid profile read",
            "state": "st-1",
        } | parameters
        query = {name: value for name, value in query.items() if value}
        if method == "POST":
            return self.follow(self.http.post("/id/connect/authorize", data=query))
        return self.follow(self.http.get("/id/connect/authorize", params=query))

    def follow(self, response: httpx.Response) -> httpx.Response:
        """Follow redirects up to one that leaves the issuer."""
        while (
            response.is_redirect
            and response.headers["location"].startswith(self.world.base)
            and "/signin-oidc?" not in response.headers["location"]  # a site's own callback
        ):
            response = self.http.get(response.headers["location"])
        return response

    def submit(self, page: httpx.Response, **values: str) -> httpx.Response:
        """Send the form of a page with its hidden fields."""
        action = html.unescape(re.search(r'<form method="post" action="([^"]*)"', page.text)[1])
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
        fields = {html.unescape(name): html.unescape(value) for name, value in hidden}
        return self.follow(self.http.post(action, data=fields | values))

    def sign_in(
        self, login: str = "mira.k", password: str = PASSWORD, **parameters: str
    ) -> httpx.Response:
        """Authorize and fill in the sign-in form; returns what comes after it."""
        page = self.authorize(**parameters)
        assert "<h1>Sign in</h1>" in page.text, page.text
        return self.submit(page, login=login, password=password)

    def code(self, login: str = "mira.k", **parameters: str) -> str:
        return answer_of(self.sign_in(login, **parameters))["code"]


def answer_of(response: httpx.Response) -> dict[str, str]:
    """The parameters of an authorization response sent by redirect."""
    assert response.is_redirect, response.text
    location = urlsplit(response.headers["location"])
    return dict(parse_qsl(location.query or location.fragment))


def payload_of(token: str) -> dict[str, Any]:
    """The claims of a token, decoded without our code and without any check; order is kept."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def pkce() -> tuple[str, str]:
    """A verifier and its S256 challenge, computed without our code."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def sqlite_url(folder: Path) -> str:
    """A database in a folder, with tables when there was none yet."""
    file = folder / "test.db"
    if folder.is_dir() and not file.exists():
        ready_databases.make_sqlite(file)
    return f"sqlite:///{file}"


def empty_sqlite_url(folder: Path) -> str:
    """A file that is not there yet: for what begins with migrating."""
    return f"sqlite:///{folder}/test.db"

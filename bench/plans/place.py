"""A server in this process, so that its statements can be heard and its own work be called for."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Self

import httpx
import uvicorn

from bench.plans import hearing
from bench.plans.visitors import (
    API,
    API_SECRET,
    LOGIN,
    OLD,
    OLD_LOGIN,
    PASSWORD,
    REDIRECT,
    SECRET,
    SERVICE,
    SIGNED_OUT,
    WEB,
    Browser,
)
from bench.problems import Unmeasurable
from mintgate.server import declaration
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.server.listening import serve_config
from mintgate.store import Database, instances, schema
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.records import fill_demo_data

DECLARATION = f"""
[instance]
name = "plans"
database = "PLANS"
base_url = "{{base_url}}"
licences = 1000

[[apis]]
Name = "{API}"
Secret = "{API_SECRET}"
basic_client = "{OLD}"

[[applications]]
ApplicationUri = "{SERVICE}"
Name = "Service"
ApplicationSecret = "{SECRET}"
SystemUserAllowed = true
SystemUser = "svc.bench"
Scope = "read update"
ReferenceTokens = "AuthenticatedUsers"

[[applications]]
ApplicationUri = "{WEB}"
Name = "Web"
ApplicationSecret = "{SECRET}"
ImpersonateLoginUrl = "{REDIRECT}"
ImpersonateLogoutUrl = "{SIGNED_OUT}"
ImpersonateAsInternalUserAllowed = true
Scope = "read update"
ReferenceTokens = "AuthenticatedUsers"

[[applications]]
ApplicationUri = "{OLD}"
Name = "Export"
ClientType = "None"
BasicAuthenticationAllowed = true

[[users]]
Login = "svc.bench"
Name = "Service"
UserType = "SystemUserNoLogin"

[[users]]
Login = "{LOGIN}"
Name = "Mira"
UserType = "InternalUser"
IsAdmin = true
Email = "mira.k@bench.example"
EmailConfirmed = true
Password = "{PASSWORD}"

[[users]]
Login = "{OLD_LOGIN}"
Name = "Olga"
UserType = "InternalUser"
BasicAuthenticationAllowed = true
Password = "{PASSWORD}"
"""
_ANSWER_SECONDS = 60.0


class Place:
    """One instance, served from the `with` on until its end.

    Args:
        url: a database that is there and empty.
        fill: called with the database and the id of the instance before the server starts.

    `statements` has each that the server sent, and the parameters that it had first.
    """

    def __init__(self, url: str, fill: Callable[[Database, str], None]) -> None:
        self.statements: dict[str, Any] = {}
        self._hears = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        key = KeyEncryptionKey(bytes(32))  # of a database that is thrown away
        self.database = Database(url)
        schema.upgrade(self.database)
        declared = declaration.read(DECLARATION.format(base_url=self.base_url), {})
        declaration.apply(self.database, declared, lambda: key)
        self.instance_id = self.database.read_now(instances.all_of)[0].id
        fill(self.database, self.instance_id)
        with self.database.begin() as tx:
            fill_demo_data(tx, self.instance_id)
        self._served = Database(url)
        hearing.listen(self._served.engine, self._note)
        self._application = Application(self._served, key)
        self._server = uvicorn.Server(serve_config(self._application))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self.http = httpx.Client(base_url=self.base_url, timeout=_ANSWER_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise Unmeasurable("the server did not start")
            time.sleep(0.005)
        self.run_in_server(_stop_background)
        self._hears = True
        return self

    def __exit__(self, *_: object) -> None:
        self._hears = False
        self.http.close()
        self._server.should_exit = True
        self._thread.join(_ANSWER_SECONDS)
        self.database.close()

    def browser(self) -> Browser:
        """Another person's, without cookies."""
        http = httpx.Client(base_url=self.base_url, timeout=_ANSWER_SECONDS, trust_env=False)
        return Browser(http)

    def run_in_server(
        self, work: Callable[[Application, InstanceApplication], Coroutine[Any, Any, None]]
    ) -> None:
        """Have the server do now what it does by itself from time to time."""
        instance = self._application._instances[self.instance_id]
        loop = self._application.chores.tasks[0].get_loop()
        asyncio.run_coroutine_threadsafe(work(self._application, instance), loop).result(
            _ANSWER_SECONDS
        )

    def _note(self, statement: str, parameters: Any) -> None:
        if self._hears:
            self.statements.setdefault(statement, parameters)


async def _stop_background(application: Application, _: InstanceApplication) -> None:
    """Housekeeping runs when a flow says so."""
    for task in application.chores.tasks:
        task.cancel()

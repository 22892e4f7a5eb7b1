"""Where an administration command works: on the database here, or on an instance elsewhere.

Both ways run the same operations and bring the same values. Elsewhere they go through the
automation API, for which neither database nor the extra `server` is needed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import quote

import httpx
import msgspec
import typer

from mintgate.cli import common, records
from mintgate.contract.automation.credentials import MAX_PAGE
from mintgate.contract.automation.route import Route
from mintgate.contract.automation.routes import AUTOMATION_ROOT, BY_NAME
from mintgate.contract.errors import Refusal
from mintgate.contract.scopes import SEC
from mintgate.contract.users import User, UserType

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mintgate.identity.administration.call import Call

TOKEN_VARIABLE = "MINTGATE_TOKEN"  # noqa: S105 - the name of a variable
ID_VARIABLE, SECRET_VARIABLE = "MINTGATE_CLIENT_ID", "MINTGATE_CLIENT_SECRET"


class Refused(Exception):
    """The instance said no.

    Args:
        problems: (attribute, sentence) pairs.
    """

    def __init__(self, message: str, kind: str, problems: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.problems = problems


class Administration(Protocol):
    longest_token_days: int | None
    """[EXT-9] None when there is no limit, or it is not known here."""

    def call(self, name: str, body: Any = None, query: Any = None, **path: str) -> Any:
        """Do what the route of this name says; brings what it answers. Raises Refused."""
        ...


@contextlib.contextmanager
def administration(
    database_url: str,
    instance_name: str | None,
    key_file: Path | None = None,
    *,
    can_mail: bool = False,
) -> Iterator[Administration]:
    """Work on one instance; what it refuses ends with exit code 1.

    Args:
        can_mail: whether letters are written here, which a running server sends.
    """
    try:
        if common.is_url(instance_name):
            with contextlib.closing(_Elsewhere(str(instance_name))) as elsewhere:
                yield elsewhere
        else:
            with common.refusals():
                yield _Here(database_url, instance_name, key_file, can_mail=can_mail)
    except Refused as refused:
        for attribute, sentence in refused.problems:
            typer.echo(f"{attribute}: {sentence}", err=True)
        common.fail("nothing was changed" if refused.problems else str(refused))


def everything(admin: Administration, name: str, **path: str) -> list[Any]:
    """Every part of a list."""
    return list(_items(admin, name, {}, path))


def parts_of(admin: Administration, name: str, **query: str | None) -> Iterator[Any]:
    """The items of a list that a query selects, asked for part by part as they are needed."""
    return _items(admin, name, query, {})


def _items(
    admin: Administration, name: str, selected: Mapping[str, str | None], path: Mapping[str, str]
) -> Iterator[Any]:
    route, cursor = BY_NAME[name], None
    while True:
        query = route.query(limit=MAX_PAGE, cursor=cursor, **selected) if route.query else None
        page = admin.call(name, None, query, **path)
        yield from page.items
        if page.next is None:
            return
        cursor = page.next


def application(admin: Administration, uri: str) -> Any:
    """The application with this ApplicationUri, or exit code 1 with a guess."""
    found = admin.call("applications.list", None, BY_NAME["applications.list"].query(uri=uri))
    if not found.items:
        known = [a.application_uri for a in everything(admin, "applications.list")]
        records.not_found("application", uri, known, "app list")
    return found.items[0]


def user(admin: Administration, login: str) -> Any:
    """The user with this login, or exit code 1 with a guess."""
    found = admin.call("users.list", None, BY_NAME["users.list"].query(login=login))
    if not found.items:
        known = [u.login for u in everything(admin, "users.list")]
        records.not_found("user", login, known, "user list")
    return found.items[0]


class _Here:
    """An instance in the database that this machine can write."""

    def __init__(
        self,
        database_url: str,
        instance_name: str | None,
        key_file: Path | None,
        *,
        can_mail: bool,
    ) -> None:
        self._can_mail = can_mail
        self._database, self._instance = common.open_instance(database_url, instance_name)
        self._place = (database_url, key_file)
        self.longest_token_days = self._instance.max_reference_token_days
        # Whoever can write the database is its administrator.
        self._operator = User(
            id="", login=common.actor(), name={}, user_type=UserType.SYSTEM, is_admin=True
        )

    def call(self, name: str, body: Any = None, query: Any = None, **path: str) -> Any:
        try:
            return self._call(BY_NAME[name], body, query, path)
        except Refusal as refusal:
            problems = getattr(refusal, "problems", ())
            raise Refused(refusal.description, refusal.error, problems) from None

    def _call(self, route: Route, body: Any, query: Any, path: dict[str, str]) -> Any:
        from mintgate.identity.administration.operations import OPERATIONS

        operation = OPERATIONS[route.name]
        # What a request without a body or a query means.
        body = route.body() if route.body is not None and body is None else body
        query = route.query() if route.query is not None and query is None else query
        prepared = operation.prepare(body, self._instance) if operation.prepare else None
        given = {"body": body, "query": query, "prepared": prepared, "path": path}
        if not route.is_write:
            now = self._database.clock()
            return self._database.read_now(lambda c: operation.run(self._made(c, now, given)))
        with self._database.begin() as tx:
            return operation.run(self._made(tx.connection, tx.now, given | {"tx": tx}))

    def _made(self, connection: Connection, now: float, given: dict[str, Any]) -> Call:
        from mintgate.identity.administration.call import Acting, Call

        database_url, key_file = self._place
        return Call(
            connection=connection,
            instance=self._instance,
            now=now,
            acting=Acting(user=self._operator, name=self._operator.login),
            key_encryption_key=lambda: common.key_encryption_key(
                database_url, key_file, create=False
            ),
            can_mail=self._can_mail,
            **given,
        )


class _Elsewhere:
    """An instance's automation API."""

    longest_token_days: int | None = None

    def __init__(self, url: str) -> None:
        from mintgate.client.addresses import safe_url

        try:
            address = safe_url(url.rstrip("/"), "--instance")
        except ValueError as error:
            common.fail(str(error))
        if address.path != "/" or address.query:
            common.fail("--instance must be the base URL, such as https://orion.my.example")
        self._base = str(address).rstrip("/")
        self._http = httpx.Client(timeout=30, **_credential(self._base))

    def close(self) -> None:
        self._http.close()

    def call(self, name: str, body: Any = None, query: Any = None, **path: str) -> Any:
        from mintgate.client import TokenError

        route = BY_NAME[name]
        try:
            answer = self._http.request(
                route.method,
                self._base + AUTOMATION_ROOT + _filled(route, path),
                content=msgspec.json.encode(body) if body is not None else None,
                params=_parameters(query),
                headers=_headers(route, body),
            )
        except TokenError as error:
            common.fail(f"no access token from {self._base}: {error}")
        except httpx.HTTPError as error:
            common.fail(f"{self._base} does not answer: {error}")
        if answer.status_code != route.status:
            self._refuse(answer)
        if route.result is None:
            return None
        try:
            return msgspec.json.decode(answer.content, type=route.result)
        except msgspec.MsgspecError:
            common.fail(f"{self._base} answered what this version does not understand")

    def _refuse(self, answer: httpx.Response) -> NoReturn:
        try:
            told = msgspec.json.decode(answer.content, type=_Refusal).error
        except msgspec.MsgspecError:
            common.fail(f"{self._base} answered {answer.status_code} and no reason")
        if answer.status_code in {401, 403} and told.type in {
            "forbidden",
            "insufficient_scope",
            "invalid_token",
        }:
            common.fail(
                f"{self._base} refused the credential ({answer.status_code}): {told.message} It "
                "must be an access token with scope sec, acting as an administrator"
            )
        problems = [(p["name"], p["problem"]) for p in told.parameters]
        raise Refused(told.message, told.type, problems)


class _Told(msgspec.Struct):
    message: str
    type: str
    parameters: list[dict[str, str]] = []


class _Refusal(msgspec.Struct):
    error: _Told


def _filled(route: Route, path: Mapping[str, str]) -> str:
    """The path with its parameters, none of which can become another part of the address."""
    return route.path.format(**{name: quote(value, safe="") for name, value in path.items()})


def _headers(route: Route, body: Any) -> dict[str, str]:
    headers = {"Content-Type": "application/json"} if body is not None else {}
    # Commands set attributes and do not compute them from what was there before.
    return headers | ({"If-Match": "*"} if route.needs_match else {})


def _parameters(query: Any) -> dict[str, str]:
    if query is None:
        return {}
    values = msgspec.structs.asdict(query)
    return {name: str(value) for name, value in values.items() if value is not None}


def _credential(base: str) -> dict[str, Any]:
    """How requests prove who sends them: from the environment, never from an argument."""
    token = os.environ.get(TOKEN_VARIABLE)
    if token:
        return {"headers": {"Authorization": f"Bearer {token.strip()}"}}
    client_id, secret = os.environ.get(ID_VARIABLE), os.environ.get(SECRET_VARIABLE)
    if not client_id or not secret:
        common.fail(
            f"there is no credential for {base}; set {TOKEN_VARIABLE} to an access token with "
            f"scope sec, or {ID_VARIABLE} and {SECRET_VARIABLE} of an application that may ask "
            "for it"
        )
    from mintgate.client import ClientCredentialsAuth

    return {
        "auth": ClientCredentialsAuth(
            api=base, client_id=client_id, client_secret=secret, issuer=issuer_of(base), scope=SEC
        )
    }


def issuer_of(base: str) -> str:
    """The issuer of the instance at a base URL, by auto-discovery [TOP-20, TOP-22]."""
    from mintgate.client.addresses import safe_url

    try:
        safe_url(base, "--instance")  # whoever sits in between would choose who gets the secret
    except ValueError as error:
        common.fail(str(error))
    try:
        answer = httpx.get(f"{base}/sys/auto-discovery", timeout=10)
        answer.raise_for_status()
        sites = answer.json()["WebSites"]
        (url,) = [str(site["Url"]) for site in sites if site["Type"] == "ID"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        common.fail(f"{base} does not say where its issuer is: {error}")
    return url.rstrip("/")

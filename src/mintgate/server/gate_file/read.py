"""From the text of a gate file to settings, or to everything that is wrong with it."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mintgate.contract.declared_apis import (
    Limits,
    problem_of_name,
    problems_of_limits,
    problems_of_policy,
)
from mintgate.contract.policy import BUILT_IN, Policy
from mintgate.gate.assembly import signing_key_of
from mintgate.gate.proxy import Upstream
from mintgate.gate.routes import problem_of_prefix
from mintgate.gate.settings import (
    ConcurrencySettings,
    GateSettings,
    ListenerSettings,
    RouteSettings,
    TenantSettings,
    UpstreamSettings,
)
from mintgate.jose import ALGORITHMS
from mintgate.server.declaration.keys import TableShape
from mintgate.server.declaration.kinds import Unfit
from mintgate.server.declaration.locate import lines_of
from mintgate.server.declaration.problems import InvalidDeclaration, Problem, Source
from mintgate.server.declaration.read import syntax_problem
from mintgate.server.declaration.tables import unknown_key, values_of
from mintgate.server.gate_file import shapes
from mintgate.verify.batch import BatchLimits
from mintgate.verify.keys import require_safe

_LISTENER_KEYS = frozenset(ListenerSettings.__struct_fields__)
_READ_APART = frozenset({"prefix", "policy", "upstreams", "limits", "concurrency", "batch"})


def read(text: str, environment: Mapping[str, str], folder: Path) -> GateSettings:
    """Read a gate file.

    Args:
        environment: where `{ env = "NAME" }` looks.
        folder: where a relative `{ file = "PATH" }` looks.

    Raises:
        InvalidDeclaration: with all its problems, each with line and key.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidDeclaration([syntax_problem(text, str(error))]) from None
    reader = _Reader(document, Source(lines_of(text)), environment, folder)
    settings = reader.settings()
    if reader.problems or settings is None:
        raise InvalidDeclaration(reader.problems)
    return settings


class _Reader:
    def __init__(
        self,
        document: Mapping[str, Any],
        root: Source,
        environment: Mapping[str, str],
        folder: Path,
    ) -> None:
        self._document = document
        self._root = root
        self._environment = environment
        self._folder = folder
        self.problems: list[Problem] = []

    def settings(self) -> GateSettings | None:
        for name in self._document:
            if name not in shapes.TABLES:
                sentence = unknown_key(name, shapes.TABLES)
                self.problems.append(self._root.problem(name, sentence))
        gate = self._gate()
        inline = gate.get("inline_secrets") is True
        tenants = [
            self._tenant(values, source, inline=inline)
            for values, source in self._tables(self._document, "tenants", shapes.TENANT, self._root)
        ]
        routes = [
            self._route(values, source, tenants)
            for values, source in self._tables(self._document, "routes", shapes.ROUTE, self._root)
        ]
        self._tell_duplicates(tenants, routes)
        if self.problems:
            return None
        listener = {key: value for key, value in gate.items() if key in _LISTENER_KEYS}
        key = gate.get("signing_key")
        return GateSettings(
            tenants=tuple(tenants),
            routes=tuple(routes),
            listener=msgspec.convert(listener, ListenerSettings),
            name=gate.get("name"),
            issuer=gate.get("issuer"),
            signing_key=None if key is None else key.encode(),
        )

    def _gate(self) -> dict[str, Any]:
        table = self._document.get("gate", {})
        source = self._root.inside("gate")
        if not isinstance(table, dict):
            self.problems.append(self._root.problem("gate", "must be a table: [gate]"))
            return {}
        shape = shapes.gate(self._environment, self._folder)
        values: dict[str, Any] = values_of(table, shape, source, self.problems)
        if "signing_key" in values:
            try:
                signing_key_of(values["signing_key"].encode())
            except ValueError as error:
                sentence = f"is no private key in PEM (PKCS #8): {error}"
                self.problems.append(source.problem("signing_key", sentence))
        name = values.get("name")
        if name is not None and not _is_token(name):
            sentence = "must be letters, digits, hyphens, dots and underscores (it stands in Via)"
            self.problems.append(source.problem("name", sentence))
        return values

    def _tenant(self, values: dict[str, Any], source: Source, *, inline: bool) -> TenantSettings:
        issuer = values.get("issuer", "")
        if issuer:
            try:
                require_safe(issuer)
            except ValueError:
                self.problems.append(
                    source.problem("issuer", "must be https (http is for loopback only)")
                )
            if issuer.endswith("/"):
                self.problems.append(
                    source.problem("issuer", "must be the exact iss of tokens, without a slash")
                )
        algorithms = tuple(values.get("algorithms", ("RS256",)))
        if not algorithms or not set(algorithms) <= set(ALGORITHMS):
            sentence = f"must be some of {', '.join(ALGORITHMS)}"
            self.problems.append(source.problem("algorithms", sentence))
        if values.get("database") == "":
            self.problems.append(source.problem("database", "must not be empty"))
        return TenantSettings(
            name=values.get("name", ""),
            issuer=issuer,
            database=values.get("database", ""),
            secrets=self._secrets(values.get("secrets"), source, inline=inline),
            algorithms=algorithms,
            reference_tokens=values.get("reference_tokens", True),
            sessions=values.get("sessions", True),
        )

    def _secrets(self, table: object, source: Source, *, inline: bool) -> dict[str, str]:
        found: dict[str, str] = {}
        if table is None:
            return found  # it is missing, which was told
        if not isinstance(table, dict) or not table:
            wrong = 'must be a table by API, such as { DomainAPI = { env = "DOMAIN_SECRET" } }'
            self.problems.append(source.problem("secrets", wrong))
            return found
        fit = shapes.secret_of(self._environment, self._folder, inline=inline)
        inside = source.inside("secrets")
        for api, value in table.items():
            try:
                found[api] = str(fit(value))
            except Unfit as error:
                self.problems.append(inside.problem(api, str(error)))
                found[api] = ""  # it was named, so that routes are not told that it is missing
        return found

    def _route(
        self, values: dict[str, Any], source: Source, tenants: list[TenantSettings]
    ) -> RouteSettings:
        prefix, api = values.get("prefix", "/"), values.get("api", "")
        for key, problem in (
            ("prefix", problem_of_prefix(prefix)),
            ("api", self._problem_of_api(api, tenants) if "api" in values else None),
        ):
            if problem is not None:
                self.problems.append(source.problem(key, problem))
        plain = {
            key: values[key]
            for key in RouteSettings.__struct_fields__
            if key in values and key not in _READ_APART
        }
        identity = values.get("identity", "none")
        return RouteSettings(
            **{
                "pass_credential": identity == "none",
                **plain,
                "prefix": prefix.rstrip("/"),
                "api": api,
                "policy": self._policy(api, values.get("policy"), source),
                "limits": self._limits(values.get("limits", {}), source),
                "concurrency": msgspec.convert(values.get("concurrency", {}), ConcurrencySettings),
                "batch": msgspec.convert(values.get("batch", {}), BatchLimits),
                "upstreams": self._upstreams(values, source, tenants),
            }
        )

    def _problem_of_api(self, api: str, tenants: list[TenantSettings]) -> str | None:
        if (problem := problem_of_name(api)) is not None:
            return problem
        if tenants and not any(api in tenant.secrets for tenant in tenants):
            return f"no tenant has a secret for {api!r} in its secrets"
        return None

    def _policy(self, api: str, declared: object, source: Source) -> Policy | None:
        if declared is None:
            return None
        policy = msgspec.convert(declared, Policy)
        for key, sentence in problems_of_policy(api, policy):
            inside = source.inside("policy")
            self.problems.append(
                inside.problem(key, sentence) if key else source.problem("policy", sentence)
            )
        return None if api in BUILT_IN else policy

    def _limits(self, declared: object, source: Source) -> Limits:
        limits = msgspec.convert(declared, Limits)
        for key, sentence in problems_of_limits(limits):
            self.problems.append(source.inside("limits").problem(key, sentence))
        return limits

    def _upstreams(
        self, values: dict[str, Any], source: Source, tenants: list[TenantSettings]
    ) -> tuple[UpstreamSettings, ...]:
        if "upstream" in values:
            self._check_url(values["upstream"], source, "upstream")
            return (UpstreamSettings(url=values["upstream"]),)
        if "upstreams" not in values:
            sentence = "is missing; give upstream, or upstreams with one for each tenant"
            self.problems.append(source.problem("upstream", sentence))
            return ()
        by_name = {tenant.name: tenant for tenant in tenants}
        found = []
        seen: set[str] = set()
        for inner, place in self._tables(values, "upstreams", shapes.UPSTREAM, source):
            if "url" in inner:
                self._check_url(inner["url"], place, "url")
            name = inner.get("tenant")
            if name is None:
                continue
            tenant = by_name.get(name)
            if tenant is None:
                known = ", ".join(by_name) or "none"
                self.problems.append(
                    place.problem("tenant", f"there is no tenant {name!r}; there are: {known}")
                )
            elif name in seen:
                self.problems.append(place.problem("tenant", f"{name!r} is given twice"))
            elif values.get("api") not in tenant.secrets:
                sentence = f"{name!r} has no secret for {values.get('api')!r}"
                self.problems.append(place.problem("tenant", sentence))
            else:
                found.append(
                    UpstreamSettings(
                        url=inner.get("url", ""), issuer=tenant.issuer, database=tenant.database
                    )
                )
            seen.add(name)
        return tuple(found)

    def _check_url(self, url: str, source: Source, key: str) -> None:
        try:
            Upstream(url)
        except ValueError as error:
            self.problems.append(source.problem(key, str(error)))

    def _tables(
        self, holder: Mapping[str, Any], name: str, shape: TableShape, source: Source
    ) -> Iterator[tuple[dict[str, Any], Source]]:
        tables = holder.get(name)
        if (
            not isinstance(tables, list)
            or not tables
            or not all(isinstance(table, dict) for table in tables)
        ):
            sentence = (
                "is missing; the gate needs at least one"
                if tables is None
                else ("must be a list of tables")
            )
            self.problems.append(source.problem(name, f"{sentence}: [[{name}]]"))
            return
        for index, table in enumerate(tables):
            inside = Source(source.lines, (*source.path, name, index))
            yield values_of(table, shape, inside, self.problems), inside

    def _tell_duplicates(self, tenants: list[TenantSettings], routes: list[RouteSettings]) -> None:
        names = Counter(tenant.name for tenant in tenants)
        pairs = Counter((tenant.issuer, tenant.database) for tenant in tenants)
        for index, tenant in enumerate(tenants):
            source = Source(self._root.lines, ("tenants", index))
            if tenant.name and names[tenant.name] > 1:
                self.problems.append(source.problem("name", f"{tenant.name!r} is given twice"))
            if tenant.issuer and pairs[tenant.issuer, tenant.database] > 1:
                sentence = "is given twice with the same database"
                self.problems.append(source.problem("issuer", sentence))
        prefixes = Counter(route.prefix.casefold() for route in routes)
        for index, route in enumerate(routes):
            if prefixes[route.prefix.casefold()] > 1:
                source = Source(self._root.lines, ("routes", index))
                sentence = "is given twice (case makes no difference between prefixes)"
                self.problems.append(source.problem("prefix", sentence))


def _is_token(name: str) -> bool:
    return bool(name) and name.isascii() and all(c.isalnum() or c in "-._" for c in name)

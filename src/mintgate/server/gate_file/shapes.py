"""What the tables of a gate file may hold."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path

from mintgate.contract.redirects import origin_of
from mintgate.server.declaration import kinds
from mintgate.server.declaration.keys import LIMITS, POLICY, TableShape
from mintgate.server.declaration.kinds import Unfit
from mintgate.server.declaration.secrets import is_utf8, problem_of_secret, secret

TABLES = ("gate", "tenants", "routes")
IDENTITIES = ("none", "headers", "token")
MAX_URL = 500
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def gate(environment: Mapping[str, str], folder: Path) -> TableShape:
    """How the gate listens, and by what it is known."""
    return TableShape(
        kinds={
            "host": kinds.text(254),
            "port": number_between(0, 65535),
            "name": kinds.text(64),
            "issuer": kinds.text(MAX_URL),
            "signing_key": secret_of(environment, folder, inline=False),
            "inline_secrets": kinds.flag,
            "max_header_bytes": number_between(1024, 1024 * 1024),
            "max_headers": number_between(10, 1000),
            "header_seconds": seconds(least=0.1),
            "keep_alive_seconds": number_between(1, 3600),
            "drain_seconds": seconds(),
            "shutdown_seconds": number_between(0, 3600),
            "trusted_proxies": _networks,
            "access_log": kinds.flag,
        },
        required=(),
    )


def _networks(value: object) -> list[str]:
    """Addresses and networks; everybody is never trusted."""
    found = kinds.texts(value)
    for text in found:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise Unfit(f"must be addresses or networks such as 10.0.0.0/8, not {text!r}") from None
        if network.prefixlen == 0:
            raise Unfit(f"must not be {text}: anybody could say any address")
    return found


TENANT = TableShape(
    kinds={
        "name": kinds.text(64),
        "issuer": kinds.text(MAX_URL),
        "database": kinds.text(128),
        "secrets": lambda value: value,  # by API, whose names are the route's
        "algorithms": kinds.texts,
        "reference_tokens": kinds.flag,
        "sessions": kinds.flag,
    },
    required=("name", "issuer", "database", "secrets"),
)


def _identity(value: object) -> str:
    if value not in IDENTITIES:
        raise Unfit(f"must be one of {', '.join(map(repr, IDENTITIES))}")
    return str(value)


def seconds(least: float = 0.0) -> kinds.Kind:
    def fit(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Unfit("must be a number of seconds")
        if not least <= value <= 86_400:
            raise Unfit(f"must be between {least:g} and 86400 seconds")
        return float(value)

    return fit


def number_between(least: int, most: int) -> kinds.Kind:
    def fit(value: object) -> int:
        number = kinds.integer(value)
        if not isinstance(number, int) or not least <= number <= most:
            raise Unfit(f"must be between {least} and {most}")
        return number

    return fit


def _origins(value: object) -> tuple[str, ...]:
    """Origins as browsers send them: any other spelling would allow nobody."""
    found = tuple(kinds.texts(value))
    for text in found:
        if not _ORIGIN.fullmatch(text) or origin_of(text) != text:  # that knows the usual ports
            raise Unfit(
                f"must be origins such as https://app.example.org, without a path, not {text!r}"
            )
    return found


CONCURRENCY = TableShape(
    kinds={
        "per_session": number_between(1, 10_000),
        "overall": number_between(1, 10_000),
        "waiting": number_between(0, 10_000),
    },
    required=(),
)
BATCH = TableShape(
    kinds={
        "parts": number_between(1, 10_000),
        "body_bytes": number_between(1024, 1024**3),
        "body_seconds": seconds(least=0.1),
        "answer_bytes": number_between(1024, 1024**3),
    },
    required=(),
)
ROUTE = TableShape(
    kinds={
        "prefix": kinds.text(254),
        "api": kinds.text(64),
        "upstream": kinds.text(MAX_URL),
        "upstreams": lambda value: value,  # a list of tables
        "identity": _identity,
        "pass_credential": kinds.flag,
        "strip_prefix": kinds.flag,
        "keep_host": kinds.flag,
        "websocket": kinds.flag,
        "connect_seconds": seconds(least=0.1),
        "idle_seconds": seconds(least=0.1),
        "total_seconds": seconds(),
        "max_body_bytes": number_between(0, kinds.MAX_INTEGER),
        "allowed_origins": _origins,
    },
    required=("prefix", "api"),
    tables={
        "policy": POLICY,
        "limits": LIMITS,
        "concurrency": CONCURRENCY,
        "batch": BATCH,
    },
    exclusive=(("upstream", "upstreams"),),
)
UPSTREAM = TableShape(
    kinds={
        "tenant": kinds.text(64),
        "url": kinds.text(MAX_URL),
    },
    required=("tenant", "url"),
)


def secret_of(environment: Mapping[str, str], folder: Path, *, inline: bool) -> kinds.Kind:
    """A secret from an environment variable or a file; in the file itself only when asked for.

    Args:
        folder: where a relative `file` is looked for: that of the gate file.
    """
    from_environment = secret(environment, problem_of_secret_or_key)

    def fit(value: object) -> str:
        if isinstance(value, Mapping) and "file" in value:
            return _from_file(value, folder)
        if not isinstance(value, Mapping) and not inline:
            raise Unfit(
                'must be { env = "NAME" } or { file = "PATH" }: a secret does not belong in this '
                "file (inline_secrets = true in [gate] allows it)"
            )
        return str(from_environment(value))

    return fit


def problem_of_secret_or_key(value: str) -> str | None:
    if value.startswith("-----BEGIN "):
        return None
    return problem_of_secret(value)


def _from_file(value: Mapping[object, object], folder: Path) -> str:
    name = value.get("file")
    if set(value) != {"file"} or not isinstance(name, str) or not name:
        raise Unfit('must be { file = "PATH" } with the path of a file that holds the secret')
    try:
        found = (folder / name).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Unfit(f"the file {name} cannot be read: {reason}") from None
    problem = problem_of_secret_or_key(found)
    if problem or not is_utf8(found):
        raise Unfit(f"the file {name} {problem or 'is not UTF-8 text'}")
    return found

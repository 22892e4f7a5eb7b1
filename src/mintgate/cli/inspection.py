"""What `mintgate token inspect` shows: the token decoded, and every check with its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mintgate.cli import common
from mintgate.cli.administration import administration
from mintgate.contract.automation.credentials import CheckLine, RequestToExplain
from mintgate.jose import ALGORITHMS, CompactToken, MalformedToken, parse_compact
from mintgate.verify import CheckOutcome, KeysUnavailable, Verifier

Line = CheckOutcome | CheckLine
_STYLES = {"passed": "green", "failed": "bold red", "not checked": "dim"}
_TIME_CLAIMS = ("nbf", "iat", "exp")


def inspect_token(
    token: str,
    *,
    audience: str,
    scopes: Sequence[str],
    database: str | None,
    issuer: str | None,
) -> bool:
    """Print everything about a token; returns whether no check failed."""
    console = Console(highlight=False)
    try:
        parsed = parse_compact(token, {})
    except MalformedToken as error:
        hint = " It is a reference token." if token.startswith("enrt_") else ""
        common.fail(f"this is not a JWT: {error}.{hint} Give the access token alone, unquoted")
    _print_decoded(console, parsed)
    trusted = issuer or parsed.claims.get("iss")
    if not isinstance(trusted, str):
        common.fail("the token names no issuer; give the one to trust with --issuer")
    outcomes = _outcomes(token, trusted, audience, scopes, database)
    console.print(_table(outcomes, audience))
    if issuer is None:
        console.print(
            f"The issuer was taken from the token itself ({trusted}). "
            "Name the one that you trust with --issuer.",
            style="yellow",
        )
    return _print_verdict(console, outcomes)


def inspect_request(
    token: str,
    api: str,
    method: str,
    path: str,
    database_url: str,
    instance_name: str | None,
) -> bool:
    """Print every check of a request, made by the instance; returns whether none failed."""
    console = Console(highlight=False)
    if not token.startswith("enrt_"):
        try:
            _print_decoded(console, parse_compact(token, {}))
        except MalformedToken as error:
            console.print(f"This is not a JWT: {error}.", style="yellow")
    body = RequestToExplain(api=api, method=method, path=path, token=token)
    with administration(database_url, instance_name) as admin:
        explained = admin.call("requests.explain", body)
    console.print(_table(explained.checks, f"{method} {path} at {api}"))
    return _print_verdict(console, explained.checks)


def _print_verdict(console: Console, outcomes: Sequence[Line]) -> bool:
    failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
    if not failed:
        console.print("No check failed.", style="green")
        return True
    first = failed[0]
    reason = first.detail or f"{first.seen}, and {first.expected} is needed"
    console.print(
        f"An API answers: refused at {first.id} ({first.name}): {reason}", style="bold red"
    )
    if first.mend:
        console.print(f"To mend it: {first.mend}")
    return False


def _outcomes(
    token: str, issuer: str, audience: str, scopes: Sequence[str], database: str | None
) -> list[CheckOutcome]:
    try:
        return Verifier(issuer, database, algorithms=ALGORITHMS).explain(token, audience, scopes)
    except KeysUnavailable as error:
        common.fail(f"{error}; is it running, and is --issuer right?")
    except ValueError as error:
        common.fail(str(error))


def _print_decoded(console: Console, token: CompactToken) -> None:
    for title, members in (("Header", token.header), ("Payload", token.claims)):
        console.print(title, style="bold")
        text = msgspec.json.format(msgspec.json.encode(members), indent=2).decode()
        console.print(Text(text))
    times = [_time_line(name, token.claims) for name in _TIME_CLAIMS]
    console.print(Text("   ".join(line for line in times if line)), style="dim")
    console.print()


def _time_line(name: str, claims: dict[str, Any]) -> str:
    value = claims.get(name)
    if type(value) is not int:
        return ""
    try:
        return f"{name} {datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, OSError, ValueError):
        return ""


def _table(outcomes: Sequence[Line], title: str) -> Table:
    table = Table(title=f"Checks of {title}", title_justify="left", title_style="bold")
    for column in ("Rule", "Check", "Outcome", "Seen", "Expected", "Detail"):
        table.add_column(column, overflow="fold")
    for row in outcomes:
        table.add_row(
            row.id,
            row.name,
            Text(row.outcome, _STYLES[row.outcome]),
            *(Text(text) for text in (row.seen, row.expected, row.detail)),
        )
    return table

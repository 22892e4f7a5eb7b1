"""`mintgate legacy …`: who still uses HTTP Basic and ErpLogin (LEG)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.administration import administration
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.contract.automation.credentials import LegacyQuery

legacy_commands = typer.Typer(
    help="HTTP Basic and ErpLogin, for old integrations: who still uses them.",
    no_args_is_help=True,
)


@legacy_commands.callback()
def _legacy() -> None:
    """HTTP Basic and ErpLogin, for old integrations: who still uses them."""


@legacy_commands.command("report")
def report(
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Begin here: 2031-01-31 or 2031-01-31T12:00:00Z (UTC, unless it has an offset). "
            "Without it, 30 days ago.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List who used the legacy schemes, the newest first, and applications that need not any more.

    What is counted now may be told ten minutes later.
    """
    query = LegacyQuery(since=_seconds(since) if since is not None else None)
    with administration(database_url, instance_name) as admin:
        found = admin.call("legacy.report", None, query)
    if as_json:
        records.print_json(found)
        return
    records.print_table(
        ("Scheme", "API", "Application", "User", "Uses", "First", "Last", "Addresses"),
        [
            (
                use.scheme,
                use.api,
                use.application,
                use.login or "(erased)",
                str(use.count),
                records.minute(use.first_at),
                records.minute(use.last_at),
                " ".join(use.addresses),
            )
            for use in found.uses
        ],
        "Nobody used HTTP Basic or ErpLogin.",
    )
    for uri in found.unused_applications:
        typer.echo(f"{uri} may use them and did not: take BasicAuthenticationAllowed from it.")
    if found.apis:
        typer.echo(f"Switched on for: {', '.join(found.apis)}")


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        common.misuse(f"{text!r} is no time such as 2031-01-31 or 2031-01-31T12:00:00Z")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

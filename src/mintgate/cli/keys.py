"""`mintgate key …`: signing keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from mintgate.cli import records
from mintgate.cli.administration import administration, everything
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName, KeyFile
from mintgate.contract.automation.credentials import Rotation

key_commands = typer.Typer(
    help="Signing keys: list, rotate, declare compromised.", no_args_is_help=True
)


@key_commands.command("list")
def list_keys(
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List the keys, oldest first. The next one is made by the server when it is due."""
    with administration(database_url, instance_name) as admin:
        found = everything(admin, "keys.list")
    if as_json:
        records.print_json(found)
        return
    records.print_table(
        ("Kid", "State", "Signs from", "Removed after"),
        [
            (
                key.kid,
                key.state,
                _time(key.active_from),
                _time(key.removed_after) if key.removed_after else "",
            )
            for key in found
        ],
        "There are no keys.",
    )


@key_commands.command("rotate")
def rotate(
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="Sign with it now instead of in 24 hours; verifiers fetch it when they see it.",
        ),
    ] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
    instance_name: InstanceName = None,
) -> None:
    """Make a new key, publish it now, and sign with it from tomorrow on."""
    with administration(database_url, instance_name, key_file) as admin:
        key = admin.call("keys.rotate", Rotation(at_once=at_once))
    typer.echo(f"Key {key.kid} is published now and signs from {_time(key.active_from)}.")


@key_commands.command("compromised")
def compromised(
    kid: Annotated[str, typer.Argument(metavar="KID", help="As `list` shows it.")],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
    instance_name: InstanceName = None,
) -> None:
    """End a key now: every token that it signed is refused. A new one signs from now on."""
    with administration(database_url, instance_name, key_file) as admin:
        known = [key.kid for key in everything(admin, "keys.list")]
        if kid not in known:
            records.not_found("key", kid, known, "key list")
        outcome = admin.call("keys.compromised", kid=kid)
    if not outcome.ended:
        typer.echo("It was ended before.")
        return
    if outcome.successor is not None:
        typer.echo(f"Key {outcome.successor} signs from now on.")
    typer.echo(f"Key {kid} has ended; tokens that it signed are refused.")


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z"

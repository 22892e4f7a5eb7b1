"""`mintgate key …`: signing keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName, KeyFile
from mintgate.contract.key_life import (
    PUBLISHED_BEFORE_USE,
    active_key,
    removal_time,
    state_of,
)

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
    from mintgate.store import keys

    database = common.open_database(database_url, must_exist=True)
    instance = common.the_instance(database, instance_name)
    with common.refusals():
        found = database.read_now(lambda connection: keys.times(connection, instance.id))
    now = database.clock()
    rows = [
        (key.kid, state_of(key, found, now), key.active_from, removal_time(key, found))
        for key in found
    ]
    if as_json:
        names = ("kid", "state", "active_from", "removed_after")
        records.print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    records.print_table(
        ("Kid", "State", "Signs from", "Removed after"),
        [(kid, state, _time(start), _time(end) if end else "") for kid, state, start, end in rows],
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
    from mintgate.contract.identifiers import new_hex128
    from mintgate.jose import SigningKey
    from mintgate.store import AuditEvent, keys

    key = SigningKey.generate(new_hex128())
    with records.writing(database_url, instance_name) as writing:
        tx, instance_id = writing.tx, writing.instance.id
        kek = common.key_encryption_key(database_url, key_file, create=False)
        keys.all_of(tx.connection, instance_id, kek)  # a wrong key shows here
        active_from = tx.now if at_once else tx.now + PUBLISHED_BEFORE_USE
        keys.add(tx, instance_id, kek, key, active_from)
        tx.record(
            AuditEvent(
                instance_id=instance_id,
                at=tx.now,
                event="key.added",
                actor=common.actor(),
                details={"kid": key.kid, "active_from": active_from},
            )
        )
    typer.echo(f"Key {key.kid} is published now and signs from {_time(active_from)}.")


@key_commands.command("compromised")
def compromised(
    kid: Annotated[str, typer.Argument(metavar="KID", help="As `list` shows it.")],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
    instance_name: InstanceName = None,
) -> None:
    """End a key now: every token that it signed is refused. A new one signs from now on."""
    from mintgate.store import AuditEvent, keys

    with records.writing(database_url, instance_name) as writing:
        tx, instance_id = writing.tx, writing.instance.id
        found = keys.times(tx.connection, instance_id)
        if kid not in [key.kid for key in found]:
            records.not_found("key", kid, [key.kid for key in found], "key list")
        active = active_key(found, tx.now)
        if not keys.end(tx, instance_id, kid):
            typer.echo("It was ended before.")
            return
        tx.record(
            AuditEvent(
                instance_id=instance_id,
                at=tx.now,
                event="key.compromised",
                actor=common.actor(),
                details={"kid": kid},
            )
        )
        if active is not None and active.kid == kid:
            kek = common.key_encryption_key(database_url, key_file, create=False)
            successor = keys.create(tx, instance_id, kek)
            typer.echo(f"Key {successor.kid} signs from now on.")
    typer.echo(f"Key {kid} has ended; tokens that it signed are refused.")


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z"

"""`mintgate key …`: signing keys."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName, KeyFile
from mintgate.contract.key_life import (
    KNOWN_EVERYWHERE,
    PUBLISHED_BEFORE_USE,
    active_key,
    removal_time,
    state_of,
)

key_commands = typer.Typer(
    help="Signing keys: list, rotate, declare compromised, re-encrypt.", no_args_is_help=True
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
        (
            key.kid,
            key.algorithm,
            state_of(key, found, now),
            key.active_from,
            removal_time(key, found),
        )
        for key in found
    ]
    if as_json:
        names = ("kid", "algorithm", "state", "active_from", "removed_after")
        records.print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    records.print_table(
        ("Kid", "Algorithm", "State", "Signs from", "Removed after"),
        [(*row[:3], _time(row[3]), _time(row[4]) if row[4] else "") for row in rows],
        "There are no keys.",
    )


@key_commands.command("rotate")
def rotate(
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="Sign with it in two seconds, when every server knows it, instead of in 24 hours; "
            "verifiers fetch it when they see it.",
        ),
    ] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
    instance_name: InstanceName = None,
) -> None:
    """Make a new key, publish it now, and sign with it from tomorrow on.

    It is for the instance's `signing_algorithm`.
    """
    from mintgate.contract.identifiers import new_hex128
    from mintgate.jose import SigningKey
    from mintgate.store import AuditEvent, keys

    database = common.open_database(database_url, must_exist=True)
    algorithm = common.the_instance(database, instance_name).signing_algorithm.value
    database.close()
    key = SigningKey.generate(new_hex128(), algorithm)  # takes long, so before the write lock
    with records.writing(database_url, instance_name) as writing:
        tx, instance_id = writing.tx, writing.instance.id
        kek = common.key_encryption_key(database_url, key_file, create=False)
        active_from = tx.now + (KNOWN_EVERYWHERE if at_once else PUBLISHED_BEFORE_USE)
        keys.add(tx, instance_id, kek, key, active_from)
        tx.record(
            AuditEvent(
                instance_id=instance_id,
                at=tx.now,
                event="key.added",
                actor=common.actor(),
                details={
                    "kid": key.kid,
                    "algorithm": key.algorithm,
                    "active_from": active_from,
                },
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
            algorithm = writing.instance.signing_algorithm.value
            successor = keys.create(tx, instance_id, kek, algorithm)
            typer.echo(f"Key {successor.kid} signs from now on.")
    typer.echo(f"Key {kid} has ended; tokens that it signed are refused.")


@key_commands.command("re-encrypt")
def re_encrypt(
    new_key_file: Annotated[
        Path | None,
        typer.Option(
            "--new-key-file",
            metavar="PATH",
            help="File with the new key; it is made when it is not there. "
            "MINTGATE_KEY_ENCRYPTION_KEY_NEW, when set, is used instead.",
            show_default=False,
        ),
    ] = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
) -> None:
    """Change the key-encryption key: seal everything with a new one, in one transaction.

    Without a new key, everything is sealed with the current one that a previous one
    (MINTGATE_KEY_ENCRYPTION_KEY_PREVIOUS) has sealed. To change it while servers run: restart
    each with the new key and the old one as previous, run this, then restart without the old one.
    """
    from mintgate.store import AuditEvent, instances, sealing
    from mintgate.store.key_encryption import NEW_KEY_VARIABLE, KeyEncryptionKey

    database = common.open_database(database_url, must_exist=True)
    with common.refusals():
        kek = common.key_encryption_key(database_url, key_file, create=False)
        text = os.environ.get(NEW_KEY_VARIABLE)
        new = None
        if text:
            new = KeyEncryptionKey.from_text(text)
        elif new_key_file is not None:
            new = KeyEncryptionKey.from_file(new_key_file, create=True)
        if new is not None:
            kek = new.opening_also(kek)
        with database.begin() as tx:
            count = sealing.reseal(tx, kek)
            for instance in instances.all_of(tx.connection) if count else []:
                tx.record(
                    AuditEvent(
                        instance_id=instance.id,
                        at=tx.now,
                        event="key.re_encrypted",
                        actor=common.actor(),
                        details={"sealed": count},
                    )
                )
    if not count:
        typer.echo("Nothing to do: everything is sealed with this key already.")
        return
    typer.echo(f"Sealed {count} with the new key. Keep the old one with backups made until now.")
    if new is not None:
        typer.echo("Start servers and commands with the new key from now on (--key-file).")


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z"

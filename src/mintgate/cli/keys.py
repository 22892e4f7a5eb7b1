"""`mintgate key …`: signing keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.administration import administration, everything
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName, KeyFile
from mintgate.contract.automation.credentials import Rotation

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
    with administration(database_url, instance_name) as admin:
        found = everything(admin, "keys.list")
    if as_json:
        records.print_json(found)
        return
    records.print_table(
        ("Kid", "Algorithm", "State", "Signs from", "Removed after"),
        [
            (
                key.kid,
                key.algorithm,
                key.state,
                records.minute(key.active_from),
                records.minute(key.removed_after) if key.removed_after else "",
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
    with administration(database_url, instance_name, key_file) as admin:
        key = admin.call("keys.rotate", Rotation(at_once=at_once))
    typer.echo(f"Key {key.kid} is published now and signs from {records.minute(key.active_from)}.")


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

"""`mintgate db restore`: a backup into an empty database, and what is to be looked at then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common, progress, records
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, KeyFile
from mintgate.cli.database_copies import Restart, problems, time_text
from mintgate.cli.databases import db_commands, opened

if TYPE_CHECKING:
    from mintgate.store.keys import KeyEncryptionKey
    from mintgate.store.portable import InstanceRestored


@db_commands.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `backup` made it.")],
    revoke_reference_tokens: Annotated[
        bool,
        typer.Option(
            "--revoke-reference-tokens",
            help="Revoke every personal and service token, instead of listing those that live.",
        ),
    ] = False,
    restart: Restart = False,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
) -> None:
    """Fill an empty database from a backup. Stop every server of it first.

    What was revoked or used since the backup must not live again: every JWT, refresh token, code,
    sign-in, ERP session and signing key of the backup ends. Reference tokens are listed; revoke
    those that must not live with `mintgate pat revoke` and `mintgate sat revoke`.
    """
    from mintgate.store import portable

    def key() -> KeyEncryptionKey:
        return common.key_encryption_key(database_url, key_file, create=False)

    with problems(), progress.told(quiet=as_json) as told:
        restored = portable.restore(
            file,
            opened(database_url),
            key,
            actor=common.actor(),
            restart=restart,
            revoke_reference_tokens=revoke_reference_tokens,
            progress=told,
        )
    if as_json:
        records.print_json(restored)
        return
    typer.echo(f"Restored {restored.rows:,} rows, as of {time_text(restored.backup_at)}.")
    for instance in restored.instances:
        _print(instance)
    typer.echo(
        "What was changed since is as it was then: users who were disabled, applications that "
        "were removed, passwords, secrets and roles. Look at those, too, before servers start."
    )


def _print(instance: InstanceRestored) -> None:
    ended = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in instance.ended.items() if count
    )
    typer.echo(f"\n{instance.name} ({instance.base_url})")
    typer.echo(f"Ended: all access tokens, {ended or 'and there was nothing else'}.")
    typer.echo(f"Key {instance.key} signs from now on.")
    if not instance.reference_tokens:
        typer.echo("No reference token lives.")
        return
    typer.echo("These reference tokens live again. Some may have been revoked since the backup:")
    records.print_table(
        ("Id", "Kind", "Owner", "Application", "Created", "Last used", "Ends", "Description"),
        [
            (
                token.id,
                token.kind,
                token.owner or "",
                token.application or "",
                records.minute(token.created_at),
                records.minute(token.last_used_at) if token.last_used_at else "never",
                records.minute(token.expires_at),
                token.description or "",
            )
            for token in instance.reference_tokens
        ],
        "",
    )
    typer.echo("Revoke one with: mintgate pat revoke ID, mintgate sat revoke ID")

"""`mintgate marketplace …`: whether an instance tells applications of their install."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl, InstanceName, KeyFile

if TYPE_CHECKING:
    from mintgate.jose import SigningKey

marketplace_commands = typer.Typer(
    help="Tell applications of their install and uninstall: switch on, look, switch off.",
    no_args_is_help=True,
)


@marketplace_commands.command("enable")
def enable(
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--key-from",
            metavar="FILE",
            help="Sign with this private RSA key (PEM, without a password), which several "
            "instances may share, instead of one that is made here.",
            show_default=False,
        ),
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make another key when there is one.")
    ] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
    instance_name: InstanceName = None,
) -> None:
    """Post a signed event to an application when a link installs it, and when it is removed.

    Prints the public key, as the instance publishes it too.
    """
    from mintgate.contract.identifiers import new_hex128
    from mintgate.identity.lifecycle import switching
    from mintgate.jose import SigningKey
    from mintgate.store import marketplace_keys

    database, instance = common.open_instance(database_url, instance_name)
    with common.refusals():
        found = database.read_now(lambda c: marketplace_keys.find(c, instance.id))
        if found is not None and from_file is None and not new_key:
            typer.echo("It is on already; --new-key makes another key.", err=True)
            typer.echo(found.public_key, nl=False)
            return
        kek = common.key_encryption_key(database_url, key_file, create=False)
        kid = new_hex128()
        key = SigningKey.generate(kid) if from_file is None else _read(from_file, kid)
        with database.begin() as tx:
            switching.enable(tx, instance.id, kek, key, common.actor())
    typer.echo(f"{instance.name} tells applications from now on.", err=True)
    typer.echo(key.public.to_pem().decode(), nl=False)


@marketplace_commands.command("show")
def show(database_url: DatabaseUrl = DEFAULT_DATABASE, instance_name: InstanceName = None) -> None:
    """Print the public key, or exit with 1 where applications are told nothing."""
    from mintgate.contract.lifecycle_events import MARKETPLACE_PATH
    from mintgate.store import marketplace_keys

    database, instance = common.open_instance(database_url, instance_name)
    with common.refusals():
        found = database.read_now(lambda c: marketplace_keys.find(c, instance.id))
    if found is None:
        common.fail("it is off; switch it on with: mintgate marketplace enable")
    typer.echo(f"Published at {instance.base_url}{MARKETPLACE_PATH}", err=True)
    typer.echo(found.public_key, nl=False)


@marketplace_commands.command("disable")
def disable(
    database_url: DatabaseUrl = DEFAULT_DATABASE, instance_name: InstanceName = None
) -> None:
    """Tell applications nothing any more; what was not delivered yet is given up."""
    from mintgate.identity.lifecycle import switching

    database, instance = common.open_instance(database_url, instance_name)
    with common.refusals(), database.begin() as tx:
        was_on = switching.disable(tx, instance.id, common.actor())
    typer.echo("Applications are told nothing any more." if was_on else "It was off.", err=True)


def _read(file: Path, kid: str) -> SigningKey:
    """The key in a file, or exit code 1."""
    from mintgate.jose import SigningKey

    try:
        return SigningKey.from_pem(kid, file.read_bytes())
    except OSError as error:
        common.fail(f"cannot read {file}: {error.strerror}")
    except ValueError:
        common.fail(f"{file} holds no RSA key of at least 2048 bit as PEM without a password")

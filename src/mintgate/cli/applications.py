"""`mintgate app …`: trusted applications one by one."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from mintgate.cli import application_add, application_secrets, common, records
from mintgate.cli.administration import administration, application, everything
from mintgate.cli.application_options import (
    Audience,
    BackChannelLogoutUrl,
    FrontChannelLogoutUrl,
    Generate,
    SecretEnv,
    SecretStdin,
    Uri,
)
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.cli.secret_input import read_secret, show_if_generated
from mintgate.contract.automation.credentials import SecretChange
from mintgate.contract.automation.records import ApplicationChanges

app_commands = typer.Typer(
    help="Trusted applications: list, add, change, enable, disable, remove.",
    no_args_is_help=True,
)
app_commands.command("add")(application_add.add)
app_commands.add_typer(application_secrets.secret_commands, name="secret")


@app_commands.command("list")
def list_applications(
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """List the trusted applications."""
    with administration(database_url, instance_name) as admin:
        found = everything(admin, "applications.list")
    if as_json:
        records.print_json(found)
        return
    records.print_table(
        ("ApplicationUri", "Name", "ClientType", "Enabled", "Scope", "SystemUser"),
        [
            (
                application.application_uri,
                next(iter(application.name.values()), ""),
                application.client_type,
                "yes" if application.is_enabled else "no",
                application.scope or "",
                application.system_user or "",
            )
            for application in found
        ],
        "There are no applications yet; add one with: mintgate app add",
    )


@app_commands.command("show")
def show(
    uri: Uri,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Show every attribute of an application; the secret is never shown."""
    from mintgate.identity.administration.attributes import text_of

    with administration(database_url, instance_name) as admin:
        found = application(admin, uri)
    if as_json:
        records.print_json(found)
        return
    told = msgspec.to_builtins(found).items()
    rows = [(key, text_of(key, value) or "") for key, value in told]
    records.print_table(("Attribute", "Value"), rows, "")


@app_commands.command("enable")
def enable(
    uri: Uri,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Let an application work again."""
    with administration(database_url, instance_name) as admin:
        admin.call("applications.enable", application_id=application(admin, uri).id)
    typer.echo(f"{uri} is enabled.", err=True)


@app_commands.command("disable")
def disable(
    uri: Uri,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Stop an application at once: all flows and APIs refuse it, its refresh tokens end."""
    with administration(database_url, instance_name) as admin:
        admin.call("applications.disable", application_id=application(admin, uri).id)
    typer.echo(f"{uri} is disabled.", err=True)


@app_commands.command("set-secret")
def set_secret(
    uri: Uri,
    secret_stdin: SecretStdin = False,
    secret_env: SecretEnv = None,
    generate: Generate = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Give an application another secret; access tokens already issued stay valid.

    What it had before ends at once; to let both work for a while: mintgate app secret rotate.
    """
    secret = read_secret(
        "secret", from_stdin=secret_stdin, environment_name=secret_env, generate=generate
    )
    with administration(database_url, instance_name) as admin:
        found = application(admin, uri)
        body = SecretChange(secret=secret.text)
        admin.call("applications.set_secret", body, application_id=found.id)
    typer.echo(f"The secret of {uri} is changed.", err=True)
    show_if_generated(secret)


@app_commands.command("set-logout")
def set_logout(
    uri: Uri,
    back_channel_logout_url: BackChannelLogoutUrl = None,
    front_channel_logout_url: FrontChannelLogoutUrl = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Change where an application is told of sign-outs; an empty text ('') takes a URL away."""
    given = {
        "back_channel_logout_url": back_channel_logout_url,
        "front_channel_logout_url": front_channel_logout_url,
    }
    changed = {name: url or None for name, url in given.items() if url is not None}
    if not changed:
        common.misuse("give --back-channel-logout-url, --front-channel-logout-url or both")
    with administration(database_url, instance_name) as admin:
        found = application(admin, uri)
        admin.call("applications.change", ApplicationChanges(**changed), application_id=found.id)
    typer.echo(f"{uri} is changed.", err=True)


@app_commands.command("set-audiences")
def set_audiences(
    uri: Uri,
    audience: Audience = None,
    none: Annotated[
        bool, typer.Option("--none", help="It may call the built-in APIs only.")
    ] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Change which declared APIs an application may call; the new list replaces the old one.

    Tokens issued until now stay as they are; the next ones are for the APIs given here.
    """
    if bool(audience) == none:
        common.misuse("give --audience once for each API, or --none")
    with administration(database_url, instance_name) as admin:
        found = application(admin, uri)
        changed = ApplicationChanges(audiences=" ".join(audience or ()) or None)
        admin.call("applications.change", changed, application_id=found.id)
    typer.echo(f"{uri} is changed.", err=True)


@app_commands.command("revoke-everything")
def revoke_everything(
    uri: Uri,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """End all that was issued to an application: access, refresh and reference tokens, codes."""
    with administration(database_url, instance_name) as admin:
        found = application(admin, uri)
        ended = admin.call("applications.revoke_everything", application_id=found.id)
    typer.echo(f"Ended: {records.told_ended(ended)}.", err=True)


@app_commands.command("remove")
def remove(
    uri: Uri,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Remove an application; its tokens are refused from then on."""
    if not yes:
        typer.confirm(f"Remove {uri} and end its tokens?", abort=True, err=True)
    with administration(database_url, instance_name) as admin:
        admin.call("applications.remove", application_id=application(admin, uri).id)
    typer.echo(f"Removed {uri}.", err=True)

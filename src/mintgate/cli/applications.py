"""`mintgate app …`: trusted applications one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from msgspec.structs import replace

from mintgate.cli import application_add, application_secrets, common, records
from mintgate.cli.application_options import (
    BackChannelLogoutUrl,
    FrontChannelLogoutUrl,
    Generate,
    SecretEnv,
    SecretStdin,
    Uri,
)
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.cli.secret_input import read_secret, show_if_generated
from mintgate.contract.applications import TrustedApplication, problems_of
from mintgate.contract.identifiers import secret_hash

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
    found, logins = _all(database_url, instance_name)
    if as_json:
        records.print_json([_told(application, logins) for application in found])
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
                logins.get(application.system_user or "", ""),
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
    from mintgate.server.declaration import text_of

    found, logins = _all(database_url, instance_name)
    for application in found:
        if application.application_uri == uri:
            told = _told(application, logins)
            break
    else:
        records.not_found("application", uri, [a.application_uri for a in found], "app list")
    if as_json:
        records.print_json(told)
        return
    rows = [(key, text_of(key, value) or "") for key, value in told.items()]
    records.print_table(("Attribute", "Value"), rows, "")


@app_commands.command("enable")
def enable(
    uri: Uri,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Let an application work again."""
    _change(uri, database_url, instance_name, is_enabled=True)
    typer.echo(f"{uri} is enabled.", err=True)


@app_commands.command("disable")
def disable(
    uri: Uri,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Stop an application at once: all flows and APIs refuse it, its refresh tokens end."""
    _change(uri, database_url, instance_name, is_enabled=False)
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
    hashed = secret_hash(secret.text)
    _change(
        uri,
        database_url,
        instance_name,
        application_secret_hash=hashed,
        application_secret_end_utc=None,
        second_secret_hash=None,
        second_secret_end_utc=None,
    )
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
    _change(uri, database_url, instance_name, **changed)
    typer.echo(f"{uri} is changed.", err=True)


@app_commands.command("remove")
def remove(
    uri: Uri,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Remove an application; its tokens are refused from then on."""
    from mintgate.server.declaration import ApplicationChange

    if not yes:
        typer.confirm(f"Remove {uri} and end its tokens?", abort=True, err=True)
    with records.writing(database_url, instance_name) as writing:
        writing.carry_out(ApplicationChange(application_secrets.stored(writing, uri), None))
    typer.echo(f"Removed {uri}.", err=True)


def _change(uri: str, database_url: str, instance_name: str | None, **attributes: object) -> None:
    from mintgate.server.declaration import ApplicationChange
    from mintgate.store import users

    with records.writing(database_url, instance_name) as writing:
        before = application_secrets.stored(writing, uri)
        after = replace(before, **attributes)
        user = users.by_id(writing.tx.connection, writing.instance.id, before.system_user or "")
        if attributes.keys() != {"is_enabled"}:
            problems = problems_of(after, user.user_type if user else None)
            records.refuse_if(problems, f"{uri} was not changed")
        if after != before:
            writing.carry_out(ApplicationChange(before, after))


def _all(
    database_url: str, instance_name: str | None
) -> tuple[list[TrustedApplication], dict[str, str]]:
    """The applications, and logins by user id."""
    from mintgate.store import applications, users

    database = common.open_database(database_url, must_exist=True)
    instance = common.the_instance(database, instance_name)
    with common.refusals():
        found = database.read_now(lambda connection: applications.all_of(connection, instance.id))
        everyone = database.read_now(lambda connection: users.all_of(connection, instance.id))
    return found, {user.id: user.login for user in everyone}


def _told(application: TrustedApplication, logins: Mapping[str, str]) -> dict[str, object]:
    """The attributes by ERP.net's names, without the secret."""
    from mintgate.server.declaration import attributes_of, text_of
    from mintgate.server.declaration.differences import SECRET_TIMES

    told = attributes_of(application)
    told["HasSecret"] = told.pop("ApplicationSecretHash") is not None
    told["HasSecondSecret"] = told.pop("SecondSecretHash") is not None
    for attribute in SECRET_TIMES:
        told[attribute] = text_of(attribute, told[attribute])
    told["SystemUser"] = logins.get(application.system_user or "")
    told["CreationTimeUtc"] = text_of("CreationTimeUtc", told["CreationTimeUtc"])
    return told

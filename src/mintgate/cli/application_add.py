"""`mintgate app add`."""

from __future__ import annotations

from typing import Annotated

import typer
from msgspec.structs import replace

from mintgate.cli import common, records
from mintgate.cli.application_options import (
    BackChannelLogoutUrl,
    FrontChannelLogoutUrl,
    Generate,
    SecretEnv,
    SecretStdin,
    Uri,
)
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl, InstanceName
from mintgate.cli.secret_input import read_secret, show_if_generated
from mintgate.contract.applications import (
    ClientType,
    ReferenceTokenPolicy,
    TrustedApplication,
    problems_of,
    warnings_of,
)
from mintgate.contract.identifiers import new_guid, secret_hash


def add(
    uri: Uri,
    name: Annotated[str, typer.Option(help="What people see.", show_default=False)],
    client_type: Annotated[
        ClientType, typer.Option("--type", help="Confidential keeps a secret, Public cannot.")
    ] = ClientType.CONFIDENTIAL,
    scope: Annotated[
        str | None,
        typer.Option(help='What it may ask for, such as "read update".', show_default=False),
    ] = None,
    redirect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URI", help="Where sign-in may return to; repeatable.", show_default=False
        ),
    ] = None,
    logout_redirect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URI", help="Where sign-out may return to; repeatable.", show_default=False
        ),
    ] = None,
    back_channel_logout_url: BackChannelLogoutUrl = None,
    front_channel_logout_url: FrontChannelLogoutUrl = None,
    internal_users: Annotated[
        bool, typer.Option("--internal-users", help="Internal users may sign in to it.")
    ] = False,
    community_users: Annotated[
        bool, typer.Option("--community-users", help="Community users may sign in to it.")
    ] = False,
    system_user: Annotated[
        str | None,
        typer.Option(
            metavar="LOGIN",
            help="The user as which it works by itself (client credentials).",
            show_default=False,
        ),
    ] = None,
    reference_tokens: Annotated[
        ReferenceTokenPolicy, typer.Option(help="Who may create reference tokens.")
    ] = ReferenceTokenPolicy.NONE,
    require_consent: Annotated[
        bool, typer.Option("--require-consent", help="Ask each user before the first token.")
    ] = False,
    secret_stdin: SecretStdin = False,
    secret_env: SecretEnv = None,
    generate: Generate = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Add an application. A Confidential one gets a secret: asked for, unless an option tells."""
    secret = None
    if client_type is ClientType.CONFIDENTIAL:
        secret = read_secret(
            "secret", from_stdin=secret_stdin, environment_name=secret_env, generate=generate
        )
    elif secret_stdin or secret_env or generate:
        common.misuse(f"an application of type {client_type} has no secret [TAP-6]")
    record = TrustedApplication(
        id=new_guid(),
        name={"en": name},
        application_uri=uri,
        client_type=client_type,
        application_secret_hash=secret_hash(secret.text) if secret else None,
        impersonate_login_url=",".join(redirect or ()) or None,
        impersonate_logout_url=",".join(logout_redirect or ()) or None,
        back_channel_logout_url=back_channel_logout_url,
        front_channel_logout_url=front_channel_logout_url,
        impersonate_as_internal_user_allowed=internal_users,
        impersonate_as_community_user_allowed=community_users,
        system_user_allowed=system_user is not None,
        scope=scope,
        reference_tokens=reference_tokens,
        require_consent=require_consent,
    )
    with records.writing(database_url, instance_name) as writing:
        _store(writing, record, system_user)
    for warning in warnings_of(record):
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"Added {uri}.", err=True)
    show_if_generated(secret)


def _store(writing: records.Writing, record: TrustedApplication, login: str | None) -> None:
    from mintgate.server.declaration import ApplicationChange
    from mintgate.store import applications, users

    connection, instance_id = writing.tx.connection, writing.instance.id
    user = users.by_login(connection, instance_id, login) if login else None
    if login and user is None:
        known = [user.login for user in users.all_of(connection, instance_id)]
        records.not_found("user", login, known, "user list")
    if user is not None:
        record = replace(record, system_user=user.id)
    problems = problems_of(record, user.user_type if user else None)
    if applications.by_uri_in_any_case(connection, instance_id, record.application_uri):
        problems.append(("ApplicationUri", "exists already; it must be unique in any case [TAP-3]"))
    records.refuse_if(problems, "the application was not added")
    writing.carry_out(ApplicationChange(None, record))

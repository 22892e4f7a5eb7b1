"""`mintgate app add`."""

from __future__ import annotations

from typing import Annotated

import typer

from mintgate.cli import common
from mintgate.cli.administration import administration, user
from mintgate.cli.application_options import (
    Audience,
    BackChannelLogoutUrl,
    FrontChannelLogoutUrl,
    Generate,
    SecretEnv,
    SecretStdin,
    Uri,
)
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl, InstanceName
from mintgate.cli.secret_input import read_secret, show_if_generated
from mintgate.contract.applications import COMMUNITY_ONLY, ClientType, ReferenceTokenPolicy
from mintgate.contract.automation.records import NewApplication


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
    audience: Audience = None,
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
    body = NewApplication(
        name=name,
        application_uri=uri,
        client_type=client_type,
        secret=secret.text if secret else None,
        impersonate_login_url=",".join(redirect or ()) or None,
        impersonate_logout_url=",".join(logout_redirect or ()) or None,
        back_channel_logout_url=back_channel_logout_url,
        front_channel_logout_url=front_channel_logout_url,
        impersonate_as_internal_user_allowed=internal_users,
        impersonate_as_community_user_allowed=community_users,
        system_user_allowed=system_user is not None,
        system_user=system_user,
        scope=scope,
        audiences=" ".join(audience or ()) or None,
        reference_tokens=reference_tokens,
        require_consent=require_consent,
    )
    with administration(database_url, instance_name) as admin:
        if system_user is not None:
            user(admin, system_user)  # a wrong login gets a guess
        admin.call("applications.create", body)
    if community_users and not internal_users:
        typer.echo(f"warning: {COMMUNITY_ONLY}", err=True)
    typer.echo(f"Added {uri}.", err=True)
    show_if_generated(secret)

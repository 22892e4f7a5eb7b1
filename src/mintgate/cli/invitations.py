"""`mintgate user invite` and `invite-again`: users who complete their account themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from mintgate.cli.administration import administration, user
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl, InstanceName, KeyFile
from mintgate.cli.users import Login


class InvitedType(StrEnum):
    INTERNAL = "internal"
    COMMUNITY = "community"


ShowLink = Annotated[
    bool,
    typer.Option("--show-link", help="Print the link for you to pass on, and send no mail."),
]


def add_to(user_commands: typer.Typer) -> None:
    """Make the two commands part of `mintgate user`."""
    user_commands.command("invite")(invite)
    user_commands.command("invite-again")(invite_again)


def invite(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Where the link goes.")],
    user_type: Annotated[
        InvitedType, typer.Option("--type", help="What kind of user it becomes.")
    ] = InvitedType.INTERNAL,
    login: Annotated[
        str | None, typer.Option(help="The login, if not the address.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help="What people see.", show_default=False)] = None,
    language: Annotated[
        str | None, typer.Option(help="Culture name such as bg or en-US.", show_default=False)
    ] = None,
    show_link: ShowLink = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
    key_file: KeyFile = None,
) -> None:
    """Invite somebody, who chooses name and password with a link for one use.

    A running server of this instance that has a mail server (--smtp-host) sends it.
    """
    from mintgate.contract.automation.invitations import NewInvitation

    body = NewInvitation(
        email=email,
        user_type=user_type.value,
        login=login,
        name=name,
        default_language=language,
        send=not show_link,
    )
    with administration(database_url, instance_name, key_file, can_mail=True) as admin:
        invited = admin.call("invitations.create", body)
    _tell(invited)


def invite_again(
    login: Login,
    show_link: ShowLink = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
    key_file: KeyFile = None,
) -> None:
    """Give an invited user another link; the one of before ends."""
    from mintgate.contract.automation.invitations import InvitationAgain

    with administration(database_url, instance_name, key_file, can_mail=True) as admin:
        body = InvitationAgain(send=not show_link)
        invited = admin.call("invitations.again", body, user_id=user(admin, login).id)
    _tell(invited)


def _tell(invited: Any) -> None:
    until = datetime.fromtimestamp(invited.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if invited.link is None:
        typer.echo(f"{invited.login} gets a link at {invited.email}, good until {until}.", err=True)
        return
    typer.echo(f"{invited.login} can join until {until}, once, with this link:", err=True)
    typer.echo(invited.link)

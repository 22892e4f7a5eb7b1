"""`mintgate app secret …`: changing a secret without a gap [EXT-10]."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from mintgate.cli import common, records
from mintgate.cli.application_options import Uri
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.cli.durations import seconds_of
from mintgate.cli.secret_input import GivenSecret, show_if_generated
from mintgate.contract.applications import TrustedApplication, problems_of
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.automation.secrets import SecretRotation
from mintgate.contract.identifiers import new_secret, secret_hash
from mintgate.contract.secret_rotation import lines_of, rotated, without

secret_commands = typer.Typer(
    help="An application's secrets: rotate, list, end. Two may live at a time.",
    no_args_is_help=True,
)


class Which(enum.StrEnum):
    FIRST = "first"
    SECOND = "second"


@secret_commands.command("rotate")
def rotate(
    uri: Uri,
    keep_old_for: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="How long the secret of until now is accepted too, such as 12h or 7d; "
            "without this it ends at once.",
            show_default=False,
        ),
    ] = None,
    ends_after: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="When the new secret ends by itself, such as 365d; without this it does not.",
            show_default=False,
        ),
    ] = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Make a new secret and print it, this once. Access tokens already issued stay valid.

    An application has at most two secrets: an older second one ends.
    """
    kept = seconds_of(keep_old_for) if keep_old_for else None
    life = seconds_of(ends_after) if ends_after else None
    secret = GivenSecret(new_secret(), is_generated=True)
    with records.writing(database_url, instance_name) as writing:
        before, now = stored(writing, uri), writing.tx.now
        wanted = SecretRotation(kept_seconds=kept, life_seconds=life)
        after = rotated(before, secret_hash(secret.text), now, wanted)
        _write(writing, before, after)
    if after.second_secret_end_utc is not None:
        told = records.minute(after.second_secret_end_utc)
        typer.echo(f"{uri} has a new secret; the one before is accepted until {told}.", err=True)
    else:
        typer.echo(f"{uri} has a new secret; no other one is accepted.", err=True)
    show_if_generated(secret)


@secret_commands.command("list")
def list_secrets(
    uri: Uri,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Tell when each secret was made and when it ends; the secrets themselves are not stored."""
    with records.writing(database_url, instance_name) as writing:
        application, now = stored(writing, uri), writing.tx.now
    rows = [
        (line.which, line.made_at, line.ends_at, line.is_live)
        for line in lines_of(application, now)
    ]
    if as_json:
        names = ("which", "made_at", "ends_at", "is_live")
        records.print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    records.print_table(
        ("Secret", "Made", "Ends", "State"),
        [
            (
                which,
                records.minute(made) if made else "unknown",
                records.minute(end) if end else "never",
                "live" if is_live else "ended",
            )
            for which, made, end, is_live in rows
        ],
        f"{uri} has no secret; make one with: mintgate app secret rotate {uri}",
    )


@secret_commands.command("end")
def end(
    uri: Uri,
    which: Annotated[Which, typer.Option(help="As `list` names it.")] = Which.SECOND,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """End a secret now: the next request with it is refused."""
    with records.writing(database_url, instance_name) as writing:
        before = stored(writing, uri)
        try:
            after = without(before, which.value)
        except NoSuchRecord:
            common.fail(f"{uri} has no {which} secret; see: mintgate app secret list {uri}")
        _write(writing, before, after)
    typer.echo(f"The {which} secret of {uri} has ended.", err=True)


def stored(writing: records.Writing, uri: str) -> TrustedApplication:
    """The application of this URI, else the end with exit code 1."""
    from mintgate.store import applications

    connection, instance_id = writing.tx.connection, writing.instance.id
    found = applications.by_uri(connection, instance_id, uri)
    if found is None:
        known = [a.application_uri for a in applications.all_of(connection, instance_id)]
        records.not_found("application", uri, known, "app list")
    return found


def _write(writing: records.Writing, before: TrustedApplication, after: TrustedApplication) -> None:
    from mintgate.server.declaration import ApplicationChange
    from mintgate.store import apis, users

    user = users.by_id(writing.tx.connection, writing.instance.id, before.system_user or "")
    declared = apis.names_of(writing.tx.connection, writing.instance.id)
    problems = problems_of(after, user.user_type if user else None, declared)
    records.refuse_if(problems, f"{before.application_uri} was not changed")
    writing.carry_out(ApplicationChange(before, after))

"""`mintgate licence …`: licence slots, and who has one reserved [SES-30..38, IMG-5]."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mintgate.cli import common, records
from mintgate.cli.administration import Refused, administration, everything, user
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName
from mintgate.contract.automation.licences import Licences, LicenceTotal, SeatHolder

licence_commands = typer.Typer(
    help="Licence slots: how many, how many are taken, and who has one reserved.",
    no_args_is_help=True,
)


@licence_commands.command("show")
def show(
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Show the licence slots, and who has one reserved."""
    with administration(database_url, instance_name) as there:
        found = there.call("licences.show")
        seats = everything(there, "reserved_seats.list")
    if as_json:
        records.print_json({"licences": found, "reserved_seats": seats})
        return
    records.print_table(("", "Slots", "In use", "Free"), _lines(found), "")
    records.print_table(
        ("Reserved for", "Since", "In use"),
        [
            (seat.login, records.minute(seat.created_at), "yes" if seat.in_use else "no")
            for seat in seats
        ],
        "Nobody has a slot reserved; reserve one with: mintgate licence reserve LOGIN",
    )


def _lines(found: Licences) -> list[tuple[str, str, str, str]]:
    return [
        ("General pool", str(found.general), str(found.general_in_use), str(found.free)),
        (
            "Reserved",
            str(found.reserved),
            str(found.reserved_in_use),
            str(found.reserved - found.reserved_in_use),
        ),
        ("Total", str(found.total), str(found.in_use), str(_free(found))),
    ]


def _free(found: Licences) -> int:
    return found.free + found.reserved - found.reserved_in_use


@licence_commands.command("set-total")
def set_total(
    total: Annotated[int, typer.Argument(metavar="N", min=0, max=1_000_000)],
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Set the number of licence slots. No session is closed by it.

    `mintgate apply` sets what its file says: change `licences` there as well.
    """
    with administration(database_url, instance_name) as there:
        found = there.call("licences.set_total", LicenceTotal(total=total))
    typer.echo(f"{_slots(found.total)} now, {found.in_use} in use, {found.reserved} reserved.")
    over = found.general_in_use - found.general
    if over > 0:
        typer.echo(
            f"{over} more sessions run than the general pool has slots. They go on; nobody new "
            "gets in until enough have finished, or are closed with: mintgate session close"
        )


Login = Annotated[str, typer.Argument(metavar="LOGIN", help="The user's login.")]


@licence_commands.command("reserve")
def reserve(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Keep a licence slot for a user, who then always gets in. No session is closed by it."""
    with administration(database_url, instance_name) as there:
        named = user(there, login).login
        there.call("reserved_seats.add", SeatHolder(login=named))
        found = there.call("licences.show")
    typer.echo(f"{named} has a slot reserved; {_in_general(found)}.")


@licence_commands.command("unreserve")
def unreserve(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Give a reserved licence slot back to everybody. No session is closed by it."""
    with administration(database_url, instance_name) as there:
        try:
            found: Any = there.call("reserved_seats.remove", SeatHolder(login=login))
        except Refused as refused:
            if refused.kind != "not_found":
                raise
            common.fail(f"{login!r} has no slot reserved; see who has: mintgate licence show")
    typer.echo(f"{login} has no slot reserved any more; {_in_general(found)}.")


def _in_general(found: Licences) -> str:
    return f"{found.general} of {_slots(found.total)} are for everybody"


def _slots(number: int) -> str:
    return f"{number} licence slot" + ("" if number == 1 else "s")

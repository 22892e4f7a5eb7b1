"""The program without commands: its name, its help, its version."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from mintgate import __version__


def new_program() -> typer.Typer:
    """A command tree to which commands are added."""
    app = typer.Typer(
        name="mintgate",
        help="An identity server and API guard that is compatible with ERP.net.",
        epilog="Try it: mintgate serve --demo. Start your own: mintgate init.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # they would print local values, secrets among them
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    return app


def server_program(command: str) -> typer.Typer:
    """The program with one command that runs for months, and nothing that only others need.

    Args:
        command: `serve` or `gate`.
    """
    app = new_program()
    module = import_module(f"mintgate.cli.{command}")
    app.command(command)(getattr(module, command))
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mintgate {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """An identity server and API guard that is compatible with ERP.net."""

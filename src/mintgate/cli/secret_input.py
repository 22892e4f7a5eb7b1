"""Where a command takes a secret from: never from an argument, which other processes can see."""

from __future__ import annotations

import os
import sys

import msgspec
import typer

from mintgate.cli.common import fail, misuse
from mintgate.contract.identifiers import new_secret


class GivenSecret(msgspec.Struct, frozen=True):
    """A secret, and whether it was made here and must be shown once."""

    text: str
    is_generated: bool = False

    def __repr__(self) -> str:
        return "GivenSecret(…)"


def read_secret(
    what: str, *, from_stdin: bool, environment_name: str | None, generate: bool
) -> GivenSecret:
    """Take a secret from exactly one place; by default a hidden prompt, twice.

    Args:
        what: `secret` or `password`, as in the names of the options.
    """
    if sum((from_stdin, environment_name is not None, generate)) > 1:
        misuse(f"give only one of --{what}-stdin, --{what}-env and --generate")
    if generate:
        return GivenSecret(new_secret(), is_generated=True)
    if environment_name is not None:
        text = os.environ.get(environment_name)
        if text is None:
            fail(f"the environment variable {environment_name} is not set; set it and try again")
        return _usable(what, text)
    if from_stdin:
        # One line ending belongs to `echo`, not to the secret.
        data = sys.stdin.buffer.read().removesuffix(b"\n").removesuffix(b"\r")
        return _usable(what, data.decode(errors="surrogateescape"))
    if not sys.stdin.isatty():
        misuse(f"there is no terminal to ask on; use --{what}-stdin, --{what}-env or --generate")
    prompt = f"{what.capitalize()} (not shown)"
    return _usable(
        what, str(typer.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True))
    )


def show_if_generated(secret: GivenSecret | None) -> None:
    """Print a generated secret, the only time it can be seen."""
    if secret is not None and secret.is_generated:
        if sys.stdout.isatty():
            typer.echo("Keep it now; it is not stored and cannot be shown again:", err=True)
        typer.echo(secret.text)


def _usable(what: str, text: str) -> GivenSecret:
    if not text:
        fail(f"the {what} must not be empty")
    if any("\ud800" <= character <= "\udfff" for character in text):  # bytes that are no UTF-8
        fail(f"the {what} must be UTF-8 text")
    return GivenSecret(text)

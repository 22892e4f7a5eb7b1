"""`mintgate init`, `apply` and `export`: the instance as a file."""

from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl, InstanceName, KeyFile

if TYPE_CHECKING:
    from mintgate.server.declaration import Declaration, Plan
    from mintgate.store.keys import KeyEncryptionKey

NEXT_STEPS = """Next:
  1. Read it and change what you like.
  2. Set the secrets that it names, for example:
       export SERVICE_SECRET=$(openssl rand -hex 32) WEB_SECRET=$(openssl rand -hex 32)
       read -rs ADMIN_PASSWORD && export ADMIN_PASSWORD
  3. mintgate apply {file}
  4. mintgate serve
"""


def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("mintgate.toml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite it when it exists.")] = False,
) -> None:
    """Write an example file that declares an instance, to edit and apply."""
    example = resources.files("mintgate.cli").joinpath("example.toml").read_text("utf-8")
    try:
        with file.open("w" if force else "x", encoding="utf-8") as output:
            output.write(example)
    except FileExistsError:
        common.fail(f"{file} exists already; name another file, or overwrite it with --force")
    except OSError as error:
        common.fail(f"cannot write {file}: {error.strerror}")
    typer.echo(f"Wrote {file}.\n{NEXT_STEPS.format(file=file)}", nl=False)


def apply(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A TOML file; - reads standard input.")
    ],
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Also remove applications, users and APIs that the file does not name."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    key_file: KeyFile = None,
) -> None:
    """Make the database say what a file declares. Applying it again changes nothing.

    All problems of the file are listed with their lines, and nothing is changed then.
    """
    from mintgate.cli.plan_text import print_plan
    from mintgate.server.declaration import InvalidDeclaration, read

    text = _text_of(file)
    try:
        declaration = read(text, os.environ)
        with common.refusals():
            if dry_run:
                plan = _planned(declaration, database_url, prune=prune)
            else:
                plan = _applied(declaration, database_url, key_file, prune=prune)
    except InvalidDeclaration as error:
        for problem in error.problems:
            typer.echo(common.located(file, problem), err=True)
        count = len(error.problems)
        common.fail(f"{count} problem{'s' * (count > 1)} in {file}; nothing was applied")
    print_plan(plan, dry_run=dry_run)


def export(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to a file that only you can read, instead of standard output.",
            show_default=False,
        ),
    ] = None,
    no_secrets: Annotated[
        bool, typer.Option("--no-secrets", help="Leave out the hashes of secrets and passwords.")
    ] = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """Print the instance as a file that `apply` understands.

    It holds hashes of secrets and passwords: keep it where you would keep the database.
    """
    from mintgate.server import declaration

    database = common.open_database(database_url, must_exist=True)
    with common.refusals():
        instance = common.the_instance(database, instance_name)
        text = declaration.export(database, instance, secrets=not no_secrets)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(descriptor, 0o600)  # also when the file was there before
            stream.write(text)
    except OSError as error:
        common.fail(f"cannot write {output}: {error.strerror}")


def _planned(declaration: Declaration, database_url: str, *, prune: bool) -> Plan:
    from mintgate.server.declaration import plan

    if not common.exists(database_url):
        return plan(None, declaration, prune=prune)  # a dry run makes no file
    return plan(common.open_database(database_url), declaration, prune=prune)


def _applied(
    declaration: Declaration, database_url: str, key_file: Path | None, *, prune: bool
) -> Plan:
    from mintgate.server import declaration as declarations
    from mintgate.store import instances

    if not common.exists(database_url):
        declarations.plan(None, declaration, prune=prune)  # a file with problems makes no database
    database = common.open_database(database_url)
    is_first = not database.read_now(instances.all_of)

    def key() -> KeyEncryptionKey:
        # A second instance is sealed with the key of the first: a new file would be a mistake.
        return common.key_encryption_key(database_url, key_file, create=is_first)

    return declarations.apply(database, declaration, key, prune=prune, actor=common.actor())


def _text_of(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        common.fail(f"cannot read {file}: {error.strerror}; an example is made by: mintgate init")
    except UnicodeDecodeError as error:
        common.fail(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8")

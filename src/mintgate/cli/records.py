"""What the commands for single records share: one change in one transaction, and lists."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

import msgspec
import typer

from mintgate.cli import common

if TYPE_CHECKING:
    from mintgate.contract.automation.credentials import Ended
    from mintgate.contract.instance import Instance
    from mintgate.server.declaration import Change
    from mintgate.store import Transaction


class Writing(msgspec.Struct, frozen=True):
    """An open transaction on one instance; everything is committed together or not at all."""

    tx: Transaction
    instance: Instance

    def carry_out(self, change: Change) -> None:
        """Write one change with its audit event."""
        from mintgate.server.declaration import carry_out

        carry_out(self.tx, self.instance.id, [change], actor=common.actor())


@contextlib.contextmanager
def writing(database_url: str, instance_name: str | None) -> Iterator[Writing]:
    """Open a transaction; what the database refuses ends with exit code 1."""
    database, instance = common.open_instance(database_url, instance_name)
    with common.refusals(), database.begin() as tx:
        yield Writing(tx, instance)


def refuse_if(problems: Sequence[tuple[str, str]], message: str) -> None:
    """List what is wrong with a record, if anything, and end with exit code 1."""
    for attribute, sentence in problems:
        typer.echo(f"{attribute}: {sentence}", err=True)
    if problems:
        common.fail(message)


def not_found(kind: str, name: str, known: Sequence[str], command: str) -> NoReturn:
    """There is no such record; exit code 1."""
    close = get_close_matches(name.lower(), [text.lower() for text in known], 1)
    guess = next((text for text in known if close and text.lower() == close[0]), None)
    hint = f" (did you mean {guess}?)" if guess else ""
    common.fail(f"there is no {kind} {name!r}{hint}; list them with: mintgate {command}")


def told_ended(ended: Ended) -> str:
    """How much ended, for people."""
    return (
        f"{ended.sessions} sign-ins, {ended.grants} refresh tokens, "
        f"{ended.reference_tokens} reference tokens"
    )


def print_json(value: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print rows for people; `empty` is said when there are none."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        typer.echo(empty, err=True)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # nobody wants lines of a file folded at 80
    console.print(table)


def minute(seconds: float) -> str:
    """A time (Unix seconds) as lists show it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z"

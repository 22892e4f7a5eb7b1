"""Reads one table of the file against its shape and notes every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from mintgate.server.declaration.keys import TableShape
from mintgate.server.declaration.kinds import Unfit
from mintgate.server.declaration.problems import Problem, Source


def values_of(
    table: Mapping[str, object], shape: TableShape, source: Source, problems: list[Problem]
) -> dict[str, object]:
    """The values that fit, by key; aliases are resolved."""
    values: dict[str, object] = {}
    for written, value in table.items():
        key = shape.aliases.get(written, written)
        if key in shape.tables:
            if isinstance(value, Mapping):
                inside = source.inside(written)
                values[key] = values_of(value, shape.tables[key], inside, problems)
            else:
                keys = ", ".join(shape.tables[key].kinds)
                problems.append(source.problem(written, f"must be a table with: {keys}"))
        elif key not in shape.kinds:
            allowed = [*shape.kinds, *shape.tables, *shape.aliases]
            problems.append(source.problem(written, unknown_key(written, allowed)))
        elif key != written and key in table:
            problems.append(source.problem(written, f"is another name of {key}; give one of them"))
        else:
            try:
                values[key] = shape.kinds[key](value)
            except Unfit as error:
                problems.append(source.problem(written, str(error)))
    problems += [
        source.problem(key, "is missing; this table needs it")
        for key in shape.required
        if key not in table
    ]
    for first, second in shape.exclusive:
        if first in table and second in table:
            problems.append(source.problem(second, f"cannot be given together with {first}"))
    return values


def unknown_key(written: str, allowed: Iterable[str]) -> str:
    """The sentence about a key that does not exist."""
    by_lower_case = {key.lower(): key for key in allowed}
    close = get_close_matches(written.lower(), by_lower_case, 1)
    guess = f"did you mean {by_lower_case[close[0]]}? " if close else ""
    return f"is not a key here; {guess}Allowed are: {', '.join(by_lower_case.values())}"

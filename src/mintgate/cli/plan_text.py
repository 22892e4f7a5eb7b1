"""What a plan changes, for people."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.text import Text

from mintgate.server.declaration import (
    Difference,
    Plan,
    action_of,
    differences_of,
    kind_of,
    name_of,
)

SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}


def print_plan(plan: Plan, *, dry_run: bool) -> None:
    """Print each change with its attributes, the warnings, and a summary."""
    console = Console(highlight=False, soft_wrap=True)
    for change in plan.changes:
        sign, colour = SIGNS[action_of(change)]
        console.print(Text(f"{sign} {kind_of(change)} {name_of(change)}", style=colour))
        for difference in differences_of(change, plan.logins):
            console.print(Text(_line(difference, is_new=action_of(change) == "added")))
    for warning in plan.warnings:
        console.print(Text(f"! warning: {warning}", style="magenta"))
    console.print(Text(_summary(plan, dry_run=dry_run)))


def _line(difference: Difference, *, is_new: bool) -> str:
    after = "(none)" if difference.after is None else difference.after
    if is_new or difference.before is None:
        return f"    {difference.attribute} = {after}"
    return f"    {difference.attribute}: {difference.before} → {after}"


def _summary(plan: Plan, *, dry_run: bool) -> str:
    if not plan.changes:
        return f"No change: {plan.instance.name} is as declared."
    counts = Counter(map(action_of, plan.changes))
    told = ", ".join(f"{counts[action]} {action}" for action in SIGNS if counts[action])
    return f"{told} (dry run: nothing was changed)." if dry_run else f"{told}."

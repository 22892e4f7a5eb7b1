"""The results: a file for machines, tables for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench import figures, latencies
from bench.comparison import Comparison, Settings, Target
from bench.cores import Cores
from bench.figures import Figures
from bench.latencies import Latencies
from bench.machine import Machine, short_cpu
from bench.pages import findings as page_findings
from bench.pages.findings import Pages
from bench.plans import findings
from bench.plans.findings import Plans
from bench.samples import Summary

COLUMNS = ("", "per second", "range", "of the floor", "added µs", "p50 ms", "p99 ms", "CPU µs")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `started_at` is in UTC."""

    format: int = 1
    started_at: str
    revision: str
    settings: Settings
    cores: Cores
    machine: Machine
    versions: dict[str, str]
    comparisons: list[Comparison]
    latencies: list[Latencies] = []
    figures: list[Figures] = []
    plans: list[Plans] = []
    pages: list[Pages] = []

    def save(self, where: Path) -> Path:
        """Write to a file, or into a folder under a name of date and CPU; nothing is replaced."""
        if where.suffix != ".json":
            where.mkdir(parents=True, exist_ok=True)
            stem = f"{self.started_at[:10]}-{short_cpu(self.machine.cpu)}"
            taken = {path.stem for path in where.glob(f"{stem}*.json")}
            number = 1
            while (name := stem if number == 1 else f"{stem}-{number}") in taken:
                number += 1
            where = where / f"{name}.json"
        where.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        return where


def load(path: Path) -> Report:
    return msgspec.json.decode(path.read_bytes(), type=Report)


def rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """What `COLUMNS` names, fastest first."""
    floor = comparison.contenders[comparison.floor].rate
    ranked = sorted(comparison.contenders.items(), key=lambda item: -item[1].rate)
    for name, summary in ranked:
        is_floor = name == comparison.floor
        yield (
            f"{name} (the floor)" if is_floor else name,
            f"{summary.rate:,.0f}",
            f"{summary.rate_min:,.0f} to {summary.rate_max:,.0f}",
            f"{summary.rate / floor:.0%}",
            _added(summary),
            _milliseconds(summary.p50_us),
            _milliseconds(summary.p99_us),
            "" if summary.cpu_us is None else f"{summary.cpu_us:,.0f}",
        )


def verdict(target: Target) -> str:
    if target.met is None:
        return f"not measured: {target.text} ({target.peer} was left out)"
    state = "met" if target.met else "NOT MET"
    bound = "at most" if target.by == "added time" else "at least"
    ratio = "" if target.ratio is None else f" ({target.ratio:.2f}, {bound} {target.limit:.2f})"
    return f"{state}: {target.text}{ratio}"


def remarks(comparison: Comparison) -> Iterator[str]:
    """Verdicts, absences, and what makes a figure doubtful."""
    yield from (verdict(target) for target in comparison.targets)
    yield from (f"left out: {name}: {why}" for name, why in comparison.left_out.items())
    for name, summary in comparison.contenders.items():
        if (summary.load_busy or 0) > 0.85:
            yield f"doubtful: the load generator was busy {summary.load_busy:.0%} with {name}"
    yield from _notes(comparison.notes)


def _notes(notes: Mapping[str, object]) -> Iterator[str]:
    for name, value in notes.items():
        yield f"{name.replace('_', ' ')}: {_plain(value)}"


def facts(report: Report) -> Iterator[tuple[str, str]]:
    machine, cores = report.machine, report.cores
    siblings = " (threads of one physical core)" if cores.are_siblings else ""
    yield "mintgate", report.revision
    yield "measured", f"{report.started_at}, {_rounds(report.settings)}"
    yield "CPU", f"{machine.cpu}; {' '.join(machine.cpu_flags)}"
    yield "cores", f"server on {cores.server}, load on {cores.load}{siblings}"
    yield "kernel", machine.kernel
    yield "disk", f"{machine.filesystem}, {machine.sync_us:,.0f} µs a synced write"
    named = dict(report.versions)
    for comparison in report.comparisons:
        named.update(comparison.versions)
    for measured in report.figures:
        named.update(measured.versions)
    yield "versions", ", ".join(f"{name} {number}" for name, number in named.items())


def show(report: Report, console: Console) -> None:
    for comparison in report.comparisons:
        console.print(_table(comparison.title, COLUMNS, rows(comparison)))
        for remark in remarks(comparison):
            console.print(remark, highlight=False, markup=False)
        console.print()
    for group in report.latencies:
        console.print(_table(group.title, latencies.COLUMNS, latencies.rows(group)))
        for remark in (*(bound.verdict() for bound in group.bounds), *_notes(group.notes)):
            console.print(remark, highlight=False, markup=False)
        console.print()
    for measured in report.figures:
        console.print(_table(measured.title, figures.COLUMNS, figures.rows(measured)))
        for remark in (*figures.remarks(measured), *_notes(measured.notes)):
            console.print(remark, highlight=False, markup=False)
        console.print()
    for found in report.plans:
        console.print(_table(found.title, findings.COLUMNS, findings.rows(found)))
        for remark in findings.remarks(found):
            console.print(remark, highlight=False, markup=False)
        console.print()
    for seen in report.pages:
        console.print(_table(seen.title, page_findings.COLUMNS, page_findings.rows(seen)))
        for remark in page_findings.remarks(seen):
            console.print(remark, highlight=False, markup=False)
        console.print()
    for name, text in facts(report):
        console.print(f"{name}: {text}", highlight=False, markup=False)


def _table(title: str, columns: Sequence[str], lines: Iterable[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for line in lines:
        table.add_row(*line)
    return table


def markdown(report: Report) -> str:
    """The same for the documentation."""
    lines: list[str] = []
    for comparison in report.comparisons:
        lines += _section(comparison.title, COLUMNS, rows(comparison), remarks(comparison))
    for group in report.latencies:
        lines += _section(
            group.title,
            latencies.COLUMNS,
            latencies.rows(group),
            (*(bound.verdict() for bound in group.bounds), *_notes(group.notes)),
        )
    for measured in report.figures:
        remarks_on_it = (*figures.remarks(measured), *_notes(measured.notes))
        lines += _section(measured.title, figures.COLUMNS, figures.rows(measured), remarks_on_it)
    for found in report.plans:
        lines += _section(
            found.title, findings.COLUMNS, findings.rows(found), findings.remarks(found)
        )
    for seen in report.pages:
        page_rows = page_findings.rows(seen)
        told = page_findings.remarks(seen)
        lines += _section(seen.title, page_findings.COLUMNS, page_rows, told)
    lines += ["### Where and with what", ""]
    lines += [f"- {name}: {re.sub(r'[|]', '/', text)}" for name, text in facts(report)]
    return "\n".join(lines) + "\n"


def _section(
    title: str,
    columns: Sequence[str],
    lines: Iterable[tuple[str, ...]],
    remarks_on_it: Iterable[str],
) -> list[str]:
    told = [f"- {remark}" for remark in remarks_on_it]
    return [
        f"### {title}",
        "",
        _line(columns),
        _line(["---", *["---:"] * (len(columns) - 1)]),
        *(_line(line) for line in lines),
        "",
        *told,
        *([""] if told else []),
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rounds(settings: Settings) -> str:
    return f"{settings.rounds} rounds of {settings.seconds:g} s"


def _added(summary: Summary) -> str:
    return "" if summary.added_us is None else f"{summary.added_us:,.1f}"


def _milliseconds(microseconds: float | None) -> str:
    return "" if microseconds is None else f"{microseconds / 1000:.1f}"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return str(value)

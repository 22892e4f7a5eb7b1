"""The geometry of charts."""

from __future__ import annotations

import pytest

from mintgate.sites import charts

DAYS = [("1 Nov", [2.0, 2.0]), ("2 Nov", [0.0, 1.0]), ("3 Nov", [0.0, 0.0])]


def test_parts_of_a_column_lie_on_each_other() -> None:
    chart = charts.stacked_bars(["access", "refresh"], DAYS)
    assert chart.highest == 4
    first, second, third = chart.bars
    assert first.height == second.height == (chart.bottom - chart.top) / 2
    assert first.y + first.height == chart.bottom
    assert second.y == chart.top
    assert (third.kind, third.height) == (1, (chart.bottom - chart.top) / 4)
    assert chart.total == 5
    assert [text for _, text in chart.labels] == ["1 Nov", "2 Nov", "3 Nov"]


def test_a_line_a_series() -> None:
    chart = charts.lines(["access", "refresh"], DAYS)
    assert len(chart.lines) == 2
    first = chart.lines[0].split()
    assert first[0].endswith(f",{chart.top}.0")
    assert first[1].endswith(f",{chart.bottom}.0")


def test_nothing_to_draw() -> None:
    assert charts.stacked_bars(["access"], []).bars == ()
    assert charts.lines(["access"], [("1 Nov", [0.0])]).highest == 1


@pytest.mark.parametrize(
    ("value", "shown"), [(0, 1), (1, 1), (1.2, 1.5), (9, 10), (11, 15), (501, 600), (8001, 10_000)]
)
def test_the_upper_line_is_good_to_read(value: float, shown: float) -> None:
    assert charts.round_up(value) == shown

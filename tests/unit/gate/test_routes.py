"""Longest prefix, whole segments, and no way around one by its case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.gate.routes import RouteTable, problem_of_prefix

SEGMENTS = st.sampled_from(["a", "A", "b", "ab", "\u00e9"])
PATHS = st.lists(SEGMENTS, max_size=4).map(lambda parts: "".join(f"/{part}" for part in parts))


def model(prefixes: list[str], path: str) -> str | None:
    """Segment by segment; None where a longer prefix differs in case only."""

    def parts(text: str) -> list[str]:
        return text.split("/")[1:]

    def below(path: list[str], prefix: list[str]) -> bool:
        return path[: len(prefix)] == prefix

    lower = [part.lower() for part in parts(path)]
    alike = [p for p in prefixes if below(lower, [part.lower() for part in parts(p)])]
    longest = max(alike, key=lambda p: len(parts(p)), default=None)
    return longest if longest is not None and below(parts(path), parts(longest)) else None


@given(st.lists(PATHS, unique_by=str.lower, max_size=6), PATHS, st.booleans())
def test_against_a_model(prefixes: list[str], path: str, with_slash: bool) -> None:
    table = RouteTable((prefix, prefix) for prefix in prefixes)
    assert table.find(path + "/" * with_slash or "/") == model(prefixes, path)


@pytest.mark.parametrize("prefix", ["/", "/a", "/a/b/", "/a.b/c-d_e~", "/\u00e9", "/-a"])
def test_a_prefix(prefix: str) -> None:
    assert problem_of_prefix(prefix) is None


@pytest.mark.parametrize(
    "prefix",
    ["", "a", "//a", "/a//b", "/a/..", "/./a", "/a%41", "/a;b", "/a*", "/-", "/-/x", "/a\n"],
)
def test_no_prefix(prefix: str) -> None:
    assert problem_of_prefix(prefix) is not None

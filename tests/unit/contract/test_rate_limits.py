"""The arithmetic of requests per minute, against waiting it out second by second."""

from __future__ import annotations

from math import floor

from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.rate_limits import Usage, policy_header

counts = st.integers(0, 50)
lefts = st.integers(1, 60 * 64).map(lambda n: n / 64)  # exact, so that no rounding is compared


def counted_after(usage: Usage, seconds: int) -> int:
    """How many count after a wait without requests, by the definition."""
    at = usage.window - usage.left + seconds
    previous, current = usage.previous, usage.current
    while at >= usage.window:
        previous, current, at = current, 0, at - usage.window
    return floor(previous * (usage.window - at) / usage.window) + current


@given(counts, counts, lefts, st.integers(1, 60))
def test_one_more_is_allowed_after_the_seconds_told(
    previous: int, current: int, left: float, limit: int
) -> None:
    """[API-54] and not a second earlier, so that nobody is sent away twice or for too long"""
    usage = Usage(previous, current, left)
    _, seconds = usage.against(limit)
    if not usage.requests:
        return  # nothing can become less
    below = min(limit, usage.requests)
    assert counted_after(usage, seconds) < below
    # A second earlier it was not so, but for the instant at which it becomes so.
    assert seconds <= 1 or counted_after(usage, seconds - 2) >= below


@given(counts, counts, lefts, st.integers(1, 60))
def test_what_remains(previous: int, current: int, left: float, limit: int) -> None:
    usage = Usage(previous, current, left)
    remaining, _ = usage.against(limit)
    assert remaining == max(0, limit - counted_after(usage, 0))


def test_an_earlier_minute_fades() -> None:
    assert [Usage(60, 0, left).requests for left in (60, 45, 30, 0.5)] == [60, 45, 30, 0]


def test_the_policy_names_every_limit() -> None:
    """draft-ietf-httpapi-ratelimit-headers-11, section 3"""
    assert policy_header({"session": 600, "client": 5000}) == (
        b"ratelimit-policy",
        b'"session";q=600;w=60, "client";q=5000;w=60',
    )

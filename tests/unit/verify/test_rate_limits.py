"""Requests per minute in one process [API-17, API-50, API-54]."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintgate.contract.declared_apis import Limits
from mintgate.contract.errors import TooManyRequests
from mintgate.verify.counters import Counters
from mintgate.verify.principal import Principal
from mintgate.verify.rate_limits import RateLimits

MINUTE = 60.0
BEGIN = 1_790_000_100.0 // MINUTE * MINUTE


class Clock:
    def __init__(self, now: float = BEGIN) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def a_principal(session: str = "s1", client: str = "c1", user: str = "u1") -> Principal:
    return Principal(
        kind="user",
        issuer="https://orion.example/id",
        client_id=client,
        login=user,
        user_id=user,
        user_type="InternalUser",
        database="ORION",
        scopes=frozenset({"read"}),
        jti="j",
        session=session,
        expires_at=0,
    )


class Api:
    """One API with limits, and a clock that stands still."""

    def __init__(self, **limits: int) -> None:
        self.clock = Clock()
        self.counters = Counters(self.clock)
        self.limits = RateLimits(Limits(**limits), self.counters, api="DomainAPI")

    def passes(self, address: str = "192.0.2.1", **who: str) -> bool:
        try:
            self.limits.hit(a_principal(**who), None, address)
        except TooManyRequests:
            return False
        return True

    def count(self, times: int, **who: Any) -> int:
        return sum(self.passes(**who) for _ in range(times))


@pytest.mark.parametrize(
    ("limit", "other"),
    [
        ("per_session", {"session": "s2"}),
        ("per_client", {"client": "c2"}),
        ("per_user", {"user": "u2"}),
        ("per_address", {"address": "192.0.2.2"}),
    ],
)
def test_each_limit_counts_its_own(limit: str, other: dict[str, str]) -> None:
    """[API-54]"""
    api = Api(**{limit: 5})
    assert api.count(8) == 5
    assert api.count(8, **other) == 5


def test_an_ipv6_network_is_one_address() -> None:
    api = Api(per_address=2)
    assert [api.passes(f"2001:db8::{n}") for n in range(3)] == [True, True, False]
    assert api.passes("2001:db8:0:1::1")


def test_apis_count_apart_in_the_same_counters() -> None:
    api = Api(per_session=1)
    other = RateLimits(Limits(per_session=1), api.counters, api="TableAPI")
    assert api.passes()
    assert other.hit(a_principal(), None, "")
    assert not api.passes()


def test_who_is_stopped_uses_up_nothing_that_others_share() -> None:
    """A session without measure does not stop the other users of its application."""
    api = Api(per_session=3, per_client=5)
    assert api.count(100) == 3
    assert api.count(2, session="s2") == 2
    # And the other way round: what the client's limit stopped does not count for the session.
    assert not api.passes(session="s3")
    api.clock.now += 2 * MINUTE
    assert api.count(5, session="s3") == 3


def test_headers_tell_what_is_left() -> None:
    """draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4"""
    api = Api(per_session=3, per_client=100)
    api.clock.now += 15
    headers = api.limits.hit(a_principal(), None, "")
    assert headers == [
        (b"ratelimit-policy", b'"session";q=3;w=60, "client";q=100;w=60'),
        (b"ratelimit", b'"session";r=2;t=46, "client";r=99;t=46'),
    ]
    api.count(2)
    with pytest.raises(TooManyRequests) as refused:
        api.limits.hit(a_principal(), None, "")
    assert refused.value.headers() == [
        (b"retry-after", b"46"),
        (b"ratelimit-policy", b'"session";q=3;w=60, "client";q=100;w=60'),
        (b"ratelimit", b'"session";r=0;t=46'),
    ]
    api.clock.now += 46
    assert api.passes()


def test_nothing_is_counted_where_there_is_no_limit() -> None:
    """[EXT-11]"""
    api = Api()
    assert api.limits.hit(a_principal(), None, "") == []
    assert len(api.counters) == 0


def test_a_changed_limit_holds_at_once_and_forgets_nothing() -> None:
    api = Api(per_session=10)
    assert api.count(4) == 4
    api.limits.use(Limits(per_session=5))
    assert api.count(4) == 1
    api.limits.use(Limits(per_session=0))
    assert api.count(40) == 40
    api.limits.use(Limits(per_session=6))
    assert api.count(4) == 1


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.floats(0, 40), st.integers(1, 20), st.sampled_from("ab")), max_size=30),
)
@settings(deadline=None)
def test_never_more_than_the_limit(limit: int, bursts: list[tuple[float, int, str]]) -> None:
    """Against a plain list of what passed: no minute has more than the limit, nor more than what
    the minute before leaves; and what is refused would have been too much."""
    api = Api(per_session=limit)
    passed: list[tuple[float, str]] = []
    for pause, requests, session in bursts:
        api.clock.now += pause
        now = api.clock.now
        for _ in range(requests):
            minute = now // MINUTE
            own = Counter(at // MINUTE for at, who in passed if who == session)
            left = (minute + 1) * MINUTE - now
            used = own[minute] + int(own[minute - 1] * left / MINUTE)
            assert api.passes(session=session) == (used < limit)
            if used < limit:
                passed.append((now, session))
    for count in Counter((at // MINUTE, who) for at, who in passed).values():
        assert count <= limit


def test_threads_share_a_limit() -> None:
    """As those of a WSGI server do."""
    api = Api(per_session=500)
    totals: list[int] = []
    threads = [threading.Thread(target=lambda: totals.append(api.count(200))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(totals) == 500


def test_memory_is_bounded() -> None:
    clock = Clock()
    counters = Counters(clock, limit=100)
    limits = RateLimits(Limits(per_session=1), counters)
    for number in range(1000):
        limits.hit(a_principal(session=f"s{number}"), None, "")
        assert len(counters) <= 100
    clock.now += 2 * MINUTE
    counters.forget_old()
    assert len(counters) == 0


def test_a_clock_that_is_set_back_gives_nothing_anew() -> None:
    api = Api(per_session=2)
    api.clock.now += 30
    assert api.count(3) == 2
    api.clock.now -= 45
    assert not api.passes()


def test_a_principal_without_user_id_counts_by_login() -> None:
    api = Api(per_user=1)
    nameless = msgspec.structs.replace(a_principal(), user_id=None, login="svc")
    api.limits.hit(nameless, None, "")
    with pytest.raises(TooManyRequests):
        api.limits.hit(nameless, None, "")


def test_the_example_of_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "rate-limits.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - it is our own
    limits = names["guard"].limits
    assert limits.in_force == Limits(per_client=600, per_address=120)
    headers = dict(limits.hit(a_principal(), None, "192.0.2.1"))
    assert headers[b"ratelimit-policy"] == b'"address";q=120;w=60, "client";q=600;w=60'

"""What is decided without waiting is what is decided with it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.declared_apis import Limits
from mintgate.contract.errors import Refusal
from mintgate.contract.users import UserType
from mintgate.verify import ApiRequest, Guard, TokenState, UserState
from mintgate.verify.counters import Counters
from mintgate.verify.known_sessions import KnownSessions, kind_of
from mintgate.verify.principal import Principal
from mintgate.verify.rate_limits import RateLimits
from mintgate.verify.request_headers import UNJUDGED, that_are_judged
from mintgate.verify.sessions import OpenSession
from tests.unit.verify.workbench import (
    DATABASE,
    GOOD_STATE,
    NOW,
    STRANGER,
    Clock,
    MemoryState,
    service_claims,
    sign,
    user_claims,
    verifier,
)

TOKENS = [
    sign(user_claims()),
    sign(user_claims(jti="0" * 32, sid="1" * 32, scope=["read"])),
    sign(service_claims()),
    sign(user_claims(exp=NOW)),
    sign(user_claims(aud=["TableAPI"])),
    sign(user_claims(), key=STRANGER),
    "enrt_" + "0" * 64,
    "nothing",
]


class Sessions:
    """Opens any session, and knows those that were opened."""

    def __init__(self, clock: Clock) -> None:
        self.known = KnownSessions(lambda: True, clock)
        self.touch = self.known.touch

    def open(self, principal: Principal, credential: str = "") -> OpenSession:
        attempt = self.known.begin(principal.session)
        kind, seconds = kind_of(principal)
        session = self.known.keep(
            attempt,
            kind,
            opened_at=float(NOW),
            last_request=float(NOW),
            absolute_end=NOW + (seconds or 1e9),
            client_ids=(principal.client_id,),
        )
        return self.known.note_request(session)

    async def open_async(self, principal: Principal, credential: str = "") -> OpenSession:
        return self.open(principal, credential)


class Api:
    """A guard with everything it can have."""

    def __init__(self, *, remembers: bool, limits: Limits) -> None:
        self.clock = Clock()
        self.state = MemoryState(warm=True)
        options: dict[str, Any] = {} if remembers else {"remembered_tokens": 0}
        self.counters = Counters(self.clock)
        self.sessions = Sessions(self.clock)
        self.guard = Guard(
            verifier(database=DATABASE, state=self.state, clock=self.clock, **options),
            "DomainAPI",
            sessions=self.sessions,
            limits=RateLimits(limits, self.counters),
        )

    def outcome(self, request: ApiRequest, *, at_once: bool) -> Any:
        try:
            admission = self.guard.admit_at_once(request) if at_once else None
            if admission is None:
                if at_once:
                    before = self.noted()
                    assert before == self.noted_before  # what waits has noted nothing
                admission = asyncio.run(self.guard.admit_async(request))
        except Refusal as refusal:
            found = msgspec.structs.asdict(refusal) if isinstance(refusal, msgspec.Struct) else {}
            return type(refusal), refusal.status, refusal.description, found
        session = admission.session
        return (
            admission.principal,
            admission.operation,
            admission.path,
            admission.address,
            admission.headers,
            admission.credential,
            session and (session.key, session.requests, session.last_request),
        )

    def noted(self) -> Any:
        sessions = self.sessions.known._known.values()
        return (
            {s.key: (s.requests, s.last_request) for s in sessions},
            {key: (c.current, c.previous) for key, c in self.counters._counters.items()},
        )

    noted_before: Any = None


HEADERS = st.lists(
    st.one_of(
        st.sampled_from(TOKENS).map(lambda t: (b"authorization", b"Bearer " + t.encode())),
        st.sampled_from(
            [
                (b"authorization", b"Basic YTpi"),
                (b"x-api-key", TOKENS[6].encode()),
                (b"api-key", TOKENS[0].encode()),
                (b"accept", b"*/*"),
                (b"cookie", b"a=b"),
                (b"x-http-method-override", b"DELETE"),
                (b"x_method_override", b"DELETE"),
                (b"x-mintgate-login", b"ada"),
                (b"upgrade", b"WebSocket"),
                (b"origin", b"https://a"),
                (b"access-control-request-method", b"GET"),
            ]
        ),
    ),
    max_size=3,
)
REQUESTS = st.builds(
    ApiRequest,
    st.sampled_from(["GET", "POST", "OPTIONS", "DELETE", "TRACE"]),
    st.sampled_from(
        [b"/Crm_Customers", b"/Systems_Security_Users", b"/$batch", b"/a//b", b"/a/%2e%2e/b", b"x"]
    ),
    st.sampled_from([b"", b"$top=5", b"_method=PUT"]),
    # Mostly one good token, so that many get far.
    st.one_of(
        HEADERS,
        st.sampled_from(TOKENS[:3]).map(lambda t: [(b"authorization", b"Bearer " + t.encode())]),
    ),
    st.just("192.0.2.1"),
)
STATES = [
    GOOD_STATE,
    TokenState(revoked=True, application_enabled=True, user=GOOD_STATE.user),
    TokenState(revoked=False, application_enabled=False, user=GOOD_STATE.user),
    TokenState(False, True, UserState(True, True, UserType.INTERNAL)),
    TokenState(False, True, UserState(True, False, UserType.INTERNAL, is_admin=True)),
    TokenState(False, True, None),
]
STEPS = st.lists(
    st.tuples(st.one_of(REQUESTS, st.sampled_from(STATES)), st.sampled_from([0.0, 0.4, 2.0, 70.0])),
    max_size=12,
)


@given(STEPS, st.sampled_from([Limits(), Limits(per_session=3, per_address=5, per_client=4)]))
def test_at_once_is_the_same_as_waiting(steps: list[Any], limits: Limits) -> None:
    """A guard that remembers against one that checks everything anew: same answers, same counts."""
    warm, cold = Api(remembers=True, limits=limits), Api(remembers=False, limits=limits)
    for step, seconds in steps:
        for api in (warm, cold):
            api.clock.now += seconds
        if isinstance(step, TokenState):
            warm.state.state = cold.state.state = step
            continue
        warm.noted_before = warm.noted()
        assert warm.outcome(step, at_once=True) == cold.outcome(step, at_once=False)
        assert warm.noted() == cold.noted()


def test_what_was_admitted_once_is_admitted_at_once() -> None:
    api = Api(remembers=True, limits=Limits(per_session=10))
    headers = [(b"authorization", b"Bearer " + TOKENS[0].encode())]
    request = ApiRequest("GET", b"/Crm_Customers", b"", headers)
    assert api.guard.admit_at_once(request) is None
    assert asyncio.run(api.guard.admit_async(request)).principal is not None
    admission = api.guard.admit_at_once(request)
    assert admission is not None
    assert admission.headers[1][1].startswith(b'"session";r=8;')


class Stamped(MemoryState):
    """A state source that tells when something has changed."""

    def __init__(self) -> None:
        super().__init__(warm=True)
        self.number: int | None = 1
        self.asked = 0

    def stamp(self) -> int | None:
        return self.number

    def find(self, claims: dict[str, Any], token: str) -> TokenState | None:
        self.asked += 1
        return super().find(claims, token)


def test_a_state_is_looked_at_again_after_any_change() -> None:
    state, clock = Stamped(), Clock()
    checks = verifier(database=DATABASE, state=state, clock=clock)

    def verified() -> bool:
        try:
            return checks.verify_at_once(TOKENS[0], "DomainAPI") is not None
        except Refusal:
            return False

    checks.verify(TOKENS[0], "DomainAPI")
    assert verified()
    asked = state.asked
    assert verified()
    assert state.asked == asked
    state.state = STATES[1]
    state.number = 2
    assert not verified()
    # While it cannot tell, it is asked each time; and once a second in any case.
    state.state = GOOD_STATE
    state.number = 3
    assert verified()
    for number, seconds, state_now in ((None, 0.0, STATES[1]), (4, 0.0, GOOD_STATE)):
        state.number, state.state = number, state_now
        clock.now += seconds
        assert verified() is (state_now is GOOD_STATE)
    state.state = STATES[5]
    assert verified()
    clock.now += 1.0
    assert not verified()


def test_unjudged_headers_are_ones_that_no_check_knows() -> None:
    judged = [(b"authorization", b"a"), (b"x-unknown", b"b"), (b"upgrade", b"c")]
    assert that_are_judged([*judged, *((name, b"z") for name in UNJUDGED)]) == judged
    known = {b"authorization", b"x-api-key", b"api-key", b"upgrade", b"origin"}
    assert not UNJUDGED & known
    assert not any(name.replace(b"_", b"-").startswith((b"x-mint", b"x-http")) for name in UNJUDGED)

"""Every check on its own: what it refuses, with which answer, and what `explain` says of it."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest

from mintgate.contract.errors import Forbidden, InsufficientScope, InvalidToken, ResourceRefusal
from mintgate.contract.users import MAY_BE_SYSTEM_USER, UserType
from mintgate.verify import Principal, TokenState, UserState
from mintgate.verify.checks import ALL_CHECKS
from tests.unit.verify.workbench import (
    DATABASE,
    HEADER,
    ISSUER,
    NOW,
    OTHER_KID,
    STRANGER,
    MemoryState,
    service_claims,
    sign,
    user_claims,
    verifier,
    with_member,
)

IDS = [f"API-{number}" for number in range(4, 16)]
"""Of a JWT; API-3 is about reference tokens."""
ALL_IDS = ["API-3", *IDS]
AUDIENCE = "DomainAPI"
INTERNAL = UserState(active=True, locked=False, user_type=UserType.INTERNAL)


def state(**changes: Any) -> TokenState:
    members: dict[str, Any] = {"revoked": False, "application_enabled": True, "user": INTERNAL}
    return TokenState(**(members | changes))


def a_user(**changes: Any) -> UserState:
    members: dict[str, Any] = {"active": True, "locked": False, "user_type": UserType.INTERNAL}
    return UserState(**(members | changes))


ALL_GOOD = state()


class Case(NamedTuple):
    """A token that fails one check, with what else cannot be said of it then."""

    check: str
    token: str
    refusal: type[ResourceRefusal] = InvalidToken
    state: TokenState = ALL_GOOD
    scopes: frozenset[str] = frozenset({"read"})
    also_failed: frozenset[str] = frozenset()
    not_checked: frozenset[str] = frozenset()


def refused(rule: str, what: str, token: str, **rest: Any) -> Any:
    return pytest.param(Case(rule, token, **rest), id=f"{rule} {what}")


_UNREADABLE: dict[str, Any] = {"not_checked": frozenset(IDS[1:])}
_GOOD = sign(user_claims())
_HEAD, _BODY, _SIGNATURE = _GOOD.split(".")
_OTHER_BODY = sign(user_claims(sub="x")).split(".")[1]
# A key has signed nothing with an algorithm that is not its own (RFC 8725 §3.1).
_NOR_SIGNED: dict[str, Any] = {"also_failed": frozenset({"API-7"})}
_NO_ALG = {name: HEADER[name] for name in ("kid", "typ")}


def twice(raw: str) -> str:
    return sign(with_member(user_claims(), raw))


CASES = [
    refused("API-4", "two parts", f"{_HEAD}.{_BODY}", **_UNREADABLE),
    refused("API-4", "four parts", f"{_GOOD}.x", **_UNREADABLE),
    refused("API-4", "empty", "", **_UNREADABLE),
    refused("API-4", "padding", f"{_GOOD}==", **_UNREADABLE),
    refused("API-4", "payload is an array", sign("[1]"), **_UNREADABLE),
    refused("API-4", "payload is no JSON", sign("{"), **_UNREADABLE),
    refused("API-4", "header is an array", sign(user_claims(), "[]"), **_UNREADABLE),
    refused(
        "API-4", "header with duplicates", sign(user_claims(), with_member(HEADER, '"typ":"x"')),
        **_UNREADABLE,
    ),
    refused("API-4", "not ASCII", _GOOD + "é", **_UNREADABLE),
    refused("API-4", "too long", sign(user_claims(x="y" * 17_000)), **_UNREADABLE),
    *(
        refused("API-5", f"alg {alg!r}", sign(user_claims(), HEADER | {"alg": alg}), **_NOR_SIGNED)
        for alg in ("none", "HS256", "rs256", "PS256", "RS512", None, ["RS256"])
    ),
    refused("API-5", "alg is missing", sign(user_claims(), _NO_ALG), **_NOR_SIGNED),
    *(
        refused("API-5", f"typ {typ!r}", sign(user_claims(), HEADER | {"typ": typ}))
        for typ in ("JWT", "at+jwt ", "application/jwt", "", None, 7, ["at+jwt"])
    ),
    *(
        refused("API-5", f"header has {name}", sign(user_claims(), HEADER | {name: value}))
        for name, value in {
            "crit": ["exp"], "jwk": {}, "jku": "https://evil.example", "x5u": "https://evil.example",
            "x5c": [], "b64": True, "zip": "DEF", "enc": "A256GCM",
        }.items()
    ),
    refused(
        "API-6", "kid is unknown", sign(user_claims(), HEADER | {"kid": OTHER_KID}),
        not_checked=frozenset({"API-7"}),
    ),
    *(
        refused(
            "API-6", f"kid {kid!r}", sign(user_claims(), HEADER | {"kid": kid}),
            not_checked=frozenset({"API-7"}),
        )
        for kid in (None, 7, [HEADER["kid"]], HEADER["kid"].lower(), HEADER["kid"] + " ")
    ),
    refused("API-7", "signed by a stranger", sign(user_claims(), key=STRANGER)),
    refused("API-7", "no signature", f"{_HEAD}.{_BODY}."),
    refused("API-7", "a short signature", f"{_HEAD}.{_BODY}.{_SIGNATURE[:-6]}"),
    refused("API-7", "another payload", f"{_HEAD}.{_OTHER_BODY}.{_SIGNATURE}"),
    refused("API-7", "a claim named twice", twice('"sub":"admin"')),
    refused("API-7", "a claim named twice by escape", twice('"s\\u0075b":"a"')),
    refused("API-7", "a claim named twice inside", twice('"x":{"a":1,"a":2}')),
    *(
        refused("API-8", f"TOK-20 iss {iss!r}", sign(user_claims(iss=iss)))
        for iss in (ISSUER + "/", ISSUER.upper(), "https://nova.my.example/id", [ISSUER], None, ...)
    ),
    refused("API-9", "exp is now", sign(user_claims(exp=NOW))),
    refused("API-9", "nbf in 6 s", sign(user_claims(nbf=NOW + 6))),
    refused("API-9", "iat in 6 s", sign(user_claims(iat=NOW + 6))),
    *(
        refused("API-9", f"{name} {value!r}", sign(user_claims(**{name: value})))
        for name in ("exp", "nbf", "iat")
        for value in (..., None, True, float(NOW), str(NOW), [NOW])
    ),
    *(
        refused("API-10", f"aud {aud!r}", sign(user_claims(aud=aud)))
        for aud in (
            "TableAPI", "domainapi", "DomainAPI ", ["TableAPI"], ["DOMAINAPI"], [], {AUDIENCE: 1},
            [[AUDIENCE]], None, ..., f"{ISSUER}/resources",
        )
    ),
    *(
        refused("API-11", f"user without {name}", sign(user_claims(**{name: value})), **more)
        for name, more in {
            "sub": {}, "sub_id": {}, "sid": {}, "user_type": {}, "client_id": {}, "jti": {},
            "db": {"also_failed": frozenset({"API-12"})},
        }.items()
        for value in (..., None, "", 7)
    ),
    *(
        refused("API-11", f"service without {name}", sign(service_claims(**{name: value})), **more)
        for name, more in {
            "client_system_user_type": {}, "client_id": {}, "jti": {},
            "client_db": {"also_failed": frozenset({"API-12"})},
        }.items()
        for value in (..., None, "", 7)
    ),
    *(
        refused(
            "API-11", f"client_system_user {value!r}",
            sign(service_claims(client_system_user=value)),
        )
        for value in (..., None, "", 7)
    ),
    refused("API-11", "sub of a service", sign(service_claims(sub="mira.k"))),
    refused("API-11", "sub of a service, null", sign(service_claims(sub=None))),
    refused("API-11", "user's and service's", sign(user_claims(client_system_user="svc"))),
    *(
        refused(
            "API-11", f"scope {scope!r}", sign(user_claims(scope=scope)),
            also_failed=frozenset({"API-15"}),
        )
        for scope in (..., None, "read", "read update", 7, [["read"]])
    ),
    refused("API-11", "scope with a number", sign(user_claims(scope=["read", 7]))),
    refused("API-12", "db of another instance", sign(user_claims(db="NOVA"))),
    refused("API-12", "db in another case", sign(user_claims(db=DATABASE.lower()))),
    refused("API-12", "client_db of another instance", sign(service_claims(client_db="NOVA"))),
    refused("API-12", "TOK-39 both in a user's", sign(user_claims(client_db=DATABASE))),
    refused("API-12", "TOK-39 both in a service's", sign(service_claims(db=DATABASE))),
    refused("API-13", "revoked", _GOOD, state=state(revoked=True)),
    refused("API-13", "application disabled", _GOOD, state=state(application_enabled=False)),
    refused("API-13", "application missing", _GOOD, state=state(application_enabled=None)),
    refused("API-14", "user missing", _GOOD, state=state(user=None)),
    refused("API-14", "user inactive", _GOOD, state=state(user=a_user(active=False))),
    refused("API-14", "user locked", _GOOD, state=state(user=a_user(locked=True))),
    *(
        refused(
            "API-14", f"a user's token of {kind}", _GOOD, refusal=Forbidden,
            state=state(user=a_user(user_type=kind)),
        )
        for kind in sorted(frozenset(UserType) - {UserType.INTERNAL})
    ),
    *(
        refused(
            "API-14", f"a service's token of {kind}", sign(service_claims()), refusal=Forbidden,
            state=state(user=a_user(user_type=kind)),
        )
        for kind in sorted(frozenset(UserType) - MAY_BE_SYSTEM_USER)
    ),
    refused(
        "API-15", "update is missing", sign(user_claims(scope=["read"])), refusal=InsufficientScope,
        scopes=frozenset({"update"}),
    ),
    *(
        refused(
            "API-15", f"API-39 only {scope}", sign(user_claims(scope=[scope])),
            refusal=InsufficientScope,
        )
        for scope in ("DomainApi", "openid", "profile", "offline_access", "sec", "READ")
    ),
    refused("API-15", "no scope at all", sign(user_claims(scope=[])), refusal=InsufficientScope),
    refused(
        "API-15", "SCP-16 an administrator without it", sign(user_claims(scope=[], is_admin=True)),
        refusal=InsufficientScope,
    ),
]  # fmt: skip

_ANSWERS: dict[type[ResourceRefusal], tuple[int, str]] = {
    InvalidToken: (401, "invalid_token"),
    Forbidden: (403, "forbidden"),
    InsufficientScope: (403, "insufficient_scope"),
}


def _refusal_of(case: Case, *, way: str = "sync", warm: bool = False) -> ResourceRefusal:
    checker = verifier(database=DATABASE, state=MemoryState(case.state, warm=warm))
    with pytest.raises(ResourceRefusal) as caught:
        _verify(checker, case.token, case.scopes, way)
    return caught.value


def _verify(checker: Any, token: str, scopes: frozenset[str], way: str) -> Principal:
    if way == "sync":
        principal = checker.verify(token, AUDIENCE, scopes)
    else:
        principal = asyncio.run(checker.verify_async(token, AUDIENCE, scopes))
    assert isinstance(principal, Principal)
    return principal


@pytest.mark.parametrize("case", CASES)
def test_a_failed_check_is_refused(case: Case) -> None:
    refusal = _refusal_of(case)
    assert type(refusal) is case.refusal
    assert (refusal.status, refusal.error) == _ANSWERS[case.refusal]
    # What the caller reads holds nothing of the token and nothing that ends a quoted string.
    assert refusal.description.isascii()
    assert not set(refusal.description) & set('"\\\r\n')
    # The same in an event loop, and with a state that is known already.
    again = _refusal_of(case, way="async", warm=True)
    assert (type(again), again.cause) == (type(refusal), refusal.cause)


@pytest.mark.parametrize("case", CASES)
def test_explain_shows_every_check(case: Case) -> None:
    checker = verifier(database=DATABASE, state=MemoryState(case.state))
    lines = checker.explain(case.token, AUDIENCE, case.scopes)
    assert [line.id for line in lines] == ALL_IDS
    assert (lines[0].outcome, lines[0].detail) == ("not checked", "not a reference token")
    lines = lines[1:]
    assert all(line.name for line in lines)
    outcomes = {line.id: line.outcome for line in lines}
    expected = dict.fromkeys(IDS, "passed")
    expected |= dict.fromkeys(case.not_checked, "not checked")
    expected |= dict.fromkeys(case.also_failed | {case.check}, "failed")
    if case.check == "API-11":  # whose state it is may be unknown then
        for check in ("API-13", "API-14"):
            assert outcomes.pop(check) in {expected.pop(check), "not checked"}
    assert outcomes == expected
    assert all(line.detail for line in lines if line.outcome != "passed")
    failed = next(line for line in lines if line.id == case.check)
    assert failed.detail == _refusal_of(case).cause


def test_every_check_has_a_case() -> None:
    assert [check.id for check in ALL_CHECKS] == ALL_IDS
    assert {case.values[0].check for case in CASES} == set(IDS)


@pytest.mark.parametrize("claims", [user_claims(), service_claims()], ids=["user", "service"])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_good_token_passes_every_check(claims: dict[str, Any], way: str) -> None:
    checker = verifier(database=DATABASE, state=MemoryState())
    principal = _verify(checker, sign(claims), frozenset({"read"}), way)
    assert principal.claims == claims
    assert (principal.issuer, principal.database) == (ISSUER, DATABASE)
    assert principal.scopes == frozenset(claims["scope"])
    lines = checker.explain(sign(claims), AUDIENCE, {"read"})
    assert {line.outcome for line in lines[1:]} == {"passed"}


def test_what_cannot_be_compared_is_not_checked() -> None:
    """API-12 API-13 API-14"""
    lines = verifier().explain(sign(user_claims()), AUDIENCE)
    assert {line.id: line.detail for line in lines if line.outcome == "not checked"} == {
        "API-3": "not a reference token",
        "API-12": "no database was given",
        "API-13": "no state source was given",
        "API-14": "no state source was given",
    }
    assert verifier().verify(sign(user_claims(db="NOVA")), AUDIENCE).database == "NOVA"


def test_a_token_with_many_faults_is_refused_for_the_first() -> None:
    token = sign(user_claims(iss="x", exp=1, aud="x", sub=..., db="x", scope=[]), key=STRANGER)
    checker = verifier(database=DATABASE, state=MemoryState(state(revoked=True, user=None)))
    lines = checker.explain(token, AUDIENCE, {"read"})
    failed = [line.id for line in lines if line.outcome == "failed"]
    # Incomplete claims name nobody whose state could be asked for: 13 and 14 are not checked.
    assert failed == [f"API-{number}" for number in (*range(7, 13), 15)]
    with pytest.raises(InvalidToken) as caught:
        checker.verify(token, AUDIENCE, {"read"})
    assert caught.value.cause == lines[4].detail


def test_state_is_asked_only_for_a_token_that_is_good_so_far() -> None:
    source = MemoryState()
    checker = verifier(database=DATABASE, state=source)
    with pytest.raises(InvalidToken):
        checker.verify(sign(user_claims(db="NOVA")), AUDIENCE)
    assert source.loads == 0
    checker.verify(sign(user_claims()), AUDIENCE)
    assert source.loads == 1


# --- API-9 --------------------------------------------------------------------------------------


def _clocked(now: float, **options: Any) -> Any:
    return verifier(clock=lambda: now, **options)


@pytest.mark.parametrize(
    ("changes", "now", "leeways", "is_good"),
    [
        pytest.param({"exp": NOW + 9}, NOW + 8.999, {}, True, id="API-9 just before exp"),
        pytest.param({"exp": NOW + 9}, NOW + 9, {}, False, id="API-9 TOK-24 at exp"),
        pytest.param({"exp": NOW + 9}, NOW + 9.001, {}, False, id="API-9 just after exp"),
        pytest.param({"nbf": NOW}, NOW, {}, True, id="API-9 at nbf"),
        pytest.param({"nbf": NOW + 5}, NOW, {}, True, id="API-9 nbf in 5 s"),
        pytest.param({"nbf": NOW + 5}, NOW - 0.001, {}, False, id="API-9 nbf in more than 5 s"),
        pytest.param({"iat": NOW + 5}, NOW, {}, True, id="API-9 iat in 5 s"),
        pytest.param({"iat": NOW + 5}, NOW - 0.001, {}, False, id="API-9 iat in more than 5 s"),
        *(
            pytest.param({"exp": NOW}, NOW + d, {"expiry_leeway": 60}, d < 60, id=f"API-9 60 {d}")
            for d in (0, 59.999, 60, 61)
        ),
        *(
            pytest.param(
                {"nbf": NOW + d}, NOW, {"start_leeway": 60}, d <= 60, id=f"API-9 nbf 60 {d}"
            )
            for d in (0, 59, 60, 61)
        ),
        *(
            pytest.param({"nbf": NOW + d}, NOW, {"start_leeway": 0}, d == 0, id=f"API-9 nbf 0 {d}")
            for d in (0, 1)
        ),
        pytest.param({"exp": NOW + 1}, NOW, {"start_leeway": 60}, True, id="API-9 leeways are two"),
        pytest.param({"exp": NOW}, NOW, {"start_leeway": 60}, False, id="API-9 exp has its own"),
        pytest.param({"exp": -1}, NOW, {}, False, id="API-9 negative exp"),
        pytest.param({"exp": 2**70}, NOW, {}, False, id="API-9 exp of 71 bit"),
        pytest.param({"nbf": 2**70}, NOW, {}, False, id="API-9 nbf of 71 bit"),
        pytest.param({"nbf": 0, "iat": 0}, NOW, {}, True, id="API-9 nbf 0"),
    ],
)  # fmt: skip
def test_times(
    changes: dict[str, Any], now: float, leeways: dict[str, float], is_good: bool
) -> None:
    checker = _clocked(now, **leeways)
    token = sign(user_claims(**changes))
    outcome = {line.id: line.outcome for line in checker.explain(token, AUDIENCE)}["API-9"]
    assert outcome == ("passed" if is_good else "failed")
    if is_good:
        assert checker.verify(token, AUDIENCE)
    else:
        with pytest.raises(InvalidToken):
            checker.verify(token, AUDIENCE)


@pytest.mark.parametrize("name", ["expiry_leeway", "start_leeway"])
@pytest.mark.parametrize(
    ("seconds", "is_allowed"),
    [(0, True), (60, True), (60.001, False), (-0.001, False), (3600, False),
     (float("nan"), False), (float("inf"), False)],
)  # fmt: skip
def test_leeways(name: str, seconds: float, is_allowed: bool) -> None:
    """API-9"""
    if is_allowed:
        assert verifier(**{name: seconds})
    else:
        with pytest.raises(ValueError, match="between 0 and 60"):
            verifier(**{name: seconds})


# --- single rules -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aud", "is_good"),
    [
        pytest.param(AUDIENCE, True, id="TOK-53 a text"),
        pytest.param([AUDIENCE], True, id="TOK-53 an array of one"),
        pytest.param(["TableAPI", AUDIENCE], True, id="TOK-53 TOK-9 an array in any order"),
        pytest.param(f"{AUDIENCE} TableAPI", False, id="TOK-53 not a list in a text"),
        pytest.param(f"{ISSUER}/resources", False, id="TOK-52 a token without API scope"),
    ],
)
def test_audience_forms(aud: Any, is_good: bool) -> None:
    token = sign(user_claims(aud=aud))
    if is_good:
        assert verifier().verify(token, AUDIENCE)
    else:
        with pytest.raises(InvalidToken):
            verifier().verify(token, AUDIENCE)


@pytest.mark.parametrize(
    ("granted", "needed", "missing"),
    [
        pytest.param(["update"], {"read"}, None, id="API-38 update includes read"),
        pytest.param(["read"], {"update"}, "update", id="API-38 read is not update"),
        pytest.param(["read"], {"read"}, None, id="API-15 read"),
        pytest.param(["update"], {"read", "sec"}, "sec", id="API-33 sec is on its own"),
        pytest.param(["sec"], {"read", "sec"}, "read", id="API-38 sec includes nothing"),
        pytest.param(["update", "sec"], {"update", "sec"}, None, id="API-33 both"),
        pytest.param(["Update"], {"read"}, "read", id="SCP-9 case counts"),
        pytest.param([], set(), None, id="API-32 nothing needed"),
    ],
)
def test_scopes(granted: list[str], needed: set[str], missing: str | None) -> None:
    token = sign(user_claims(scope=granted))
    if missing is None:
        assert verifier().verify(token, AUDIENCE, needed)
        return
    with pytest.raises(InsufficientScope) as caught:
        verifier().verify(token, AUDIENCE, needed)
    assert caught.value.needed == missing
    assert caught.value.challenge(AUDIENCE) == (
        f'Bearer realm="DomainAPI", error="insufficient_scope", scope="{missing}"'
    )


@pytest.mark.parametrize(
    ("value", "is_admin"),
    [
        pytest.param(True, True, id="API-22 true"),
        pytest.param("true", True, id="API-22 text true"),
        pytest.param(False, False, id="API-22 false"),
        pytest.param("false", False, id="API-22 text false"),
        pytest.param("", False, id="API-22 empty"),
        pytest.param("yes", False, id="API-22 yes"),
        pytest.param(None, False, id="API-22 null"),
        pytest.param(["true"], False, id="API-22 array"),
        pytest.param(..., False, id="API-22 missing"),
        # `in (True, "true")` compares by value, and 1 == True == 1.0.
        pytest.param(1, False, id="API-22 one"),
        pytest.param(1.0, False, id="API-22 one point zero"),
    ],
)
def test_old_booleans_are_read(value: Any, is_admin: bool) -> None:
    principal = verifier().verify(sign(user_claims(is_admin=value)), AUDIENCE)
    assert principal.is_admin is is_admin


def test_tok_13_unknown_claims_and_header_members_are_ignored() -> None:
    """TOK-13 TOK-43"""
    unknown = {"acr": "1", "id": 7, "system_user": "root", "cnf": {"x": None}, "": []}
    token = sign(user_claims(**unknown), HEADER | {"x": 1})
    principal = verifier(database=DATABASE).verify(token, AUDIENCE)
    assert principal.kind == "user"
    assert principal.login == "mira.k"
    assert {name: principal.claims[name] for name in unknown} == unknown


def test_a_service_is_never_an_administrator() -> None:
    """API-22 API-24 SES-2"""
    principal = verifier().verify(sign(service_claims(is_admin=True, sid="x")), AUDIENCE)
    assert not principal.is_admin
    assert (principal.kind, principal.login) == ("service", "svc.stock")
    assert principal.session == principal.jti


def test_a_service_token_may_lack_the_users_id() -> None:
    """TOK-42"""
    token = sign(service_claims(client_system_user_id=...))
    assert verifier(database=DATABASE).verify(token, AUDIENCE).user_id is None


@pytest.mark.parametrize("typ", ["JWT", "at+jwt"])
def test_an_id_token_is_refused(typ: str) -> None:
    """IDT-15: by its type; and by its audience if it had the type."""
    claims = {
        "nbf": NOW, "exp": NOW + 300, "iss": ISSUER, "aud": "shop.example.org/backoffice",
        "iat": NOW, "sid": "73F0BA2F800B9E2CF58BED92D8040FD3", "sub": "mira.k", "auth_time": NOW,
        "idp": "local", "amr": ["pwd"],
    }  # fmt: skip
    token = sign(claims, HEADER | {"typ": typ})
    with pytest.raises(InvalidToken):
        verifier().verify(token, AUDIENCE)
    failed = {line.id for line in verifier().explain(token, AUDIENCE) if line.outcome == "failed"}
    assert {"API-10", "API-11"} <= failed
    assert ("API-5" in failed) == (typ == "JWT")


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"])
def test_accepted_types(typ: str) -> None:
    """API-5"""
    assert verifier().verify(sign(user_claims(), HEADER | {"typ": typ}), AUDIENCE)


def test_other_user_types_can_be_admitted() -> None:
    community = MemoryState(state(user=a_user(user_type=UserType.COMMUNITY)))
    checker = verifier(state=community, user_types=frozenset({UserType.COMMUNITY}))
    assert checker.verify(sign(user_claims()), AUDIENCE)


@pytest.mark.parametrize("kind", sorted(MAY_BE_SYSTEM_USER))
def test_who_may_be_a_system_user(kind: UserType) -> None:
    """API-14 USR-12 USR-21"""
    checker = verifier(state=MemoryState(state(user=a_user(user_type=kind))))
    assert checker.verify(sign(service_claims()), AUDIENCE)


# `explain` asks the state source also for claims that nobody signed and that lack what
# API-11 requires. The source of mintgate.identity (directory.py) reads claims["jti"]: KeyError.
class _PlainState(MemoryState):
    def load(self, claims: dict[str, Any]) -> TokenState:
        assert isinstance(claims["jti"], str)
        return super().load(claims)


def test_explain_asks_the_state_only_for_claims_that_are_there() -> None:
    checker = verifier(state=_PlainState())
    lines = checker.explain(sign(user_claims(jti=...), key=STRANGER), AUDIENCE)
    assert {line.id: line.outcome for line in lines}["API-13"] == "not checked"


class Shelf:
    """A reference source over a dict."""

    def __init__(self, known: dict[str, dict[str, Any]]) -> None:
        self._known = known
        self.used: list[str] = []

    def load(self, token: str) -> dict[str, Any] | None:
        return self._known.get(token)

    async def load_async(self, token: str) -> dict[str, Any] | None:
        return self._known.get(token)

    def note_use(self, claims: dict[str, Any]) -> None:
        self.used.append(claims["jti"])


@pytest.mark.parametrize("way", ["sync", "async"])
def test_reference_tokens_pass_the_checks_of_their_claims(way: str) -> None:
    """API-3 REF-38: what they stand for is held against API-8 to API-15, no signature is."""
    good, foreign = "enrt_" + "A" * 64, "enrt_" + "B" * 64
    shelf = Shelf({good: user_claims(), foreign: user_claims(aud=["OLAP"])})
    checker = verifier(database=DATABASE, state=MemoryState(), references=shelf)
    principal = _verify(checker, good, frozenset({"read"}), way)
    assert principal.login == user_claims()["sub"]
    outcomes = {line.id: line.outcome for line in checker.explain(good, AUDIENCE, {"read"})}
    assert {i for i, o in outcomes.items() if o == "not checked"} == {
        "API-4",
        "API-5",
        "API-6",
        "API-7",
    }
    with pytest.raises(InvalidToken, match="aud"):
        _verify(checker, foreign, frozenset(), way)
    with pytest.raises(InvalidToken, match="no live reference token"):
        _verify(checker, "enrt_" + "C" * 64, frozenset(), way)
    assert shelf.used == [user_claims()["jti"]]
    with pytest.raises(InsufficientScope):
        _verify(checker, good, frozenset({"sec"}), way)
    assert len(shelf.used) == 2  # it authenticated, although the scope is missing


def test_an_unknown_reference_token_is_explained() -> None:
    """API-3"""
    lines = verifier().explain("enrt_" + "0" * 64, AUDIENCE)
    assert [line.outcome for line in lines] == ["failed", *["not checked"] * 12]

"""Scope rules [SCP-*], as tables."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintgate.contract import scopes
from mintgate.contract.errors import InvalidScope
from mintgate.contract.policy import missing_scope, needed_scopes

ALL = "openid profile DomainApi read sec update offline_access"


def _names(text: str | None) -> tuple[str, ...]:
    return tuple((text or "").split())


@pytest.mark.parametrize(
    ("requested", "listed", "granted"),
    [
        # Not sent: the application's Scope.
        pytest.param(None, "read update", "read update", id="SCP-6 default"),
        pytest.param(None, "update read", "read update", id="SCP-6 TKN-21 default in token order"),
        pytest.param(None, "update openid", "openid update", id="SCP-6 protocol scopes if listed"),
        pytest.param(None, "read DomainApi", "DomainApi read", id="SCP-5 SCP-6 DomainApi listed"),
        # Asked for.
        pytest.param("update read", "read update", "update read", id="TKN-21 request order"),
        pytest.param("openid", "", "openid", id="SCP-4 protocol scope need not be listed"),
        pytest.param("openid profile", "", "openid profile", id="SCP-11 sign-in without Scope"),
        pytest.param("profile", "", "profile", id="SCP-14 profile without openid"),
        pytest.param("offline_access read", "read", "offline_access read", id="SCP-8 union"),
        pytest.param("read read openid read", "read", "read openid", id="SCP-9 duplicates"),
        pytest.param("  read   openid ", "read", "read openid", id="SCP-9 spaces"),
        pytest.param("sec", "sec", "sec", id="SCP-3 sec when listed"),
        pytest.param("DomainApi", "DomainApi", "DomainApi", id="SCP-5 DomainApi when listed"),
        pytest.param("read", "", None, id="SCP-11 read without Scope"),
        pytest.param("read update", "read", None, id="SCP-7 no narrowing"),
        pytest.param("openid sec", "read update", None, id="SCP-3 sec unlisted"),
        pytest.param("Read", "read", None, id="SCP-9 case"),
        pytest.param("OPENID", "read", None, id="SCP-9 case of protocol scopes"),
        pytest.param("openid nonsense", "read", None, id="SCP-9 unknown"),
        pytest.param("read\topenid", "read", None, id="SCP-9 tab"),
        pytest.param("read\nopenid", "read", None, id="SCP-9 newline"),
        pytest.param('read "', "read", None, id="SCP-9 quote"),
        pytest.param("read \\", "read", None, id="SCP-9 backslash"),
        pytest.param("read \u00e9", "read", None, id="SCP-9 not ASCII"),
        pytest.param("read,openid", "read", None, id="SCP-9 comma"),
        # The obsolete scope.
        pytest.param("DomainApi", "read", "read", id="SCP-12 alone becomes read"),
        pytest.param("DomainApi", "update", None, id="SCP-12 then the normal check"),
        pytest.param("DomainApi update", "update", "update", id="SCP-12 removed"),
        pytest.param("DomainApi openid", "read", "openid", id="SCP-12 removed beside protocol"),
        pytest.param("openid DomainApi read", "read", "openid read", id="SCP-12 in the middle"),
        # Scopes of OpenID that libraries send.
        pytest.param("openid email", "read", "openid", id="SCP-17 email"),
        pytest.param("openid address phone read", "read", "openid read", id="SCP-17 all"),
        pytest.param("openid Email", "read", None, id="SCP-17 case"),
        # nothing is left to grant. UserClaims refuses an empty `scope` [TOK-10], so the
        # token endpoint fails with 500 after the sign-in; for_client_credentials raises here.
        pytest.param("email", "read", None, id="SCP-17 nothing else"),
        pytest.param(None, "", None, id="SCP-11 default of nothing"),
    ],
)
def test_authorization(requested: str | None, listed: str, granted: str | None) -> None:
    if granted is None:
        with pytest.raises(InvalidScope):
            scopes.for_authorization(requested, _names(listed))
    else:
        assert scopes.for_authorization(requested, _names(listed)) == _names(granted)


@pytest.mark.parametrize(
    ("requested", "listed", "granted"),
    [
        pytest.param(None, "update read", "read update", id="SCP-6 default"),
        pytest.param(None, "openid update offline_access", "update", id="SCP-10 default"),
        pytest.param(None, "sec DomainApi", "DomainApi sec", id="SCP-6 what is listed"),
        pytest.param(None, "", None, id="SCP-11 empty Scope"),
        pytest.param(None, "openid profile", None, id="SCP-10 only protocol scopes listed"),
        pytest.param("read", "read update", "read", id="SCP-8 fewer"),
        pytest.param("update read", "read update", "update read", id="TKN-21 request order"),
        pytest.param("read read", "read", "read", id="SCP-9 duplicates"),
        pytest.param("openid read profile", "read", "read", id="SCP-10 dropped"),
        pytest.param("openid", "read", None, id="SCP-10 only protocol scopes asked for"),
        pytest.param("openid", "openid read", None, id="SCP-10 even when listed"),
        pytest.param("offline_access profile", "read", None, id="SCP-10 two of them"),
        pytest.param("", "read", None, id="SCP-10 nothing"),
        pytest.param("read", "", None, id="SCP-11 read without Scope"),
        pytest.param("read update", "read", None, id="SCP-7 no narrowing"),
        pytest.param("sec", "read", None, id="SCP-3 sec unlisted"),
        pytest.param("email read", "read", None, id="SCP-17 is for the code flow only"),
        pytest.param("READ", "read", None, id="SCP-9 case"),
        pytest.param("DomainApi", "read", "read", id="SCP-12 alone becomes read"),
        pytest.param("DomainApi update", "read update", "update", id="SCP-12 removed"),
        pytest.param("DomainApi", "update", None, id="SCP-12 then the normal check"),
        pytest.param("DomainApi", "DomainApi", "DomainApi", id="SCP-5 listed"),
    ],
)
def test_client_credentials(requested: str | None, listed: str, granted: str | None) -> None:
    if granted is None:
        with pytest.raises(InvalidScope):
            scopes.for_client_credentials(requested, _names(listed))
    else:
        assert scopes.for_client_credentials(requested, _names(listed)) == _names(granted)


@pytest.mark.parametrize(
    ("requested", "granted", "outcome"),
    [
        pytest.param(None, "openid read", "openid read", id="SCP-15 default"),
        pytest.param("read", "openid read", "read", id="SCP-15 narrower"),
        pytest.param("read openid", "openid read", "read openid", id="SCP-15 request order"),
        pytest.param("read update", "openid read", None, id="SCP-15 wider"),
        pytest.param("offline_access", "openid read", None, id="SCP-15 a protocol scope is wider"),
        pytest.param("read nonsense", "read", None, id="SCP-9 unknown"),
        pytest.param("openid email", "openid read", "openid", id="SCP-17 dropped"),
        pytest.param("email", "openid read", "openid read", id="SCP-17 nothing else"),
        pytest.param("", "openid read", "openid read", id="SCP-15 nothing"),
        pytest.param("DomainApi openid", "openid read", "openid", id="SCP-12 removed"),
        pytest.param("DomainApi", "openid read", "read", id="SCP-12 becomes read"),
        pytest.param("DomainApi", "openid", None, id="SCP-12 read was not granted"),
    ],
)
def test_refresh(requested: str | None, granted: str, outcome: str | None) -> None:
    if outcome is None:
        with pytest.raises(InvalidScope):
            scopes.for_refresh(requested, _names(granted))
    else:
        assert scopes.for_refresh(requested, _names(granted)) == _names(outcome)


def test_the_order_in_a_token() -> None:
    """SCP-20"""
    assert _names(ALL) == scopes.TOKEN_ORDER
    for count in range(4):
        for names in itertools.permutations(_names(ALL), count):
            assert scopes.token_order(names) == tuple(n for n in _names(ALL) if n in names)


@pytest.mark.parametrize(
    ("held", "kept"),
    [
        pytest.param("openid read update sec DomainApi profile", "openid profile", id="SCP-13"),
        pytest.param("read", "", id="SCP-13 nothing is left"),
        pytest.param("offline_access openid", "offline_access openid", id="SCP-13 order stays"),
    ],
)
def test_what_a_community_user_keeps(held: str, kept: str) -> None:
    assert scopes.without_api_scopes(_names(held)) == _names(kept)
    assert scopes.has_api_scope(_names(held)) == (held != kept)


def test_the_refusal_quotes_nothing_of_the_request() -> None:
    """EP-5"""
    with pytest.raises(InvalidScope) as caught:
        scopes.for_authorization("openid <script>", ())
    assert "<script>" not in caught.value.description
    assert "<script>" in caught.value.cause


_scope_texts = st.none() | st.text(max_size=20) | st.lists(
    st.sampled_from([*_names(ALL), "email", "phone", "Read", "x"]), max_size=6
).map(" ".join)  # fmt: skip
_listed = st.sets(st.sampled_from(sorted(scopes.KNOWN_SCOPES))).map(tuple)


@settings(deadline=None, max_examples=600)
@given(requested=_scope_texts, listed=_listed, held=_listed)
def test_nothing_is_ever_granted_that_is_not_allowed(
    requested: str | None, listed: tuple[str, ...], held: tuple[str, ...]
) -> None:
    """SCP-7 SCP-8 SCP-15"""
    for flow, limit in (
        (scopes.for_authorization, scopes.PROTOCOL_SCOPES.union(listed)),
        (scopes.for_client_credentials, frozenset(listed) - scopes.PROTOCOL_SCOPES),
    ):
        _assert_within(lambda flow=flow: flow(requested, listed), limit)
    _assert_within(lambda: scopes.for_refresh(requested, held), frozenset(held))


def _assert_within(grant: Any, limit: frozenset[str]) -> None:
    try:
        granted = grant()
    except InvalidScope:
        return
    assert set(granted) <= limit
    assert len(set(granted)) == len(granted)
    assert set(scopes.token_order(granted)) == set(granted)


@pytest.mark.parametrize(
    ("method", "entity_set", "needed"),
    [
        pytest.param("GET", "Crm_Sales_Customers", {"read"}, id="API-30 GET"),
        pytest.param("HEAD", None, {"read"}, id="API-30 HEAD of the service document"),
        *(
            pytest.param(method, "Crm_Sales_Customers", {"update"}, id=f"API-31 {method}")
            for method in ("POST", "PATCH", "PUT", "DELETE")
        ),
        pytest.param("GET", "Systems_Security_Users", {"read", "sec"}, id="API-33 GET"),
        pytest.param("PATCH", "Systems_Security_Users", {"update", "sec"}, id="API-33 PATCH"),
        pytest.param("GET", "Systems_SecurityX", {"read"}, id="API-33 not the namespace"),
        pytest.param("get", None, {"update"}, id="API-31 an unknown method needs more"),
    ],
)
def test_what_an_operation_needs(method: str, entity_set: str | None, needed: set[str]) -> None:
    assert needed_scopes(method, entity_set) == needed


@pytest.mark.parametrize(
    ("needed", "granted", "missing"),
    [
        pytest.param({"read"}, {"update"}, None, id="API-38 update includes read"),
        pytest.param({"update"}, {"read"}, "update", id="API-38 not the reverse"),
        pytest.param({"read", "sec"}, {"update"}, "sec", id="API-38 not sec"),
        pytest.param({"read"}, {"DomainApi", "openid"}, "read", id="API-39 open nothing"),
        pytest.param(set(), set(), None, id="API-32 nothing needed"),
    ],
)
def test_missing_scope(needed: set[str], granted: set[str], missing: str | None) -> None:
    assert missing_scope(frozenset(needed), frozenset(granted)) == missing

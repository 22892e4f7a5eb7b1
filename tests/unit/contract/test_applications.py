"""The trusted-application record [TAP-*]: what is wrong with one, and what it allows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mintgate.contract.applications import (
    ClientType,
    ReferenceTokenPolicy,
    TrustedApplication,
    problems_of,
    warnings_of,
)
from mintgate.contract.identifiers import secret_hash, secret_matches
from mintgate.contract.logout_urls import front_channel_address
from mintgate.contract.users import MAY_BE_SYSTEM_USER, UserType

WEB = "https://app.example.com/callback"


def app(**changes: Any) -> TrustedApplication:
    members: dict[str, Any] = {
        "id": "1",
        "name": {"en": "Shop"},
        "application_uri": "shop.example.org/backoffice",
        "application_secret_hash": secret_hash("s"),
        "impersonate_login_url": WEB,
        "scope": "read update",
    }
    return TrustedApplication(**(members | changes))


def public(**changes: Any) -> TrustedApplication:
    return app(client_type=ClientType.PUBLIC, application_secret_hash=None, **changes)


GOOD = [
    pytest.param(app(), None, id="TAP-1 an example"),
    pytest.param(public(), None, id="TAP-5 a Public one"),
    pytest.param(app(client_type=ClientType.NONE), None, id="TAP-5 TAP-52 a placeholder"),
    pytest.param(app(name={"bg": "", "en": "x"}), None, id="TAP-2 one name is enough"),
    pytest.param(app(name={"en": "x" * 254}), None, id="TAP-2 254 characters"),
    pytest.param(app(application_uri="x" * 254), None, id="TAP-3 254 without tokens"),
    pytest.param(
        app(application_uri="x" * 128, impersonate_as_internal_user_allowed=True),
        None, id="TAP-3 128 with tokens",
    ),
    pytest.param(app(application_uri="Каса/1"), None, id="TAP-3 not ASCII"),
    pytest.param(app(application_secret_hash=None), None, id="TAP-6 no secret"),
    pytest.param(app(impersonate_login_url=None), None, id="TAP-7 no list"),
    pytest.param(app(scope=None), None, id="TAP-14 no Scope"),
    pytest.param(app(scope=" update  read "), None, id="TAP-14 spaces and order"),
    pytest.param(
        app(scope="openid profile offline_access DomainApi sec read update"), None,
        id="TAP-14 every known name",
    ),
    pytest.param(public(impersonate_login_url="myapp:/cb"), None, id="TAP-22 a custom scheme"),
    *(
        pytest.param(app(system_user_allowed=True, system_user="7"), kind, id=f"TAP-12 {kind}")
        for kind in sorted(MAY_BE_SYSTEM_USER)
    ),
    pytest.param(app(system_user="7"), UserType.SYSTEM, id="TAP-12 not yet allowed"),
    pytest.param(app(notes="x" * 5000), None, id="TAP-18 notes"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "kind"), GOOD)
def test_a_good_record(record: TrustedApplication, kind: UserType | None) -> None:
    assert problems_of(record, kind) == []


_SHORT_HASH = "c2hvcnQ="

BAD = [
    pytest.param(app(name={}), None, "Name", id="TAP-2 none"),
    pytest.param(app(name={"en": ""}), None, "Name", id="TAP-2 empty"),
    pytest.param(app(name={"en": "x", "bg": "x" * 255}), None, "Name", id="TAP-2 255"),
    *(
        pytest.param(app(application_uri=uri), None, "ApplicationUri", id=f"TAP-3 {uri!r}")
        for uri in ("", "a b", "a\tb", "a\n", "\u00a0", "a\u2003b", "a\x00", "a\x7f", "a\x85")
    ),
    pytest.param(app(application_uri="x" * 255), None, "ApplicationUri", id="TAP-3 255"),
    *(
        pytest.param(
            app(application_uri="x" * 129, **{flag: value}), None, "ApplicationUri",
            id=f"TAP-3 129 with {flag}",
        )
        for flag, value in {
            "impersonate_as_internal_user_allowed": True,
            "impersonate_as_community_user_allowed": True,
            "reference_tokens": ReferenceTokenPolicy.AUTHENTICATED_USERS,
        }.items()
    ),
    # TAP-3 says "no control characters"; those of U+0080..9F are let in.
    pytest.param(app(application_uri="a\x80b"), None, "ApplicationUri", id="TAP-3 U+0080"),
    pytest.param(app(application_uri="a\x9fb"), None, "ApplicationUri", id="TAP-3 U+009F"),
    *(
        pytest.param(
            app(application_secret_hash=text), None, "ApplicationSecretHash", id=f"TAP-6 {text!r}"
        )
        for text in ("", "s3cret", _SHORT_HASH, secret_hash("s")[:-1], secret_hash("s") + "=",
                     secret_hash("s").replace("=", "\n="), "é" * 44, "A" * 43 + "!")
    ),
    pytest.param(
        app(client_type=ClientType.PUBLIC), None, "ApplicationSecretHash", id="TAP-6 of Public"
    ),
    pytest.param(
        app(impersonate_login_url=WEB + "/" + "x" * 500), None, "ImpersonateLoginUrl",
        id="TAP-7 more than 500",
    ),
    pytest.param(
        app(impersonate_login_url=f"{WEB},http://a.example/"), None, "ImpersonateLoginUrl",
        id="TAP-7 TAP-22 the second entry",
    ),
    pytest.param(
        app(impersonate_logout_url=f"{WEB}#x"), None, "ImpersonateLogoutUrl", id="TAP-8 TAP-21"
    ),
    pytest.param(
        app(impersonate_login_url="myapp:/cb"), None, "ImpersonateLoginUrl",
        id="TAP-22 a custom scheme of a Confidential one",
    ),
    pytest.param(app(system_user_allowed=True), None, "SystemUser", id="TAP-11 without SystemUser"),
    pytest.param(
        public(system_user_allowed=True, system_user="7"), UserType.INTERNAL, "SystemUserAllowed",
        id="TAP-11 of Public",
    ),
    pytest.param(app(system_user="7"), None, "SystemUser", id="TAP-12 names nobody"),
    *(
        pytest.param(app(system_user="7"), kind, "SystemUser", id=f"TAP-12 USR-12 {kind}")
        for kind in sorted(frozenset(UserType) - MAY_BE_SYSTEM_USER)
    ),
    *(
        pytest.param(app(scope=scope), None, "Scope", id=f"TAP-14 {scope!r}")
        for scope in ("Read", "read email", "read,update", "*", "domainapi")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("record", "kind", "attribute"), BAD)
def test_a_bad_record(record: TrustedApplication, kind: UserType | None, attribute: str) -> None:
    problems = problems_of(record, kind)
    assert [name for name, _ in problems] == [attribute]
    assert all("TAP-" in sentence for _, sentence in problems)


def test_every_problem_is_named() -> None:
    record = app(
        name={},
        application_uri="",
        application_secret_hash="x",
        scope="x",
        system_user_allowed=True,
    )
    assert {name for name, _ in problems_of(record)} == {
        "Name", "ApplicationUri", "ApplicationSecretHash", "Scope", "SystemUser",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("internal", "community", "warned"),
    [
        pytest.param(False, False, False, id="TAP-10 neither"),
        pytest.param(True, False, False, id="TAP-10 internal"),
        pytest.param(True, True, False, id="TAP-10 both"),
        pytest.param(False, True, True, id="TAP-10 only community"),
    ],
)
def test_warning(internal: bool, community: bool, warned: bool) -> None:
    record = app(
        impersonate_as_internal_user_allowed=internal,
        impersonate_as_community_user_allowed=community,
    )
    assert bool(warnings_of(record)) == warned


@pytest.mark.parametrize("kind", sorted(UserType))
@pytest.mark.parametrize("flags", [(False, False), (True, False), (False, True), (True, True)])
def test_who_may_sign_in(kind: UserType, flags: tuple[bool, bool]) -> None:
    """USR-20 TAP-9 TAP-10"""
    internal, community = flags
    record = app(
        impersonate_as_internal_user_allowed=internal,
        impersonate_as_community_user_allowed=community,
    )
    expected = {UserType.INTERNAL: internal, UserType.COMMUNITY: community}.get(kind, False)
    assert record.allows_sign_in_of(kind) is expected


def test_the_two_lists_are_apart() -> None:
    """TAP-24"""
    record = app(impersonate_login_url=WEB, impersonate_logout_url="https://app.example.com/bye")
    assert record.allows_redirect_to(WEB)
    assert not record.allows_logout_redirect_to(WEB)
    assert record.allows_logout_redirect_to("https://app.example.com/bye")
    assert not record.allows_redirect_to("https://app.example.com/bye")


def test_a_loopback_port_is_free_for_public_only() -> None:
    """TAP-23"""
    uri = "http://127.0.0.1:5000/cb"
    assert public(impersonate_login_url="http://127.0.0.1/cb").allows_redirect_to(uri)
    assert not app(impersonate_login_url="http://127.0.0.1/cb").allows_redirect_to(uri)


def test_defaults() -> None:
    """TAP-4 TAP-5 TAP-9 TAP-10 TAP-11 TAP-15 TAP-16"""
    record = TrustedApplication(id="1", name={"en": "x"}, application_uri="x")
    assert record.is_enabled
    assert record.client_type is ClientType.CONFIDENTIAL
    assert record.reference_tokens is ReferenceTokenPolicy.NONE
    assert record.scope_names == ()
    assert not any(
        (
            record.impersonate_as_internal_user_allowed,
            record.impersonate_as_community_user_allowed,
            record.system_user_allowed,
            record.basic_authentication_allowed,
        )
    )


def test_the_attributes_have_erp_nets_names() -> None:
    """TAP-1 TAP-19"""
    names = set(msgspec.to_builtins(app()))
    assert {
        "Id", "Name", "ApplicationUri", "IsEnabled", "ClientType", "ApplicationSecretHash",
        "ImpersonateLoginUrl", "ImpersonateLogoutUrl", "ImpersonateAsInternalUserAllowed",
        "ImpersonateAsCommunityUserAllowed", "SystemUserAllowed", "SystemUser",
        "SystemUserLoginUrl", "Scope", "ReferenceTokens", "BasicAuthenticationAllowed",
        "CreationTimeUtc", "Notes",
    } <= names  # fmt: skip


def test_a_secret_and_its_hash() -> None:
    """TKN-3 TOP-28"""
    stored = secret_hash("пароль")
    assert (len(stored), stored.count("=")) == (44, 1)
    assert secret_matches("пароль", stored)
    assert not secret_matches("пароль ", stored)


FRONT = "https://app.example.com/front"
LOGOUT_URLS = [
    ("back", "https://app.example.com/back?x=1", None, None),
    ("back", "http://localhost:9/back", None, None),
    ("back", "https://other.example.com/back", None, None),
    ("back", "http://app.example.com/back", None, "must use https"),
    ("back", "https://app.example.com/back#x", None, "fragment"),
    ("back", "/back", None, "absolute"),
    ("back", "app.example:/back", None, "custom scheme"),
    ("back", "https://me:pw@app.example.com/", None, "user name or password"),
    ("back", "", None, "absolute"),
    ("back", f"https://app.example.com/{'x' * 500}", None, "500 characters"),
    ("front", FRONT, WEB, None),
    ("front", "https://app.example.com:443/front", WEB, None),
    ("front", FRONT, f"https://b.example/cb, {WEB}", None),
    ("front", FRONT, None, "one entry of ImpersonateLoginUrl"),
    ("front", "https://app.example.com:8443/front", WEB, "one entry of ImpersonateLoginUrl"),
    ("front", "https://evil.example/front", WEB, "one entry of ImpersonateLoginUrl"),
    ("front", "http://[::1]:9/front", "http://[::1]:9/cb", "IPv6"),
    ("front", "http://app.example.com/front", WEB, "must use https"),
]


@pytest.mark.parametrize(("channel", "url", "login_urls", "sentence"), LOGOUT_URLS)
@pytest.mark.parametrize("kind", [app, public])
def test_logout_urls(
    kind: Any, channel: str, url: str, login_urls: str | None, sentence: str | None
) -> None:
    """EXT-3"""
    changes = {"impersonate_login_url": login_urls, f"{channel}_channel_logout_url": url}
    found = problems_of(kind(**changes))
    if sentence is None:
        assert found == []
    else:
        ((attribute, told),) = found
        assert attribute == f"{channel.title()}ChannelLogoutUrl"
        assert sentence in told


def test_the_address_of_a_frame() -> None:
    """EXT-3: an existing query is kept"""
    for url, expected in (("https://a/f", "?"), ("https://a/f?x=1", "&"), ("https://a/f?", "?")):
        address = front_channel_address(url, "https://i/id", "S1")
        assert address == f"{url.removesuffix('?')}{expected}iss=https%3A%2F%2Fi%2Fid&sid=S1"


@pytest.mark.parametrize(
    ("listed", "names"),
    [(None, ()), ("", ()), ("Shop", ("Shop",)), (" Store  Shop ", ("Store", "Shop"))],
)
def test_audiences(listed: str | None, names: tuple[str, ...]) -> None:
    """[EXT-12] in their order; compared exactly"""
    application = app(audiences=listed)
    assert application.audience_names == names
    assert problems_of(application, None, {"Shop", "Store", "OLAP"}) == []
    assert len(problems_of(application, None, {"shop", "STORE"})) == len(names)


@pytest.mark.parametrize("listed", ["OLAP", "Shop OLAP", "Shop Shop", "Shop\tStock"])
def test_audiences_that_may_not_be(listed: str) -> None:
    """[EXT-12, TOK-50] even where a built-in API is declared, to give it a secret"""
    ((attribute, _),) = problems_of(app(audiences=listed), None, {"Shop", "OLAP"})
    assert attribute == "Audiences"

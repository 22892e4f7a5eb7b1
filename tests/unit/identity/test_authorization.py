"""Every authorization request is answered by the rules, whatever its parameters (§3.3)."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract.applications import ClientType, TrustedApplication
from mintgate.contract.instance import Instance
from mintgate.identity.authorization import (
    KNOWN_PARAMETERS,
    PageRefusal,
    ReturnedRefusal,
    validate,
)

INSTANCE = Instance(id="a" * 36, name="orion", database="ORION", base_url="https://orion.example")
REDIRECT = "https://app.example/cb"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
GOOD = {
    "client_id": "app",
    "redirect_uri": REDIRECT,
    "response_type": "code id_token",
    "scope": "openid",
    "nonce": "n",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
VALUES = {
    "redirect_uri": [REDIRECT, "https://evil.example"],
    "response_type": ["code", "code id_token", "id_token code", "id_token", "code  id_token", "x"],
    "response_mode": ["query", "fragment", "form_post", "web_message"],
    "scope": ["openid", "read", "openid read", "email", "sec"],
    "prompt": ["none", "login", "select_account", "none login", "x"],
    "max_age": ["0", "7", "-1", "x"],
    "claims": ["{}", '{"id_token":{"acr":{"essential":true,"value":"x"}}}', "x"],
    "acr_values": ["pwd", "idp:x", "x"],
    "code_challenge": [CHALLENGE, "x"],
    "code_challenge_method": ["S256", "plain"],
}


def application(client_type: ClientType) -> TrustedApplication:
    return TrustedApplication(
        id="1",
        name={"en": "App"},
        application_uri="app",
        client_type=client_type,
        impersonate_login_url=REDIRECT,
        impersonate_as_internal_user_allowed=True,
        scope="read",
    )


def any_value(name: str) -> st.SearchStrategy[str]:
    # An empty parameter counts as absent before it comes here [EP-4].
    return st.sampled_from(VALUES.get(name, ["x"])) | st.text(min_size=1, max_size=20)


requests = st.fixed_dictionaries(
    {"client_id": st.just("app")},
    optional={name: any_value(name) for name in sorted(KNOWN_PARAMETERS - {"client_id"})},
)


@given(
    requests | requests.map(lambda changed: GOOD | changed),
    st.sampled_from([ClientType.CONFIDENTIAL, ClientType.PUBLIC]),
)
def test_any_request(parameters: dict[str, str], client_type: ClientType) -> None:
    """[AUT-7, AUT-8, AUT-23, AUT-30] what must hold of every outcome"""
    words = parameters.get("response_type", "").split(" ")
    try:
        valid = validate(parameters, application(client_type), INSTANCE)
        address = valid.return_address
    except PageRefusal:
        assert parameters.get("redirect_uri") != REDIRECT
        return
    except ReturnedRefusal as refused:
        address = refused.return_address
    else:
        assert valid.with_id_token == (words != ["code"])
        assert not valid.with_id_token or (valid.nonce and "openid" in valid.scopes)
        assert valid.code_challenge or client_type is ClientType.CONFIDENTIAL
    assert address.redirect_uri == parameters["redirect_uri"] == REDIRECT
    if sorted(words) == ["code", "id_token"]:
        assert address.mode in {"fragment", "form_post"}  # also for errors


@pytest.mark.parametrize("missing", ["nonce", "code_challenge"])
def test_the_good_one_is_good_only_whole(missing: str) -> None:
    public = application(ClientType.PUBLIC)
    assert validate(GOOD, public, INSTANCE).with_id_token
    with pytest.raises(ReturnedRefusal):
        validate({k: v for k, v in GOOD.items() if k != missing}, public, INSTANCE)


class Broken(NamedTuple):
    """One thing wrong with a request, or with its application."""

    rule: str
    parameters: dict[str, str | None]
    application: dict[str, Any]
    error: str
    description: str
    is_page: bool = False


FIRST_WINS = [
    Broken("AUT-20", {"client_id": None}, {}, "invalid_request", "client_id is missing", True),
    Broken("AUT-21", {}, {"is_enabled": False}, "unauthorized_client", "disabled", True),
    Broken(
        "AUT-21 None", {}, {"client_type": ClientType.NONE}, "unauthorized_client", "disabled", True
    ),
    Broken("AUT-22", {"redirect_uri": None}, {}, "invalid_request", "redirect_uri is", True),
    Broken(
        "AUT-23", {"redirect_uri": "https://evil.example"}, {}, "invalid_redirect_uri", "", True
    ),
    Broken("AUT-24", {"response_type": None}, {}, "invalid_request", "response_type is missing"),
    Broken("AUT-24 x", {"response_type": "token"}, {}, "unsupported_response_type", ""),
    Broken("AUT-25", {"response_mode": "x"}, {}, "invalid_request", "response_mode must"),
    Broken("AUT-25 query", {"response_mode": "query"}, {}, "invalid_request", "response_mode must"),
    Broken(
        "AUT-26",
        {},
        {"impersonate_as_internal_user_allowed": False},
        "unauthorized_client",
        "",
    ),
    Broken(
        "AUT-27",
        {"code_challenge": None, "code_challenge_method": None},
        {},
        "invalid_request",
        "Send a code_challenge",
    ),
    Broken("AUT-28", {"code_challenge_method": "plain"}, {}, "invalid_request", "must be S256"),
    Broken("AUT-28 none", {"code_challenge_method": None}, {}, "invalid_request", "must be S256"),
    Broken("AUT-29", {"scope": "openid sec"}, {}, "invalid_scope", ""),
    Broken("AUT-30", {"scope": "read"}, {}, "invalid_request", "needs the scope openid"),
    Broken("AUT-30 nonce", {"nonce": None}, {}, "invalid_request", "needs a nonce"),
    Broken("AUT-31", {"prompt": "none login"}, {}, "invalid_request", "The prompt none"),
]


@pytest.mark.parametrize("first", FIRST_WINS, ids=[one.rule for one in FIRST_WINS])
def test_the_first_failure_wins(first: Broken) -> None:
    """[AUT-20..31] alone, and with each of those that come after it"""
    later = FIRST_WINS[FIRST_WINS.index(first) + 1 :]
    for second in (None, *later):
        parameters: dict[str, str | None] = {**GOOD}
        changes: dict[str, Any] = {}
        for broken in (second, first):  # what is wrong in one place is wrong in the first's way
            if broken is not None:
                parameters |= broken.parameters
                changes |= broken.application
        sent = {name: value for name, value in parameters.items() if value is not None}
        changed = msgspec.structs.replace(application(ClientType.PUBLIC), **changes)
        with pytest.raises(PageRefusal if first.is_page else ReturnedRefusal) as refused:
            validate(sent, changed, INSTANCE)
        told = refused.value.refusal
        assert told.error == first.error, second
        assert first.description in told.description, second

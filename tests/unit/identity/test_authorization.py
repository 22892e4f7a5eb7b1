"""Every authorization request is answered by the rules, whatever its parameters (§3.3)."""

from __future__ import annotations

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

"""Discovery, keys, auto-discovery, root tools, CORS (§1.3, §3.1, §3.2)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import mintgate
from tests.world import SECRET, STOCK, World

ORIGIN = "http://127.0.0.1:9101"


@pytest.mark.parametrize(
    "path",
    [
        "/id/.well-known/openid-configuration",
        "/id/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/id",
    ],
)
def test_metadata(path: str, shared_world: World) -> None:
    """[DSC-1..12] RFC 8414 §3.1"""
    answer = shared_world.http.get(path, headers={"Origin": "https://anyone.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    document, issuer = answer.json(), shared_world.issuer
    assert document["issuer"] == issuer
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(issuer + "/"), name
    assert document["jwks_uri"] == f"{issuer}/.well-known/openid-configuration/jwks"
    assert document["response_types_supported"] == ["code", "code id_token"]
    assert document["response_modes_supported"] == ["query", "fragment", "form_post"]
    assert document["scopes_supported"] == "openid profile read update offline_access".split()
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True


SAID: list[tuple[str, str, Any]] = [
    ("DSC-5", "grant_types_supported", "authorization_code client_credentials refresh_token"),
    ("DSC-9", "subject_types_supported", "public"),
    ("DSC-9", "id_token_signing_alg_values_supported", "RS256"),
    ("DSC-9", "code_challenge_methods_supported", "S256"),
    (
        "DSC-10",
        "token_endpoint_auth_methods_supported",
        "client_secret_basic client_secret_post none",
    ),
    (
        "DSC-11 UIN-5 EXT-15",
        "claims_supported",
        "sub sub_id name preferred_username email email_verified locale user_type acr",
    ),
    ("DSC-11", "request_parameter_supported", False),
    ("DSC-11", "request_uri_parameter_supported", False),
    ("DSC-11", "authorization_response_iss_parameter_supported", True),
    ("DSC-11 EXT-15", "prompt_values_supported", "none login select_account"),
    ("EXT-15", "claims_parameter_supported", True),
]


@pytest.mark.parametrize(
    ("member", "value"), [pytest.param(*row[1:], id=f"{row[0]} {row[1]}") for row in SAID]
)
def test_a_member_of_the_metadata(member: str, value: Any, shared_world: World) -> None:
    document = shared_world.http.get("/id/.well-known/openid-configuration").json()
    assert document[member] == (value.split() if isinstance(value, str) else value)


@pytest.mark.parametrize(
    "member",
    [
        "check_session_iframe",
        "device_authorization_endpoint",
        "pushed_authorization_request_endpoint",
        "require_pushed_authorization_requests",
        "registration_endpoint",
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
        "frontchannel_logout_supported",
        "frontchannel_logout_session_supported",
    ],
)
def test_what_the_metadata_does_not_say(member: str, shared_world: World) -> None:
    """[DSC-12]"""
    document = shared_world.http.get("/id/.well-known/openid-configuration").json()
    assert member not in document
    for kind in ("implicit", "password", "device", "token-exchange"):
        assert not any(kind in grant for grant in document["grant_types_supported"])


def test_every_endpoint_of_the_metadata_answers(shared_world: World) -> None:
    document = shared_world.http.get("/id/.well-known/openid-configuration").json()
    for name, url in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert shared_world.http.get(url).status_code != 404, name


def test_keys(shared_world: World) -> None:
    """[DSC-13, TOK-2, TOK-3] public members only"""
    (key,) = shared_world.http.get("/id/.well-known/openid-configuration/jwks").json()["keys"]
    assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    assert len(base64.urlsafe_b64decode(key["n"] + "==")) == 256


@pytest.mark.parametrize("path", ["/sys/auto-discovery", "/tools/auto-discovery"])
def test_auto_discovery(path: str, shared_world: World) -> None:
    """[TOP-20..26]"""
    document = shared_world.http.get(path).json()
    assert list(document) == ["Host", "DbName", "WebSites"]
    assert document["DbName"] == "ORION_PROD X-1"
    sites = {site["Type"]: site for site in document["WebSites"]}
    assert sites["ID"]["Url"] == shared_world.issuer
    systems = {kind for kind, site in sites.items() if site["System"] is True}
    assert systems == {"ID", "UserProfile", "InstanceManager"}
    assert sites["UserProfile"]["Url"] == f"{shared_world.base}/profile"
    assert sites["InstanceManager"]["Url"] == f"{shared_world.base}/manage"
    assert all(site["System"] in {True, False} for site in sites.values())
    domain = sites["DomainAPI"]
    assert domain["Status"] == "Working"
    root = domain["AdditionalProperties"]["ODataServiceRoot"]
    assert root == f"{shared_world.base}/api/domain/odata/"
    assert sites["TableAPI"]["AdditionalProperties"] == {
        "ODataServiceRoot": f"{shared_world.base}/tableapi/odata/"
    }
    assert sites["OLAP"]["Url"] == f"{shared_world.base}/olap"
    for site in sites.values():
        assert (site["Status"], site["Url"].startswith(shared_world.base)) == ("Working", True)
        members = ["Type", "Status", "StatusDescription", "Url", "System", "AdditionalProperties"]
        assert list(site) == members


@pytest.mark.parametrize("path", ["/tools/sha256", "/sys/tools/sha256"])
def test_sha256(path: str, shared_world: World) -> None:
    """[TOP-28, TKN-3]"""
    answer = shared_world.http.get(path, params={"secret": "DEMO"})
    assert answer.json() == {"sha256": "T/AGymuI51LwjLeIFxRQXOs9IHnupDKs/ajhWODR2C4="}
    assert answer.headers["cache-control"] == "no-store"
    assert shared_world.http.get(path).status_code == 400
    posted = shared_world.http.post(path, data={"secret": "DEMO"})
    assert posted.json() == answer.json()
    assert posted.headers["cache-control"] == "no-store"


def test_version(shared_world: World) -> None:
    """[TOP-29]"""
    assert shared_world.http.get("/tools/ver").text == mintgate.__version__
    assert shared_world.http.get("/tools/server-info").json()["version"] == mintgate.__version__


@pytest.mark.parametrize(
    "path",
    [
        "/id/connect/token",
        "/id/connect/userinfo",
        "/id/connect/revocation",
        "/api/domain/odata/",
        "/tableapi/odata/",
        "/olap/",
        "/appserver/",
    ],
)
def test_preflight(path: str, shared_world: World) -> None:
    """[EP-8, API-25]"""
    for origin, allowed in ((ORIGIN, True), ("https://evil.example", False)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = shared_world.http.options(path, headers=headers)
        assert answer.status_code == 204
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
        if allowed:
            names = answer.headers["access-control-allow-headers"].lower().split(", ")
            assert {"authorization", "content-type", "x-api-key", "api-key"} <= set(names)
            assert "POST" in answer.headers["access-control-allow-methods"].split(", ")
        else:
            assert "access-control-allow-headers" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["introspect", "authorize", "endsession"])
def test_who_is_no_browser_application_needs_no_cors(path: str, shared_world: World) -> None:
    """[EP-8] pages, and what only the servers of APIs ask"""
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    answer = shared_world.http.options(f"/id/connect/{path}", headers=headers)
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers


def test_cors_on_success_and_refusal(shared_world: World) -> None:
    """[EP-8, API-23]"""
    headers = {"Origin": ORIGIN}
    refused = shared_world.http.get("/api/domain/odata/", headers=headers)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]
    form = {"grant_type": "client_credentials"}
    answer = shared_world.http.post(
        "/id/connect/token", data=form, auth=(STOCK, SECRET), headers=headers
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "Origin" in answer.headers["vary"]


def test_origins_follow_the_applications(world: World) -> None:
    """[EP-8, TOP-13] a disabled application's origin is not allowed any more"""
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    for client_id in ("shop.example.org/backoffice", "shop.example.org/spa"):
        assert "access-control-allow-origin" in (
            world.http.options("/id/connect/token", headers=headers).headers
        )
        world.change_application(client_id, is_enabled=False)
    answer = world.http.options("/id/connect/token", headers=headers)
    assert "access-control-allow-origin" not in answer.headers


def test_unknown_path_and_methods(shared_world: World) -> None:
    """[EP-9]"""
    assert shared_world.http.get("/id/nothing").status_code == 404
    answer = shared_world.http.delete("/id/connect/authorize")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert shared_world.http.delete("/id/connect/userinfo").headers["allow"] == "GET, POST"

"""Discovery, keys, auto-discovery, root tools, CORS (§1.3, §3.1, §3.2)."""

from __future__ import annotations

import base64

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
    for absent in ("registration_endpoint", "device_authorization_endpoint"):
        assert absent not in document


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
    assert sites["ID"]["System"] is True
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
    "path", ["/id/connect/token", "/id/connect/userinfo", "/api/domain/odata/"]
)
def test_preflight(path: str, shared_world: World) -> None:
    """[EP-8, API-25]"""
    for origin, allowed in ((ORIGIN, True), ("https://evil.example", False)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = shared_world.http.options(path, headers=headers)
        assert answer.status_code == 204
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
        if allowed:
            assert "Authorization" in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers


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

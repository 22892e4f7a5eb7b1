"""The gate file: what it means, and what is told when it means nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mintgate.gate.assembly import Gate, signing_key_of
from mintgate.gate.settings import GateSettings
from mintgate.server.declaration import InvalidDeclaration
from mintgate.server.gate_file import described, read

GOOD = """\
[gate]
port = 8000
[[tenants]]
name = "one"
issuer = "https://one.example/id"
database = "ONE"
secrets = { DomainAPI = { env = "SECRET" }, Orders = { env = "SECRET" } }
[[tenants]]
name = "two"
issuer = "https://two.example/id"
database = "TWO"
secrets = { Orders = { env = "SECRET" } }
[[routes]]
prefix = "/api/"
api = "DomainAPI"
upstream = "http://127.0.0.1:9000"
[[routes]]
prefix = "/orders"
api = "Orders"
identity = "token"
[routes.policy]
reading = ["/orders/search"]
[[routes.upstreams]]
tenant = "one"
url = "https://orders.example:9443/base"
[[routes.upstreams]]
tenant = "two"
url = "http://[::1]:9000"
"""


NO_ORIGINS = (
    "*",
    "null",
    "https://*.example",
    "https://a.example/",
    "https://a.example:443",
    "https://A.example",
    "https://u@a.example",
    "https://[::1",
    "https://a b",
    "file://a",
)


def parsed(text: str, folder: Path = Path()) -> GateSettings:
    return read(text, {"SECRET": "shh-secret"}, folder)


def problems(text: str, folder: Path = Path()) -> list[str]:
    with pytest.raises(InvalidDeclaration) as refused:
        parsed(text, folder)
    assert "shh-secret" not in str(refused.value)
    return list(map(str, refused.value.problems))


def test_what_it_means() -> None:
    settings = parsed(GOOD)
    assert settings.listener.port == 8000
    api, orders = settings.routes
    assert (api.prefix, api.api, api.pass_credential, api.policy) == (
        "/api",
        "DomainAPI",
        True,
        None,
    )
    assert orders.pass_credential is False
    assert orders.policy is not None
    assert orders.policy.reading == ("/orders/search",)
    assert [(u.issuer, u.database, u.url) for u in orders.upstreams] == [
        ("https://one.example/id", "ONE", "https://orders.example:9443/base"),
        ("https://two.example/id", "TWO", "http://[::1]:9000"),
    ]
    assert settings.tenants[0].secrets == {"DomainAPI": "shh-secret", "Orders": "shh-secret"}


def test_nothing_that_is_printed_has_a_secret() -> None:
    settings = parsed(GOOD)
    shown = repr(settings) + "\n".join(described(settings))
    assert "shh-secret" not in shown
    assert "callers of https://one.example/id, 'ONE'" in shown


def test_a_gate_is_made_without_asking_anybody() -> None:
    gate = Gate(parsed(GOOD))
    assert [(t.api, t.settings.name) for t in gate.tenants] == [
        ("DomainAPI", "one"),
        ("Orders", "one"),
        ("Orders", "two"),
    ]
    assert not gate.is_ready()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("port = 8000", "prot = 8000", "line 2: prot: is not a key here; did you mean port?"),
        ("port = 8000", "port = 80000", "line 2: port: must be between 0 and 65535"),
        ("[gate]", "[gates]", "line 1: gates: is not a key here; did you mean gate?"),
        ("[gate]", "gate = 1", "line 1: gate: must be a table"),
        ("port = 8000", "port = ", "line 2: this is not TOML: Invalid value"),
        ("port = 8000", 'name = "a b"', "line 2: name: must be letters"),
        ("port = 8000", 'signing_key = { env = "SECRET" }', "line 2: signing_key: is no private"),
        ("port = 8000", 'trusted_proxies = ["*"]', "line 2: trusted_proxies: must be addresses"),
        ("port = 8000", 'trusted_proxies = ["::/0"]', "trusted_proxies: must not be ::/0"),
        ("port = 8000", "header_seconds = 0", "line 2: header_seconds: must be between 0.1"),
        ('issuer = "https://one', 'issuer = "http://one', "line 5: issuer: must be https"),
        ('one.example/id"', 'one.example/id/"', "line 5: issuer: must be the exact iss"),
        ('database = "ONE"', 'databse = "ONE"', "line 6: databse: is not a key here; did you"),
        ('database = "ONE"', "", "line 3: database: is missing"),
        ('DomainAPI = { env = "SECRET" }', 'DomainAPI = "x"', "line 7: DomainAPI: must be { env"),
        ('DomainAPI = { env = "SECRET" }', 'DomainAPI = { env = "NO" }', "variable NO is not set"),
        ('DomainAPI = { env = "SECRET" }', 'DomainAPI = { file = "no" }', "no cannot be read"),
        ('name = "two"', 'name = "one"', "line 9: name: 'one' is given twice"),
        ('two.example/id"\ndatabase = "TWO"', 'one.example/id"\ndatabase = "ONE"', "same database"),
        ('prefix = "/api/"', 'prefix = "api"', "line 14: prefix: must begin with a slash"),
        ('prefix = "/api/"', 'prefix = "/a%20b"', "line 14: prefix: must be a plain path"),
        ('prefix = "/api/"', 'prefix = "/a/../b"', "line 14: prefix: must have no dot segments"),
        ('prefix = "/api/"', 'prefix = "/-/x"', "line 14: prefix: must not begin with /-/"),
        ('prefix = "/api/"', 'prefix = "/Orders"', "line 14: prefix: is given twice"),
        ('api = "DomainAPI"', 'api = "DomainApi"', "line 15: api: is written DomainAPI"),
        ('api = "DomainAPI"', 'api = "Other"', "line 15: api: no tenant has a secret for 'Other'"),
        ("http://127.0.0.1:9000", "ftp://x", "line 16: upstream: must be an http or https URL"),
        ("http://127.0.0.1:9000", "http://u:p@x", "line 16: upstream: must be an http or https"),
        ("http://127.0.0.1:9000", "http://x?a=b", "line 16: upstream: must have no query"),
        ("http://127.0.0.1:9000", "http://x:99999", "line 16: upstream: "),
        *(
            ('upstream = "http', f'allowed_origins = ["{o}"]\nupstream = "http', "must be origins")
            for o in NO_ORIGINS
        ),
        ("port = 8000", 'allowed_origins = ["https://a.example"]', "is not a key here"),
        ('upstream = "http://127.0.0.1:9000"', "", "upstream: is missing; give upstream, or"),
        ('identity = "token"', 'identity = "jwt"', "line 20: identity: must be one of"),
        ('identity = "token"', "idle_seconds = true", "line 20: idle_seconds: must be a number"),
        ('reading = ["/orders/search"]', "reeding = []", "line 22: reeding: is not a key here"),
        ('reading = ["/orders/search"]', 'reading = ["x"]', "line 22: reading: 'x' must be a path"),
        ('tenant = "one"\nurl', 'tenant = "tow"\nurl', "line 24: tenant: there is no tenant 'tow'"),
        ('tenant = "two"\nurl', 'tenant = "one"\nurl', "line 27: tenant: 'one' is given twice"),
    ],
)
def test_what_is_told(before: str, after: str, told: str) -> None:
    assert GOOD.count(before) >= 1
    found = problems(GOOD.replace(before, after, 1))
    assert any(told in problem for problem in found), found


def test_an_empty_file() -> None:
    assert problems("") == [
        "tenants: is missing; the gate needs at least one: [[tenants]]",
        "routes: is missing; the gate needs at least one: [[routes]]",
    ]


def test_origins_as_browsers_spell_them() -> None:
    origins = ("https://app.example.org", "http://localhost:3000", "https://[::1]:8443")
    told = ", ".join(f'"{origin}"' for origin in origins)
    upstream = 'upstream = "http'
    settings = parsed(GOOD.replace(upstream, f"allowed_origins = [{told}]\n{upstream}"))
    assert [route.allowed_origins for route in settings.routes] == [origins, ()]
    assert any("https://app.example.org" in line for line in described(settings))


def test_a_built_in_policy_stays_as_it_is() -> None:
    text = GOOD.replace('api = "Orders"', 'api = "DomainAPI"').replace(
        'tenant = "two"', 'tenant = "one"'
    )
    found = problems(text)
    assert any("the policy of DomainAPI is built in" in problem for problem in found), found


def test_secrets_in_the_file_when_they_are_asked_for() -> None:
    text = GOOD.replace('{ env = "SECRET" }', '"in-the-file"')
    assert "inline_secrets = true" in problems(text)[0]
    settings = parsed(text.replace("port = 8000", "inline_secrets = true"))
    assert settings.tenants[1].secrets == {"Orders": "in-the-file"}


def test_secrets_and_keys_in_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    subprocess.run(
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out gate.key".split(),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    text = GOOD.replace('{ env = "SECRET" }', '{ file = "secret" }')
    text = text.replace("port = 8000", 'signing_key = { file = "gate.key" }')
    settings = parsed(text, tmp_path)
    assert settings.tenants[1].secrets == {"Orders": "from-a-file"}
    gate = Gate(settings)
    assert gate.signing_key is not None
    assert gate.signing_key.algorithm == "ES256"
    # The same file is the same key, so that several processes and a restart are one gate.
    assert settings.signing_key is not None
    assert signing_key_of(settings.signing_key).kid == gate.signing_key.kid

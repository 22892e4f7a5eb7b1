"""An instance and an application of another site, as `mintgate serve` and a page server.

On https their hosts have nothing in common; over http both are this machine, under names that are
different sites for a browser.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.browser.page_server import PageServer, serving_pages
from tests.wire.test_serve import free_port, run, serving
from tests.world import PASSWORD, aspnet_hash

INSTANCE_HOST, APP_HOST = "orion.test", "shop.example"
SPA, NATIVE = "shop.example/spa", "shop.example/native"

FILE = """
[instance]
name = "orion"
database = "ORION"
base_url = "{base}"
second_factor_community = "required"

[[applications]]
ApplicationUri = "shop.example/spa"
Name = "Shop"
ClientType = "Public"
ImpersonateLoginUrl = "{app}/oidc-client-ts/callback,{app}/msal/redirect"
ImpersonateLogoutUrl = "{app}/oidc-client-ts,{app}/msal"
ImpersonateAsInternalUserAllowed = true
RequireConsent = true
Scope = "read"

[[applications]]
ApplicationUri = "shop.example/native"
Name = "Shop on the phone"
ClientType = "Public"
ImpersonateLoginUrl = "com.example.app:/callback,http://127.0.0.1/native,http://[::1]/native"
ImpersonateLogoutUrl = "com.example.app:/signed-out"
ImpersonateAsInternalUserAllowed = true
ImpersonateAsCommunityUserAllowed = true
RequireConsent = true
Scope = "read"
"""
USER = """
[[users]]
Login = "{login}"
Name = "{name}"
UserType = "{kind}"
PasswordHash = "{password}"
"""


class Person(NamedTuple):
    """Somebody with an account; each test has its own, as consent is remembered [EXT-2]."""

    login: str
    name: str
    kind: str = "InternalUser"


MIRA = Person("mira", "Mira Kolarova")
BORIS = Person("boris", "Boris Iliev")
VERA = Person("vera", "Vera Stoeva")
PETAR = Person("petar", "Petar Danev")
NINA = Person("nina", "Nina Boneva")
IVAN = Person("ivan", "Ivan Markov")
ANA = Person("ana", "Ana Buyer", "ExternalCommunityUser")
"""Needs a second factor."""
PERSONS = (MIRA, BORIS, VERA, PETAR, NINA, IVAN, ANA)


class Sites(NamedTuple):
    """What is up: the instance, and the application's pages.

    `direct` reaches the instance from this process, which cannot resolve its host's name.
    """

    base: str
    app: PageServer
    direct: httpx.Client

    @property
    def issuer(self) -> str:
        return f"{self.base}/id"

    @property
    def is_https(self) -> bool:
        return self.base.startswith("https:")


@contextmanager
def serving_sites(folder: Path, certificate: tuple[Path, Path] | None) -> Iterator[Sites]:
    """Both, over https when there is a certificate, which is for `localhost` too."""
    port = free_port()
    if certificate is None:
        scheme, host, app_host = "http", f"127.0.0.1:{port}", "localhost"
        near, verify, arguments = f"http://{host}", ssl.create_default_context(), []
    else:
        scheme, host, app_host = "https", f"{INSTANCE_HOST}:{port}", APP_HOST
        near = f"https://localhost:{port}"
        verify = ssl.create_default_context(cafile=str(certificate[0]))
        arguments = ["--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1])]
    base = f"{scheme}://{host}"
    with serving_pages(scheme, app_host, certificate) as app:
        app.settings = {
            "authority": f"{base}/id",
            "host": host,
            "client": SPA,
            "customers": f"{base}/api/domain/odata/Crm_Sales_Customers",
        }
        _declare(folder, base, app.origin)
        with (
            serving(folder, port, *arguments, probe=(near, verify)),
            httpx.Client(base_url=near, verify=verify, headers={"Host": host}) as direct,
        ):
            yield Sites(base, app, direct)


def _declare(folder: Path, base: str, app: str) -> None:
    password = aspnet_hash(PASSWORD)
    people = [USER.format(password=password, **person._asdict()) for person in PERSONS]
    file = folder / "instance.toml"
    file.write_text(FILE.format(base=base, app=app) + "".join(people))
    done = run("apply", str(file), cwd=folder)
    assert done.returncode == 0, done.stderr

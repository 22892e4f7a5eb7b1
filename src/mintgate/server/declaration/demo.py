"""The demo instance: something to try mintgate with, declared like any other."""

from __future__ import annotations

import msgspec

from mintgate.contract.identifiers import new_secret
from mintgate.server.declaration.model import Declaration
from mintgate.server.declaration.read import read

INSTANCE_NAME = "demo"
SERVICE, WEB, NATIVE, ADMIN_TOOL = (
    "demo.app/service",
    "demo.app/web",
    "demo.app/native",
    "demo.app/admin",
)
COMMAND_LINE = "mintgate.cli"
"""The public application as which `mintgate token get` signs in."""

_FILE = """
[instance]
name = "demo"
database = "DEMO"
base_url = "{base_url}"
licences = 1000

[[applications]]
ApplicationUri = "demo.app/service"
Name = "Demo service"
ApplicationSecret = {{ env = "SERVICE_SECRET" }}
SystemUserAllowed = true
SystemUser = "svc.demo"
Scope = "read update"

[[applications]]
ApplicationUri = "demo.app/web"
Name = "Demo web application"
ApplicationSecret = {{ env = "WEB_SECRET" }}
ImpersonateLoginUrl = "http://127.0.0.1:9101/callback"
ImpersonateLogoutUrl = "http://127.0.0.1:9101/"
ImpersonateAsInternalUserAllowed = true
ImpersonateAsCommunityUserAllowed = true
Scope = "read update"

[[applications]]
ApplicationUri = "demo.app/native"
Name = "Demo native and single-page application"
ClientType = "Public"
ImpersonateLoginUrl = "http://127.0.0.1/callback,http://127.0.0.1:9102/callback"
ImpersonateLogoutUrl = "http://127.0.0.1/,http://127.0.0.1:9102/"
ImpersonateAsInternalUserAllowed = true
ImpersonateAsCommunityUserAllowed = true
Scope = "read update"

[[applications]]
ApplicationUri = "demo.app/admin"
Name = "Demo administration tool"
ApplicationSecret = {{ env = "ADMIN_TOOL_SECRET" }}
SystemUserAllowed = true
SystemUser = "admin"
Scope = "read update sec"

[[applications]]
ApplicationUri = "mintgate.cli"
Name = "mintgate command line"
ClientType = "Public"
ImpersonateLoginUrl = "http://127.0.0.1/callback"
ImpersonateAsInternalUserAllowed = true
Scope = "read update"

[[users]]
Login = "svc.demo"
Name = "Demo service"
UserType = "SystemUserNoLogin"

[[users]]
Login = "admin"
Name = "Ada Administrator"
UserType = "InternalUser"
Email = "admin@demo.example"
EmailConfirmed = true
DefaultLanguage = "en-US"
IsAdmin = true
Password = {{ env = "PASSWORD" }}

[[users]]
Login = "john.doe"
Name = {{ en = "John Doe", bg = "Джон Доу" }}
UserType = "InternalUser"
Email = "john.doe@demo.example"
EmailConfirmed = true
DefaultLanguage = "bg"
Password = {{ env = "PASSWORD" }}

[[users]]
Login = "carla.community"
Name = "Carla Community"
UserType = "ExternalCommunityUser"
Email = "carla@customer.example"
Password = {{ env = "PASSWORD" }}
"""


class DemoSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """The secrets of the demo applications, and the password of its users.

    The defaults are known to everyone: for loopback only.
    """

    service: str = "demo-secret"
    web: str = "demo-web-secret"
    admin_tool: str = "demo-admin-secret"
    password: str = "demo-password"  # noqa: S105 - meant to be known

    @classmethod
    def random(cls) -> DemoSecrets:
        """Secrets of 256 bits each."""
        return cls(
            service=new_secret(),
            web=new_secret(),
            admin_tool=new_secret(),
            password=new_secret(),
        )


class Demo(msgspec.Struct, frozen=True):
    declaration: Declaration
    secrets: DemoSecrets


def demo(port: int, *, random_secrets: bool = False) -> Demo:
    """The demo instance on `http://127.0.0.1:PORT`.

    Args:
        random_secrets: new secrets at each call, for when others can reach the port.
    """
    secrets = DemoSecrets.random() if random_secrets else DemoSecrets()
    environment = {
        "SERVICE_SECRET": secrets.service,
        "WEB_SECRET": secrets.web,
        "ADMIN_TOOL_SECRET": secrets.admin_tool,
        "PASSWORD": secrets.password,
    }
    text = _FILE.format(base_url=f"http://127.0.0.1:{port}")
    return Demo(read(text, environment), secrets)

"""What `mintgate serve --demo` prints: commands to copy, which work as they stand."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mintgate.contract.instance import ODATA_ROOT_PATH

if TYPE_CHECKING:
    from mintgate.server.declaration.demo import DemoSecrets

_TEXT = """mintgate demo instance at {base} (1,000 licences). Ctrl+C ends it.

Five customers, with a token of the demo service:

  {customers}

Applications and users of the demo:

  service   client_id demo.app/service    client_secret {service}   (client credentials)
  web       client_id demo.app/web        client_secret {web}
            redirect_uri http://127.0.0.1:9101/callback
  native    client_id demo.app/native     (public, PKCE)
            redirect_uri http://127.0.0.1:9102/callback
  admin     client_id demo.app/admin      client_secret {admin_tool}   (scope sec)
  people    admin, john.doe, carla.community   password {password}

Sign in as a person, in the browser:  {program} token get --browser
Look inside a token:                  {program} token get … | {program} token inspect
Mail to people:                       is shown here (try "Forgot your password?")
Metadata:                             {base}/id/.well-known/openid-configuration
"""

_WITHOUT_CURL = (
    '{python} -c \'import sys, urllib.request as u; print(u.urlopen(u.Request("{url}", '
    'headers={{"Authorization": "Bearer " + sys.argv[1]}})).read().decode())\' "{token}"'
)


def demo_text(port: int, secrets: DemoSecrets) -> str:
    """The text for an instance on `port` with these secrets."""
    program = program_name()
    base = f"http://127.0.0.1:{port}"
    url = f"{base}{ODATA_ROOT_PATH}Crm_Sales_Customers?$top=5"
    token = (
        f"$(MINTGATE_CLIENT_SECRET={secrets.service} {program} token get "
        f"--issuer {base}/id --client-id demo.app/service)"
    )
    if shutil.which("curl"):
        quoted = url.replace("$", "\\$")
        customers = f'curl -s "{quoted}" -H "Authorization: Bearer {token}"'
    else:
        customers = _WITHOUT_CURL.format(python=sys.executable, url=url, token=token)
    return _TEXT.format(
        base=base,
        program=program,
        customers=customers,
        service=secrets.service,
        web=secrets.web,
        admin_tool=secrets.admin_tool,
        password=secrets.password,
    )


def program_name() -> str:
    """How this program is called here: its name when it is on the PATH, else its path."""
    called = Path(sys.argv[0])
    found = shutil.which("mintgate")
    if found is not None and Path(found).resolve() == called.resolve():
        return "mintgate"
    if called.name != "mintgate":
        return f"{sys.executable} -m mintgate.cli"
    try:
        return str(called.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(called.resolve())

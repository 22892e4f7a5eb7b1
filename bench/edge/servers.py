"""nginx and Apache of the machine, each configured as their documentation or ours says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from bench.guarding import asked
from bench.guarding.names import API, API_SECRET, INSTANCE
from bench.minting.subject import free_port
from bench.problems import PeerUnavailable
from bench.processes import ROOT, Child, Children

EXAMPLE = ROOT / "examples" / "nginx" / "mintgate.conf"
APACHE_MODULES = Path("/usr/lib/apache2/modules")
MOD_OAUTH2 = "mod_oauth2.so"
_NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
_NGINX_ALONE = """
upstream my_api {{
    server 127.0.0.1:{api};
    keepalive 32;
}}
server {{
    listen 127.0.0.1:{front};
    location / {{
        proxy_pass http://my_api$request_uri;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
    }}
}}
"""
_APACHE = """
ServerRoot {folder}
ServerName 127.0.0.1
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Mutex file:{folder}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule oauth2_module {modules}/mod_oauth2.so
{user}
Listen 127.0.0.1:{front}
KeepAlive On
MaxKeepAliveRequests 0
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
ProxyPass / http://127.0.0.1:{api}/
OAuth2TokenVerify jwks_uri {issuer}/.well-known/openid-configuration/jwks jwks_uri.ssl_verify=false
OAuth2TargetPass remote_user_claim=client_id
<Location />
  AuthType oauth2
  Require oauth2_claim iss:{issuer}
</Location>
"""


def program(name: str) -> str:
    """Where a server is installed. Raises PeerUnavailable when it is not."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        raise PeerUnavailable(f"{name} is not installed: make edge")
    return found


def nginx_alone(children: Children, folder: Path, core: int, api: int) -> tuple[Child, int]:
    """nginx that passes everything on."""
    port = free_port()
    text = _NGINX_ALONE.format(front=port, api=api)
    return _nginx(children, folder / "nginx-alone", core, port, text), port


def nginx_asking(
    children: Children, folder: Path, core: int, api: int, mintgate: int
) -> tuple[Child, int]:
    """nginx with the configuration of our example, which asks forward auth about each request."""
    port = free_port()
    text = EXAMPLE.read_text()
    for shown, real in (("8000", port), ("8080", mintgate), ("9000", api)):
        text = re.sub(rf"\b{shown}\b", str(real), text)
    text = text.replace("nginx/orion/DomainAPI", f"nginx/{INSTANCE}/{API}")
    secret = f'proxy_set_header X-Mintgate-Gate-Secret "{API_SECRET}";'
    text = text.replace("include /etc/nginx/mintgate-secret.conf;", secret)
    return _nginx(children, folder / "nginx-asking", core, port, text), port


def apache(children: Children, folder: Path, core: int, api: int, issuer: str) -> tuple[Child, int]:
    """Apache with mod_oauth2 as a resource server: signature, times and issuer.

    Raises:
        PeerUnavailable: either is not installed.
    """
    httpd = program("apache2")
    if not (APACHE_MODULES / MOD_OAUTH2).exists():
        raise PeerUnavailable("mod_oauth2 is not installed: apt-get install libapache2-mod-oauth2")
    port, own = free_port(), folder / "apache"
    own.mkdir()
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    values = {"folder": own, "modules": APACHE_MODULES, "user": user, "issuer": issuer}
    (own / "httpd.conf").write_text(_APACHE.format(front=port, api=api, **values))
    command = [httpd, "-f", str(own / "httpd.conf"), "-DFOREGROUND"]
    child = children.start("apache", core, command)
    asked.wait_for(child, port)
    return child, port


def versions() -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for name, option in (("nginx", "-v"), ("apache2", "-v")):
        try:
            done = subprocess.run(
                [program(name), option], capture_output=True, text=True, check=False, timeout=30
            )
        except (PeerUnavailable, OSError):
            continue
        number = re.search(r"(?:nginx|Apache)/([\d.]+)", done.stdout + done.stderr)
        found[name] = number[1] if number else "unknown"
    return found


def _nginx(children: Children, own: Path, core: int, port: int, site: str) -> Child:
    own.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""  # who may read the folder of this run
    (own / "site.conf").write_text(site)
    (own / "nginx.conf").write_text(_NGINX.format(folder=own, user=user))
    command = [program("nginx"), "-p", str(own), "-c", str(own / "nginx.conf")]
    child = children.start(own.name, core, command)
    asked.wait_for(child, port)
    return child

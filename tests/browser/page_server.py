"""An application's server: the pages of `tests/browser/applications`, and libraries from npm."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.node_packages import PACKAGES

PAGES = Path(__file__).parent / "applications"
FILES = {
    "/oidc-client-ts": PAGES / "oidc_client.html",
    "/oidc-client-ts/callback": PAGES / "oidc_client.html",
    "/oidc_client.js": PAGES / "oidc_client.js",
    "/msal": PAGES / "msal.html",
    "/msal/redirect": PAGES / "msal_redirect.html",
    "/msal.js": PAGES / "msal.js",
    "/msal_redirect.js": PAGES / "msal_redirect.js",
    "/style.css": PAGES / "style.css",
    "/packages/oidc-client-ts.js": PACKAGES / "oidc-client-ts/dist/browser/oidc-client-ts.min.js",
    "/packages/msal-browser.js": PACKAGES / "@azure/msal-browser/lib/msal-browser.min.js",
    "/packages/msal-redirect-bridge.js": (
        PACKAGES / "@azure/msal-browser/lib/redirect-bridge/msal-redirect-bridge.min.js"
    ),
}
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css"}


class PageServer:
    """An application that is up; `settings` are what its scripts know of the identity server."""

    def __init__(self, origin: str, port: int) -> None:
        self.origin = origin
        self.port = port
        self.settings: dict[str, str] = {}

    def file(self, path: str) -> tuple[str, bytes] | None:
        """What is at this path, with its media type."""
        if path == "/settings.js":
            return TYPES[".js"], f"const settings = {json.dumps(self.settings)};".encode()
        file = FILES.get(path)
        return file and (TYPES[file.suffix], file.read_bytes())


@contextmanager
def serving_pages(
    scheme: str, host: str, certificate: tuple[Path, Path] | None = None
) -> Iterator[PageServer]:
    """Listens on this machine; `host` is the name under which browsers know it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = pages.file(urlsplit(self.path).path)
            media_type, body = found or ("text/plain", b"")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not into the output of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        # A browser opens connections in advance; shaking hands with one must not stop the others.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    pages = PageServer(f"{scheme}://{host}:{server.server_port}", server.server_port)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield pages
    server.shutdown()
    server.server_close()

"""A relying party in a process of its own: it is told of sign-outs and writes down what it got.

`python relying_party.py ISSUER CLIENT_ID FAILURES` prints its port and then a JSON line for each
request. It validates logout tokens with PyJWT and the keys of the issuer's JWKS (OpenID Connect
Back-Channel Logout §2.6), after it has answered 503 to the first FAILURES of them.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit
from urllib.request import urlopen

import jwt

EVENT = "http://schemas.openid.net/event/backchannel-logout"
FRONT_PAGE = b"<!doctype html><title>signed out</title><p>signed out here</p>"


class RelyingParty(BaseHTTPRequestHandler):
    issuer: str
    client_id: str
    failures: int
    seen_jtis: set[str] = set()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
        token = parse_qs(body)["logout_token"][0]
        try:
            claims = self.validated(token)
        except (jwt.PyJWTError, AssertionError) as error:
            self.tell(path=self.path, problem=repr(error))
            self.answer(400)
            return
        status = 200
        if type(self).failures:
            type(self).failures -= 1
            status = 503
        self.tell(path=self.path, claims=claims, status=status)
        self.answer(status)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/slow":
            time.sleep(30)
        self.tell(path=parts.path, query=dict(parse_qsl(parts.query)))
        self.answer(200, FRONT_PAGE)

    def validated(self, token: str) -> dict[str, Any]:
        metadata = json.load(urlopen(f"{self.issuer}/.well-known/openid-configuration"))
        assert metadata["backchannel_logout_supported"] is True
        assert metadata["backchannel_logout_session_supported"] is True
        key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
        assert jwt.get_unverified_header(token)["typ"] == "logout+jwt"
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=self.client_id,
            issuer=metadata["issuer"],
            options={"require": ["iss", "aud", "iat", "exp", "jti", "events", "sid"]},
        )
        assert claims["events"] == {EVENT: {}}
        assert "nonce" not in claims
        assert claims["jti"] not in self.seen_jtis
        self.seen_jtis.add(claims["jti"])
        return claims

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def tell(self, **what: Any) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), RelyingParty)
    RelyingParty.issuer, RelyingParty.client_id = sys.argv[1:3]
    RelyingParty.failures = int(sys.argv[3])
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()

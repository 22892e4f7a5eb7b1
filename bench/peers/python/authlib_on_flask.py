# mypy: ignore-errors
"""Authlib's authorization server on Flask: RS256 JWT access tokens by client credentials.

As its documentation has it; the client is in memory, and nothing is written down.
"""

import json
import os
import time
from pathlib import Path

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey

SETTINGS = json.loads(Path(os.environ["BENCH_SETTINGS"]).read_text())
KEY = RSAKey.import_key(SETTINGS["jwk"])
HEADER = {"alg": "RS256", "kid": SETTINGS["jwk"]["kid"], "typ": "at+jwt"}
LIFETIME = 3600


class Client(ClientMixin):
    def get_client_id(self):
        return SETTINGS["clientId"]

    def check_client_secret(self, client_secret):
        import hmac

        return hmac.compare_digest(client_secret, SETTINGS["clientSecret"])

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_post"

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"

    def get_allowed_scope(self, scope):
        allowed = set(SETTINGS["scope"].split())
        return " ".join(s for s in (scope or "").split() if s in allowed)


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]


def access_token(client, grant_type, user, scope):
    now = int(time.time())
    claims = {
        "iss": SETTINGS["issuer"],
        "aud": "DomainAPI",
        "sub": client.get_client_id(),
        "client_id": client.get_client_id(),
        "scope": scope,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": os.urandom(16).hex(),
    }
    return jwt.encode(HEADER, claims, KEY)


def query_client(client_id):
    return Client() if client_id == SETTINGS["clientId"] else None


app = Flask(__name__)
server = AuthorizationServer(app, query_client=query_client, save_token=lambda token, request: None)
server.register_grant(ClientCredentials)
server.register_token_generator(
    "default", BearerTokenGenerator(access_token, expires_generator=lambda *_: LIFETIME)
)


@app.post("/token")
def token():
    return server.create_token_response()

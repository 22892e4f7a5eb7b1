"""What tests do not pay again and again: costs on purpose, and what is the same every time."""

from __future__ import annotations

import functools
import os
import ssl
from typing import Any

import httpx._transports.default as transports
from argon2 import PasswordHasher

from mintgate.identity import passwords
from mintgate.identity.signin import password as sign_in

_OTHER_CERTIFICATES = {"SSL_CERT_FILE", "SSL_CERT_DIR"}
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def save() -> None:
    """Make passwords cheap to check in this process, and clients cheap to make.

    Servers in processes of their own pay for passwords as anybody's do.
    """
    passwords._hasher = CHEAP
    sign_in._NOBODYS_HASH = passwords.unmatchable_hash()
    # Reading all certificates of the machine is most of the making of a client.
    create = transports.create_ssl_context

    @functools.cache
    def usual() -> ssl.SSLContext:
        return create()

    def context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        is_usual = verify is True and cert is None and trust_env
        if is_usual and _OTHER_CERTIFICATES.isdisjoint(os.environ):
            return usual()
        return create(verify=verify, cert=cert, trust_env=trust_env)

    transports.create_ssl_context = context

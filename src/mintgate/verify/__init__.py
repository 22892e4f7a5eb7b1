"""Checking tokens anywhere: the ordered checks, the keys, adapters. Needs no server."""

from mintgate.contract.policy import Policy
from mintgate.verify.api_request import Admission, ApiRequest
from mintgate.verify.asgi import GuardMiddleware
from mintgate.verify.checks import CheckOutcome, Expected
from mintgate.verify.connect import connect, connect_guard
from mintgate.verify.guard import Guard
from mintgate.verify.issuer_client import IssuerClient
from mintgate.verify.keys import KeySource, KeysUnavailable, RemoteKeys
from mintgate.verify.principal import Principal
from mintgate.verify.references import ReferenceSource
from mintgate.verify.remote_references import RemoteReferences
from mintgate.verify.remote_sessions import RemoteSessions
from mintgate.verify.remote_state import RemoteState
from mintgate.verify.sessions import OpenSession
from mintgate.verify.state import StateSource, StateUnavailable, TokenState, UserState
from mintgate.verify.verifier import Verifier
from mintgate.verify.wsgi import WsgiGuardMiddleware

__all__ = [
    "Admission",
    "ApiRequest",
    "CheckOutcome",
    "Expected",
    "Guard",
    "GuardMiddleware",
    "IssuerClient",
    "KeySource",
    "KeysUnavailable",
    "OpenSession",
    "Policy",
    "Principal",
    "ReferenceSource",
    "RemoteKeys",
    "RemoteReferences",
    "RemoteSessions",
    "RemoteState",
    "StateSource",
    "StateUnavailable",
    "TokenState",
    "UserState",
    "Verifier",
    "WsgiGuardMiddleware",
    "connect",
    "connect_guard",
]

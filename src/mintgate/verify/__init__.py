"""Checking tokens anywhere: the ordered checks, the keys, adapters. Needs no server."""

from mintgate.verify.asgi import BearerMiddleware
from mintgate.verify.checks import CheckOutcome, Expected
from mintgate.verify.guard import Guard
from mintgate.verify.keys import KeySource, KeysUnavailable, RemoteKeys
from mintgate.verify.principal import Principal
from mintgate.verify.references import ReferenceSource
from mintgate.verify.state import StateSource, StateUnavailable, TokenState, UserState
from mintgate.verify.verifier import Verifier

__all__ = [
    "BearerMiddleware",
    "CheckOutcome",
    "Expected",
    "Guard",
    "KeySource",
    "KeysUnavailable",
    "Principal",
    "ReferenceSource",
    "RemoteKeys",
    "StateSource",
    "StateUnavailable",
    "TokenState",
    "UserState",
    "Verifier",
]

"""Whom a rule of second factors concerns, so that who changes it sees what will happen."""

from __future__ import annotations

import msgspec

from mintgate.contract.users import UserType
from mintgate.identity.administration.call import Call
from mintgate.store import second_factors
from mintgate.store.second_factors import People


class FactorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Args:
    own: whether the person who asks has a second factor.
    """

    internal: People
    community: People
    own: bool


def show(call: Call) -> FactorFacts:
    here, now = call.instance.id, call.now
    return FactorFacts(
        internal=second_factors.people(call.connection, here, UserType.INTERNAL, now),
        community=second_factors.people(call.connection, here, UserType.COMMUNITY, now),
        own=second_factors.is_enabled(call.connection, here, call.acting.user.id),
    )

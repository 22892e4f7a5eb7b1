"""The APIs of an instance and how each is guarded: the four built-in ones [TOP-5], and those that
an operator declares [EXT-12]."""

from __future__ import annotations

import msgspec

from mintgate.contract import policy as policy_rules
from mintgate.contract.instance import API_AUDIENCES
from mintgate.contract.policy import BUILT_IN, Policy

MAX_NAME = 64
MAX_PER_MINUTE = 1_000_000
TAKES_BASIC = ("DomainAPI", "TableAPI")
"""[LEG-15] The APIs that HTTP Basic can open."""
# An audience with this ending is the issuer's own [TOK-50].
_OWN_ENDING = "/resources"
# The name is the user name of HTTP Basic, which a colon ends [ITR-1]; it stands in quotes in
# challenges, and spaces separate it from others in `Audiences`.
_NOT_IN_NAMES = frozenset("\"'\\:")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests per minute [API-50, API-54]; 0 is off, None is what the API has by itself."""

    per_session: int | None = None
    per_client: int | None = None
    per_user: int | None = None
    per_address: int | None = None


DEFAULT_LIMITS = {"DomainAPI": Limits(per_session=600)}
"""[API-50] An API that is not named has none."""


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How an API is guarded.

    Args:
        name: its audience.
        policy: which scope its operations need; for a built-in API it cannot be another.
        limits: as declared; `limits_in_force` is what holds.
        basic_client: the `ApplicationUri` under which HTTP Basic works where the caller names no
            application [LEG-4]; None: Basic is not taken.
    """

    name: str
    policy: Policy = Policy()
    limits: Limits = Limits()
    basic_client: str | None = None

    @property
    def is_built_in(self) -> bool:
        return self.name in BUILT_IN

    @property
    def allows_basic(self) -> bool:
        """[LEG-8] Off unless an application is named for it."""
        return self.basic_client is not None

    @property
    def limits_in_force(self) -> Limits:
        """Requests per minute, each more than 0; None is off."""
        usual = msgspec.structs.asdict(DEFAULT_LIMITS.get(self.name, Limits()))
        declared = msgspec.structs.asdict(self.limits)
        return Limits(
            **{
                name: (usual[name] if value is None else value) or None
                for name, value in declared.items()
            }
        )


def settings_of(
    name: str,
    policy: Policy | None = None,
    limits: Limits | None = None,
    basic_client: str | None = None,
) -> ApiSettings:
    """The settings of an API of which only that is said which is not None."""
    return ApiSettings(
        name=name,
        policy=BUILT_IN.get(name) or policy or Policy(),
        limits=limits or Limits(),
        basic_client=basic_client,
    )


def problem_of_name(name: str) -> str | None:
    """What is wrong with the name of an API."""
    exact = {built_in.lower(): built_in for built_in in API_AUDIENCES}.get(name.lower(), name)
    if exact != name:
        return f"is written {exact} [TOP-5]"
    if not 1 <= len(name) <= MAX_NAME:
        return f"must have 1 to {MAX_NAME} characters"
    if any(not "!" <= c <= "~" or c in _NOT_IN_NAMES for c in name):
        return "must be printable ASCII without spaces, colons, quotes and backslashes"
    if name.lower().endswith(_OWN_ENDING):
        return f"must not end in {_OWN_ENDING}, as the audience of the issuer itself does [TOK-50]"
    return None


def problems_of_policy(name: str, policy: Policy) -> list[tuple[str, str]]:
    """What is wrong with a policy declared for an API; the key is empty for it as a whole."""
    if name in BUILT_IN:
        return [("", f"must be left out: the policy of {name} is built in and cannot be changed")]
    return policy_rules.problems_of(policy)


def problems_of_limits(limits: Limits) -> list[tuple[str, str]]:
    return [
        (name, f"must be between 0 (off) and {MAX_PER_MINUTE} requests per minute")
        for name, value in msgspec.structs.asdict(limits).items()
        if value is not None and not 0 <= value <= MAX_PER_MINUTE
    ]


def problem_of_basic_client(name: str) -> str | None:
    """Whether this API may have an application for HTTP Basic at all."""
    if name in TAKES_BASIC:
        return None
    return f"is for {' and '.join(TAKES_BASIC)} only: no other API takes HTTP Basic [LEG-15]"

"""Settings of an instance, as administrators see and change them.

The fields are those of `contract.instance.Instance`.
"""

from __future__ import annotations

from mintgate.contract.automation.credentials import Strict
from mintgate.contract.instance import SecondFactorRule, SigningAlgorithm


class InstanceSettings(Strict, frozen=True, kw_only=True):
    """What may change at run time. Its addresses may not, nor the name by which it is declared."""

    access_token_lifetime: int
    public_refresh_tokens: bool
    refresh_grace_seconds: int
    signing_algorithm: SigningAlgorithm
    max_reference_token_days: int | None
    audit_retention_days: int | None
    allow_private_logout_targets: bool
    allow_basic_auth_for_all_users: bool


class Appearance(Strict, frozen=True, kw_only=True):
    """What people see of it."""

    display_name: str | None
    accent_colour: str | None
    logo: str | None


class SecondFactorRules(Strict, frozen=True, kw_only=True):
    """Who has a second factor."""

    second_factor_internal: SecondFactorRule
    second_factor_community: SecondFactorRule

"""Settings of an instance, as administrators see and change them."""

from __future__ import annotations

from mintgate.contract.automation.credentials import Strict
from mintgate.contract.instance import SigningAlgorithm


class InstanceSettings(Strict, frozen=True, kw_only=True):
    """What may change at run time; see `contract.instance.Instance`. Its addresses may not."""

    name: str
    access_token_lifetime: int
    public_refresh_tokens: bool
    refresh_grace_seconds: int
    signing_algorithm: SigningAlgorithm
    max_reference_token_days: int | None
    audit_retention_days: int | None
    allow_private_logout_targets: bool
    allow_basic_auth_for_all_users: bool

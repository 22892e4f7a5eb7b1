"""What is declared of an API, attribute by attribute, by the names of the file."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mintgate.contract.declared_apis import settings_of
from mintgate.store.apis import StoredApi

SECRET = "SecretHash"  # noqa: S105 - the name of a key


def attributes_of(api: StoredApi | None) -> dict[str, object]:
    """What is not the default anyway, such as `policy.security` or `limits.per_user`."""
    if api is None:
        return {}
    settings = api.settings
    found: dict[str, object] = {SECRET: api.secret_hash} if api.secret_hash else {}
    found |= {f"policy.{key}": value for key, value in declared_policy(api).items()}
    found |= {f"limits.{key}": value for key, value in declared_limits(api).items()}
    if settings.basic_client is not None:
        found["basic_client"] = settings.basic_client
    return found


def declared_policy(api: StoredApi) -> Mapping[str, object]:
    """The keys of `policy` that are not as they are when nobody says anything."""
    return _differing(api.settings.policy, settings_of(api.settings.name).policy)


def declared_limits(api: StoredApi) -> Mapping[str, object]:
    """The keys of `limits` that are declared."""
    return _differing(api.settings.limits, settings_of(api.settings.name).limits)


def _differing(settings: msgspec.Struct, usual: msgspec.Struct) -> dict[str, object]:
    defaults = msgspec.to_builtins(usual)
    return {k: v for k, v in msgspec.to_builtins(settings).items() if v != defaults[k]}

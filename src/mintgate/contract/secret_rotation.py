"""The two secrets of an application: what is told of them, and how they change [EXT-10]. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.automation.secrets import SecretLine, SecretRotation, Which


def lines_of(application: TrustedApplication, now: float) -> list[SecretLine]:
    """The secrets of a record at `now` (Unix seconds), the first one first."""
    live = application.live_secret_hashes(now)
    found: list[SecretLine] = []
    if application.application_secret_hash is not None:
        found.append(
            SecretLine(
                which="first",
                made_at=application.application_secret_made_utc,
                ends_at=application.application_secret_end_utc,
                is_live=live[0] is not None,
            )
        )
    if application.second_secret_hash is not None:
        found.append(
            SecretLine(
                which="second",
                made_at=application.second_secret_made_utc,
                ends_at=application.second_secret_end_utc,
                is_live=live[1] is not None,
            )
        )
    return found


def rotated(
    before: TrustedApplication, new_hash: str, now: float, wanted: SecretRotation
) -> TrustedApplication:
    """The record with a new first secret; `now` in Unix seconds."""
    life = wanted.life_seconds
    after = replace(
        before,
        application_secret_hash=new_hash,
        application_secret_end_utc=int(now) + life if life else None,
        second_secret_hash=None,
        second_secret_end_utc=None,
    )
    if not wanted.kept_seconds or before.live_secret_hashes(now)[0] is None:
        return after
    ends = int(now) + wanted.kept_seconds
    if before.application_secret_end_utc is not None:
        ends = min(ends, before.application_secret_end_utc)
    return replace(
        after, second_secret_hash=before.application_secret_hash, second_secret_end_utc=ends
    )


def without(before: TrustedApplication, which: Which) -> TrustedApplication:
    """The record without one of its secrets. Raises NoSuchRecord when it has not got it."""
    if which == "second":
        hashed = before.second_secret_hash
        after = replace(before, second_secret_hash=None, second_secret_end_utc=None)
    else:
        hashed = before.application_secret_hash
        after = replace(before, application_secret_hash=None, application_secret_end_utc=None)
    if hashed is None:
        raise NoSuchRecord("There is no such secret.")
    return after

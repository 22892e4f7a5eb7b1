"""Signing keys: list, rotate, declare compromised [DSC-14, EXT-14]."""

from __future__ import annotations

from typing import Any

from mintgate.contract.automation import credentials
from mintgate.contract.automation.credentials import Compromised, KeyRecord, Page
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.contract.identifiers import new_hex128
from mintgate.contract.instance import Instance
from mintgate.contract.key_life import (
    KNOWN_EVERYWHERE,
    PUBLISHED_BEFORE_USE,
    KeyTimes,
    active_key,
    removal_time,
    state_of,
)
from mintgate.identity.administration.call import Call, whole
from mintgate.jose import SigningKey
from mintgate.store import keys


def list_all(call: Call) -> Page[KeyRecord]:
    """Oldest first. The next one is made by the server when it is due."""
    found = keys.times(call.connection, call.instance.id)
    return whole([_shown(call, key, found) for key in found])


def prepared_key(_: Any, instance: Instance) -> SigningKey:
    """Finding the primes takes too long for a transaction."""
    return SigningKey.generate(new_hex128(), instance.signing_algorithm.value)  # [EXT-6]


def rotate(call: Call) -> KeyRecord:
    """Published now; it signs from tomorrow on, or as soon as every server knows it."""
    tx, instance_id, key = call.lock(), call.instance.id, call.prepared
    at_once = call.given(credentials.Rotation).at_once
    active_from = call.now + (KNOWN_EVERYWHERE if at_once else PUBLISHED_BEFORE_USE)
    keys.add(tx, instance_id, call.key_encryption_key(), key, active_from)
    _record_added(call, key, active_from)
    known = keys.times(tx.connection, instance_id)
    return _shown(call, next(times for times in known if times.kid == key.kid), known)


def compromised(call: Call) -> Compromised:
    """Every token that the key signed is refused; when it was the active one, a new one signs."""
    tx, instance_id, kid = call.lock(), call.instance.id, call.path["kid"]
    known = keys.times(tx.connection, instance_id)
    if kid not in [key.kid for key in known]:
        raise NoSuchRecord("There is no key with this kid.")
    active = active_key(known, call.now)
    if not keys.end(tx, instance_id, kid):
        return Compromised(kid=kid, ended=False)
    call.record("key.compromised", details={"kid": kid})
    if active is None or active.kid != kid:
        return Compromised(kid=kid, ended=True)
    successor: SigningKey = call.prepared
    keys.add(tx, instance_id, call.key_encryption_key(), successor, call.now)
    _record_added(call, successor, call.now)
    return Compromised(kid=kid, ended=True, successor=successor.kid)


def _record_added(call: Call, key: SigningKey, active_from: float) -> None:
    details = {"kid": key.kid, "algorithm": key.algorithm, "active_from": active_from}
    call.record("key.added", details=details)


def _shown(call: Call, key: KeyTimes, known: list[KeyTimes]) -> KeyRecord:
    return KeyRecord(
        kid=key.kid,
        algorithm=key.algorithm,
        state=state_of(key, known, call.now),
        active_from=key.active_from,
        removed_after=removal_time(key, known),
    )

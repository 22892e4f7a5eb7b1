"""The two ceremonies of passkeys (WebAuthn Level 3 §7), for one instance.

Domain and origin are those of the instance's base URL; no header has a say. A passkey must verify
its user, by a fingerprint, a face or a PIN, and so stands for two factors.

The library is imported with the first passkey: it takes as long as the rest of a start.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

import msgspec

from mintgate.contract.identifiers import new_guid, token_digest
from mintgate.contract.instance import Instance
from mintgate.contract.second_factors import AmrName, passkey_domain
from mintgate.store.passkeys import Passkey

CHALLENGE_SECONDS = 300.0
TIMEOUT_MILLISECONDS = 300_000
MAX_CREDENTIAL_BYTES = 32 * 1024
_ALGORITHMS = (-8, -7, -257)
"""EdDSA, ES256, RS256 (RFC 9053), best first."""
_TRANSPORTS = frozenset({"usb", "nfc", "ble", "smart-card", "hybrid", "internal", "cable"})

Json = dict[str, Any]


class PasskeyRefused(Exception):
    """It proves nothing; the message is for the audit log."""


class PasskeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """A verified signature."""

    sign_count: int
    backed_up: bool


def new_challenge() -> str:
    """Base64url of 256 random bits (§13.4.3)."""
    return secrets.token_urlsafe(32)


def challenge_digest(challenge: str) -> str:
    """The form in which a challenge is stored."""
    return token_digest(challenge)


def sign_in_options(instance: Instance, challenge: str, allowed: Iterable[Passkey] = ()) -> Json:
    """For `navigator.credentials.get()` (§5.5).

    Args:
        allowed: those that will do; none leaves the choice to the authenticator, which then tells
            who it is (§14.6.3).
    """
    return {
        "challenge": challenge,
        "timeout": TIMEOUT_MILLISECONDS,
        "rpId": passkey_domain(instance),
        "allowCredentials": [_described(passkey) for passkey in allowed],
        "userVerification": "required",
    }


def registration_options(
    instance: Instance,
    challenge: str,
    *,
    user_handle: str,
    login: str,
    display_name: str,
    known: Iterable[Passkey],
) -> Json:
    """For `navigator.credentials.create()` (§5.4).

    Args:
        known: the person's passkeys, so that no authenticator makes a second one.
    """
    return {
        "rp": {"id": passkey_domain(instance), "name": instance.name},
        "user": {"id": user_handle, "name": login, "displayName": display_name},
        "challenge": challenge,
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in _ALGORITHMS],
        "timeout": TIMEOUT_MILLISECONDS,
        "excludeCredentials": [_described(passkey) for passkey in known],
        "authenticatorSelection": {
            "residentKey": "required",  # else it could not be used without a login
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser sent, read as far as needed to find the challenge and the passkey."""

    credential: Json
    credential_id: bytes
    challenge: str
    user_handle: str | None

    def __repr__(self) -> str:
        return "Answer(…)"


def read_answer(text: str) -> Answer:
    """Read a credential in its JSON form (§5.1). Raises PasskeyRefused."""
    if len(text) > MAX_CREDENTIAL_BYTES:
        raise PasskeyRefused("the credential is too long")
    try:
        credential = json.loads(text)
        response = credential["response"]
        client_data = json.loads(_decoded(response["clientDataJSON"]))
        handle = response.get("userHandle")
        if client_data.get("crossOrigin"):
            raise PasskeyRefused("it was used in a frame of another site")
        return Answer(
            credential=credential,
            credential_id=_decoded(credential["rawId"]),
            challenge=_encoded(_decoded(client_data["challenge"])),
            user_handle=_encoded(_decoded(handle)) if handle else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PasskeyRefused(f"the credential is malformed ({type(error).__name__})") from None


def verify_use(instance: Instance, answer: Answer, passkey: Passkey) -> PasskeyUse:
    """Check everything of a signature but that its challenge is ours, and its count (§7.2).

    Raises:
        PasskeyRefused: it does not hold.
    """
    from webauthn import verify_authentication_response

    try:
        verified = verify_authentication_response(
            credential=answer.credential,
            expected_challenge=_decoded(answer.challenge),
            expected_rp_id=passkey_domain(instance) or "",
            expected_origin=instance.base_url,
            credential_public_key=passkey.public_key,
            # The count is compared where it is stored, after the signature is known to hold.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001 - whatever the parsers of the library raise
        raise PasskeyRefused(_told(error)) from None
    return PasskeyUse(sign_count=verified.new_sign_count, backed_up=verified.credential_backed_up)


def verify_registration(
    instance: Instance, answer: Answer, *, user_id: str, name: str, now: float
) -> Passkey:
    """Check everything of a new passkey but that its challenge is ours (§7.1).

    Args:
        name: what its owner calls it.
        now: Unix seconds.

    Raises:
        PasskeyRefused: it is none.
    """
    from webauthn import verify_registration_response
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    try:
        verified = verify_registration_response(
            credential=answer.credential,
            expected_challenge=_decoded(answer.challenge),
            expected_rp_id=passkey_domain(instance) or "",
            expected_origin=instance.base_url,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(alg) for alg in _ALGORITHMS],
        )
    except Exception as error:  # noqa: BLE001 - whatever the parsers of the library raise
        raise PasskeyRefused(_told(error)) from None
    if not 1 <= len(verified.credential_id) <= 1023:  # §4, credential id
        raise PasskeyRefused("the credential id is too long")
    return Passkey(
        id=new_guid(),
        user_id=user_id,
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=_transports_of(answer),
        name=name,
        backup_eligible=verified.credential_device_type.value == "multi_device",
        backed_up=verified.credential_backed_up,
        created_at=now,
    )


def amr_of(passkey: Passkey) -> tuple[str, ...]:
    """The methods of a use (RFC 8176 §2): a key that can be copied is not in hardware alone."""
    key = AmrName.SOFTWARE_KEY if passkey.backup_eligible else AmrName.HARDWARE_KEY
    return (key.value, AmrName.PRESENCE.value, AmrName.SEVERAL_FACTORS.value)


def _transports_of(answer: Answer) -> tuple[str, ...]:
    told = answer.credential["response"].get("transports")
    if not isinstance(told, list):
        return ()
    return tuple(t for t in _TRANSPORTS if t in told)


def _described(passkey: Passkey) -> Json:
    return {
        "type": "public-key",
        "id": _encoded(passkey.credential_id),
        "transports": list(passkey.transports),
    }


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))

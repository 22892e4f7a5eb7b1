"""Password hashes: argon2id for new ones, ASP.NET Core Identity v3 accepted [USR-7, EXT-1]."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from mintgate.contract.users import MAX_PASSWORD_BYTES

# RFC 9106 §4, second recommended option in memory terms that a server can pay for many times.
_hasher = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
_PRF = {0: "sha1", 1: "sha256", 2: "sha512"}


def unmatchable_hash() -> str:
    """A hash whose check costs what any check costs, and that no password is known to have.

    Its digest is random rather than computed, so that a process starts without hashing.
    """
    salt, digest = (
        b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (_hasher.salt_len, _hasher.hash_len)
    )
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


def hash_password(password: str) -> str:
    """An argon2id hash in PHC form; takes tens of milliseconds of one core."""
    return _hasher.hash(password)


def password_matches(password: str, stored: str) -> bool:
    """Whether `password` has the hash `stored`, in either format."""
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        return False
    if is_argon2id(stored):
        try:
            return _hasher.verify(stored, password)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False
    return _matches_aspnet_v3(password, stored)


def is_argon2id(stored: str) -> bool:
    """Whether the hash is argon2id, whose check costs what a check must cost."""
    return stored.startswith("$argon2id$")


def needs_upgrade(stored: str) -> bool:
    """Whether a sign-in should replace the hash by one of today's kind [EXT-1]."""
    return not is_argon2id(stored) or _hasher.check_needs_rehash(stored)


def is_password_hash(text: str) -> bool:
    """Whether `text` is a hash that `password_matches` understands; MD5 never is."""
    if text.startswith("$argon2id$"):
        try:
            extract_parameters(text)
        except InvalidHashError:
            return False
        return True
    return _aspnet_v3(text) is not None


def _matches_aspnet_v3(password: str, stored: str) -> bool:
    parts = _aspnet_v3(stored)
    if parts is None:
        return False
    prf, rounds, salt, expected = parts
    actual = hashlib.pbkdf2_hmac(prf, password.encode(), salt, rounds, len(expected))
    return hmac.compare_digest(actual, expected)


def _aspnet_v3(stored: str) -> tuple[str, int, bytes, bytes] | None:
    # Marker 0x01, then PRF, iterations, salt length as big-endian 32 bit, salt, subkey.
    try:
        data = b64decode(stored, validate=True)
    except (Base64Error, ValueError):
        return None
    if len(data) < 13 or data[0] != 1:
        return None
    prf = _PRF.get(int.from_bytes(data[1:5], "big"))
    rounds = int.from_bytes(data[5:9], "big")
    salt_length = int.from_bytes(data[9:13], "big")
    salt, subkey = data[13 : 13 + salt_length], data[13 + salt_length :]
    if prf is None or not 1 <= rounds <= 10_000_000 or salt_length < 16 or len(subkey) < 16:
        return None
    return prf, rounds, salt, subkey

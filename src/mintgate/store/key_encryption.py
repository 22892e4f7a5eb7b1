"""The key-encryption key: it seals what must not be read from the database (AES-256-GCM).

What is sealed begins with the fingerprint of the key that did it, so that the right one of several
is found while the key is being changed.
"""

from __future__ import annotations

import hmac
import os
import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
FINGERPRINT_BYTES = 8
KEY_VARIABLE = "MINTGATE_KEY_ENCRYPTION_KEY"
PREVIOUS_KEY_VARIABLE = "MINTGATE_KEY_ENCRYPTION_KEY_PREVIOUS"
NEW_KEY_VARIABLE = "MINTGATE_KEY_ENCRYPTION_KEY_NEW"
PREVIOUS_FILE_VARIABLE = "MINTGATE_KEY_FILE_PREVIOUS"


class KeyEncryptionProblem(Exception):
    """The key-encryption key is missing, malformed or not the one that sealed the data."""


class KeyEncryptionKey:
    """Seals and opens private keys; kept apart from the database.

    Args:
        secret: 32 bytes; everything is sealed with it.
        previous: keys that may have sealed what is there; they only open.
    """

    def __init__(self, secret: bytes, previous: Iterable[KeyEncryptionKey] = ()) -> None:
        if len(secret) != 32:
            raise KeyEncryptionProblem("the key-encryption key must have 32 bytes (base64 of them)")
        self._cipher = AESGCM(secret)
        self._fingerprint = hmac.digest(secret, b"mintgate key-encryption key", "sha256")[
            :FINGERPRINT_BYTES
        ]
        self._secret = secret
        self._openers = {self._fingerprint: self._cipher}
        for key in previous:
            self._openers |= {k: v for k, v in key._openers.items() if k not in self._openers}

    def opening_also(self, *previous: KeyEncryptionKey) -> KeyEncryptionKey:
        """The same key, which also opens what `previous` can open."""
        return KeyEncryptionKey(self._secret, (self, *previous))

    @classmethod
    def from_text(cls, text: str) -> KeyEncryptionKey:
        try:
            return cls(b64decode(text.strip(), validate=True))
        except (Base64Error, ValueError):
            raise KeyEncryptionProblem(
                "the key-encryption key is not base64; make one with: openssl rand -base64 32"
            ) from None

    @classmethod
    def from_file(cls, path: Path, *, create: bool) -> KeyEncryptionKey:
        """Read the key file, or make one that only its owner can read.

        Raises:
            KeyEncryptionProblem: it cannot be read or written.
        """
        try:
            if create and not path.exists():
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(b64encode(secrets.token_bytes(32)).decode() + "\n")
                    file.flush()
                    os.fsync(file.fileno())  # nothing may be sealed with what a crash can lose
            return cls.from_text(path.read_text())
        except OSError as error:
            raise KeyEncryptionProblem(
                f"cannot read or write the key file {path}: {error.strerror}; "
                f"name another with --key-file, or set {KEY_VARIABLE}"
            ) from error

    def derive(self, purpose: str, instance_id: str) -> bytes:
        """32 bytes for one purpose, by HKDF (RFC 5869): they tell nothing of this key."""
        info = f"{purpose}/{instance_id}".encode()
        return HKDF(SHA256(), 32, salt=None, info=info).derive(self._secret)

    def seal(self, data: bytes, name: bytes) -> bytes:
        """Encrypt `data`, bound to `name` (it opens under no other name)."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return self._fingerprint + nonce + self._cipher.encrypt(nonce, data, name)

    def has_sealed(self, sealed: bytes) -> bool:
        """Whether the current key, and not a previous one, sealed it."""
        return sealed.startswith(self._fingerprint)

    def open(self, sealed: bytes, name: bytes) -> bytes:
        """Decrypt what this key or a previous one sealed.

        Raises:
            KeyEncryptionProblem: another key did, or it was changed.
        """
        named = self._openers.get(sealed[:FINGERPRINT_BYTES])
        attempts = [(named, sealed[FINGERPRINT_BYTES:])] if named is not None else []
        # What was sealed before there were fingerprints begins with its nonce.
        attempts += [(cipher, sealed) for cipher in self._openers.values()]
        for cipher, text in attempts:
            try:
                return cipher.decrypt(text[:NONCE_BYTES], text[NONCE_BYTES:], name)
            except (InvalidTag, ValueError):
                continue
        raise KeyEncryptionProblem(
            "the signing keys were sealed with another key-encryption key; "
            f"use that one (--key-file or {KEY_VARIABLE}; while it is being changed, the old one "
            f"in {PREVIOUS_KEY_VARIABLE} or {PREVIOUS_FILE_VARIABLE})"
        )

    def __repr__(self) -> str:
        return f"KeyEncryptionKey({self._fingerprint.hex()})"

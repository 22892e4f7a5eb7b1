"""A secret on its way from the POST that made it to the page that shows it, once [PRF-5].

It lies sealed with the key-encryption key in the table of answers to repeated requests, under a
name that only this sign-in and this form make together. The page takes it out and leaves a mark,
so that the form makes nothing a second time and the page shows nothing a second time.
"""

from __future__ import annotations

import hashlib

import msgspec

from mintgate.contract.automation.credentials import MadeToken
from mintgate.identity.administration.call import Call
from mintgate.sites.visiting import Visitor
from mintgate.store import idempotency
from mintgate.store.keys import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.sealing import idempotency_name

KEPT_SECONDS = 3600.0
_SHOWN = b""


class ShownOnce:
    """Keeps what the forms of one instance have made until it is shown."""

    def __init__(self, instance_id: str, key_encryption_key: KeyEncryptionKey) -> None:
        self._instance_id = instance_id
        self._kek = key_encryption_key

    def slot(self, visitor: Visitor, form_id: str) -> str:
        """The name of what this form of this visitor makes."""
        told = msgspec.json.encode(["shown once", visitor.user.id, visitor.sid, form_id])
        return hashlib.sha256(told).hexdigest()

    def is_taken(self, call: Call, slot: str) -> bool:
        """Whether the form has made something already."""
        return idempotency.find(call.connection, self._instance_id, slot, call.now) is not None

    def put(self, call: Call, slot: str, made: MadeToken) -> None:
        sealed = self._sealed(slot, msgspec.msgpack.encode(made))
        until = call.now + KEPT_SECONDS
        idempotency.put(call.writing, self._instance_id, slot, sealed, until)

    def take(self, call: Call, slot: str) -> MadeToken | None:
        """What the form made; None when it was shown, or never was."""
        sealed = idempotency.find(call.connection, self._instance_id, slot, call.now)
        if sealed is None:
            return None
        try:
            data = self._kek.open(sealed, idempotency_name(self._instance_id, slot))
        except KeyEncryptionProblem:
            return None
        if data == _SHOWN or not idempotency.replace(
            call.writing, self._instance_id, slot, sealed, self._sealed(slot, _SHOWN)
        ):
            return None
        return msgspec.msgpack.decode(data, type=MadeToken)

    def _sealed(self, slot: str, data: bytes) -> bytes:
        return self._kek.seal(data, idempotency_name(self._instance_id, slot))

"""Idempotency-Key: a repeated request gets the stored answer and does nothing again.

The answer is written in the transaction of what it tells of, so there is no state in between: a
request that failed has left neither. It may hold a token or a secret, so it is sealed with the
key-encryption key, together with a digest of the request.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import msgspec

from mintgate.apis.management.answers import Answer
from mintgate.contract.automation.problems import Conflict, KeyReused
from mintgate.identity.administration.call import Acting
from mintgate.store import Transaction, idempotency, instances
from mintgate.store.keys import KeyEncryptionKey, KeyEncryptionProblem
from mintgate.store.sealing import idempotency_name

KEPT_SECONDS = 24 * 3600.0


class _Stored(msgspec.Struct, frozen=True):
    digest: bytes
    answer: Answer


class Repetition(msgspec.Struct, frozen=True):
    """One keyed request.

    Args:
        key_hash: of caller and key: what one caller stores, no other one gets.
        digest: of method, address and body.
    """

    key_hash: str
    digest: bytes

    def once(
        self,
        tx: Transaction,
        instance_id: str,
        kek: KeyEncryptionKey,
        work: Callable[[], Answer],
    ) -> tuple[Answer, bool]:
        """The answer, and whether it is a repeated one.

        Raises:
            KeyReused: the key came with another request.
            Conflict: the stored answer cannot be opened any more.
        """
        instances.lock(tx, instance_id)
        name = idempotency_name(instance_id, self.key_hash)
        sealed = idempotency.find(tx.connection, instance_id, self.key_hash, tx.now)
        if sealed is not None:
            return self._opened(sealed, name, kek), True
        answer = work()
        data = msgspec.msgpack.encode(_Stored(self.digest, answer))
        until = tx.now + KEPT_SECONDS
        idempotency.put(tx, instance_id, self.key_hash, kek.seal(data, name), until)
        return answer, False

    def _opened(self, sealed: bytes, name: bytes, kek: KeyEncryptionKey) -> Answer:
        try:
            stored = msgspec.msgpack.decode(kek.open(sealed, name), type=_Stored)
        except KeyEncryptionProblem:
            raise Conflict(
                "The answer to this Idempotency-Key cannot be read any more; look up what the "
                "first request did, and use another key."
            ) from None
        if not hmac.compare_digest(stored.digest, self.digest):
            raise KeyReused
        return stored.answer


def repetition_of(acting: Acting, key: str, method: str, address: str, body: bytes) -> Repetition:
    """The request of this caller with this key."""
    caller = msgspec.json.encode([acting.client_id, acting.user.id, key])
    request = msgspec.msgpack.encode([method, address, body])
    return Repetition(
        key_hash=hashlib.sha256(caller).hexdigest(), digest=hashlib.sha256(request).digest()
    )

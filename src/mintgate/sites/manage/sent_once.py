"""Forms whose answer shows a secret: sent again, by a reload or twice pressed, they do nothing.

Without it a reload of that answer would make one more secret, and end the one before [EXT-10].
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from mintgate.contract.automation.problems import Conflict
from mintgate.contract.translating import translatable
from mintgate.identity.administration.call import Call
from mintgate.sites.visiting.visitor import Visitor
from mintgate.store import idempotency
from mintgate.store.keys import KeyEncryptionKey
from mintgate.store.sealing import idempotency_name

FIELD = "once"
"""Name of the hidden field that tells one form from another; random, and new in each page."""
KEPT_SECONDS = 24 * 3600.0
SENT_ALREADY = translatable(
    "This was done already, and what it made was shown then, once. If it is lost, make another one."
)


class SentOnce:
    """Remembers the forms of one instance that were carried out."""

    def __init__(self, instance_id: str, key_encryption_key: KeyEncryptionKey) -> None:
        self._instance_id = instance_id
        self._kek = key_encryption_key

    def require(self, call: Call, visitor: Visitor, form: Mapping[str, str]) -> None:
        """Within the transaction of what the form does, before it. Raises Conflict."""
        form_id = form.get(FIELD)
        if not form_id:
            return
        told = msgspec.json.encode(["sent once", visitor.user.id, visitor.sid, form_id])
        slot = hashlib.sha256(told).hexdigest()
        tx = call.lock()
        if idempotency.find(call.connection, self._instance_id, slot, call.now) is not None:
            raise Conflict(SENT_ALREADY)
        # Every answer in that table is sealed, so that it can be sealed with another key.
        mark = self._kek.seal(b"", idempotency_name(self._instance_id, slot))
        idempotency.put(tx, self._instance_id, slot, mark, call.now + KEPT_SECONDS)

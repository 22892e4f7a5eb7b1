"""The append-only audit table: one hash chain a writer, signed checkpoints, erasable persons.

What each part proves stands in docs/audit.md, why it is so in docs/adr/0003-audit-chain.md.
"""

from mintgate.store.audit.chain import Chain
from mintgate.store.audit.event import AuditEvent
from mintgate.store.audit.rows import StoredEvent, append, latest

__all__ = ["AuditEvent", "Chain", "StoredEvent", "append", "latest"]

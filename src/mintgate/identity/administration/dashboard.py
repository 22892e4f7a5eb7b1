"""What was issued and refused, in sums."""

from __future__ import annotations

from mintgate.identity.administration.call import Call
from mintgate.store import audit_counts
from mintgate.store.audit_counts import Count


def counts(call: Call, since: int, step: int) -> tuple[list[Count], bool]:
    """See `audit_counts.counts`."""
    return audit_counts.counts(call.connection, call.instance.id, since, step)

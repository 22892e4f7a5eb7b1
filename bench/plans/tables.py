"""Which tables grow, and which stay small by what they are."""

from __future__ import annotations

from mintgate.store.records import catalog  # noqa: F401 - the tables of the data
from mintgate.store.tables import metadata

FEW = 2_000
SMALL = {
    "schema_state": "one row",
    "instances": "one row for each instance",
    "licence_pools": "one row for each instance",
    "signing_keys": "a handful for each instance, read whole",
    "apis": "those that administrators declare, read whole",
    "marketplace_keys": "one for each instance",
    "audit_keys": "a few for each instance",
    "audit_checkpoints": "one in some minutes, and forged ones would be found out",
    "audit_heads": "as the checkpoints",
    "audit_counted": "one row for each process that has written to the audit log",
    "reserved_seats": "at most as many as there are licences",
    "gen_currencies": "the currencies of the world",
    "gen_enterprise_companies": "those that the enterprise consists of",
    "crm_customer_types": "those that administrators declare",
}
"""Tables that stay small by what they are; they are not filled."""
FEWER = {"applications": FEW}
"""Tables that have this many rows and no more."""
BIG = tuple(
    table.name
    for table in metadata.sorted_tables
    if table.name not in SMALL and table.name not in FEWER
)
"""Tables that grow: no request may look at all rows of one."""

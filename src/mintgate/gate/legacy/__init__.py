"""HTTP Basic and ErpLogin for old integrations, off by default (specification §12).

Each is another way to the `Principal` of a request; all other checks are those of the guard.
"""

from mintgate.gate.legacy.endpoints import LegacyEndpoints
from mintgate.gate.legacy.schemes import LegacyAccess
from mintgate.gate.legacy.uses import LegacyUses

__all__ = ["LegacyAccess", "LegacyEndpoints", "LegacyUses"]

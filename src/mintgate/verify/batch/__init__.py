"""OData `$batch`: taken apart, each part judged alone, and put together again [API-32]."""

from mintgate.verify.batch.judging import RefusedPart
from mintgate.verify.batch.parts import USUAL_LIMITS, BatchLimits
from mintgate.verify.batch.plan import Plan, take_apart

__all__ = ["USUAL_LIMITS", "BatchLimits", "Plan", "RefusedPart", "take_apart"]

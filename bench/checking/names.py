"""What parent and worker call the contenders; apart, so that the parent imports no library."""

from __future__ import annotations

RAW, MINTGATE, PYJWT, JOSERFC, AUTHLIB = "raw verify", "mintgate", "PyJWT", "joserfc", "Authlib"

DISTINCT_TOKENS = 1500

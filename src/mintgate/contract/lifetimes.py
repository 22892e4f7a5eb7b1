"""How long each artefact lives, in seconds (specification §7)."""

from __future__ import annotations

ACCESS_TOKEN = 3600
"""[LIF-1] The default; an instance setting may change it."""
ID_TOKEN = 300
"""[LIF-2, IDT-3]"""
AUTHORIZATION_CODE = 300
"""[LIF-3]"""
REFRESH_TOKEN_CONFIDENTIAL = 30 * 24 * 3600
"""[LIF-4] Absolute from sign-in [LIF-13]."""
REFRESH_TOKEN_PUBLIC = 24 * 3600
"""[LIF-5] Absolute from sign-in [LIF-13]."""
LOGOUT_TOKEN = 120
"""OpenID Connect Back-Channel Logout §2.4: at most two minutes."""
REMEMBERED_SESSION = 30 * 24 * 3600
"""[SGN-4] An identity session with remember-me."""
BROWSER_SESSION = 24 * 3600
"""[SGN-4] The server's bound on a cookie that the browser drops when it closes."""
SESSION_USE_NOTED = 300
"""How old the note of a sign-in's last use may be before the next use is noted."""
FRESH_SIGN_IN = 600
"""How long ago a sign-in may be for what is dangerous; an instance setting may change it."""
INTERACTION = 3600
"""How long a sign-in or consent page may stay open before the request must start again."""
SIGN_IN_PROOF = 900
"""How long a right password waits for its second factor, or for one to be set up."""
CLOCK_ERROR = 3600
"""How wrong a server's clock may be without a revocation coming to nothing: for so long after its
end by that clock a token is still taken for one that others may accept."""
RESET_LINK = 30 * 60
"""How long a mailed link lets one choose another password [SGN-8]."""
CONFIRM_LINK = 3 * 24 * 3600
"""How long a mailed link confirms an address [USR-3]."""
INVITATION = 7 * 24 * 3600
"""[IMG-6]"""
KNOWN_DEVICE = 180 * 24 * 3600
"""[SGN-6] How long a browser counts as one where a user signed in, from the last sign-in."""


def not_before_of(now: float) -> int:
    """The `iat` from which tokens are good again after everything was revoked at `now`.

    The next full second: `iat` has no fraction, and a token of this very second may be older
    than the revocation. What is issued later in this second gets the next one as its `iat`.
    """
    return int(now) + 1

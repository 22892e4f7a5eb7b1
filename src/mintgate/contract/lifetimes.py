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
INTERACTION = 3600
"""How long a sign-in or consent page may stay open before the request must start again."""

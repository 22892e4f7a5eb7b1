"""What the identity service counts in this process; see `contract.tallies`."""

from __future__ import annotations

from mintgate.contract.tallies import Tally

MINTED = Tally("kind", "grant")
"""Tokens by kind (`access`, `id`, `refresh`, `reference`, `logout`, `introspection`) and by what
they were given for; `none` where there is no grant."""
SIGN_INS = Tally("outcome")
"""Passwords that came in: `right`, `wrong`, `throttled`, or `busy` when the queue is full."""
HASHING = [0]
"""Passwords that wait for their hash or have it computed now."""

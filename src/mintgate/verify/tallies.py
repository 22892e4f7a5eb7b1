"""What guards count in this process; see `contract.tallies`."""

from __future__ import annotations

from mintgate.contract.tallies import Tally

CHECKED = Tally("api", "outcome")
"""Requests to APIs that were checked: `admitted`, `unavailable`, or the `error` of the refusal.

A batch is one request, admitted when its token was good; its parts are judged afterwards."""
REFUSED = Tally("endpoint", "error")
"""Refusals of the protocol, by where and by their `error`."""
LIMITED = Tally("kind")
"""Requests that were too many: per `session`, `user`, `address` or `client`, running
`at_once`, or with too many wrong `secrets`."""

ADMITTED = "admitted"
UNAVAILABLE = "unavailable"

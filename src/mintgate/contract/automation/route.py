"""What one operation of the automation API is, for all who read the route tables."""

from __future__ import annotations

from typing import Any

import msgspec


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One operation.

    Args:
        name: `resource.verb`, the key of the operation behind it.
        path: below the root of its table; names in braces are parameters.
        body: the type of the JSON body; None takes no body.
        query: the type of the query parameters.
        result: the type of the answer; None answers 204.
        has_etag: the answer has an ETag.
        needs_match: the request must name the ETag that it changes, with If-Match.
        needs_fresh: the person must have signed in a moment ago, as for the page that does the
            same.
        may_lag: its answer may be some seconds old, so that a replica can give it.
        counts_sessions: what was noted of ERP sessions must be stored before it [SES-27].
    """

    name: str
    method: str
    path: str
    summary: str
    body: Any = None
    query: Any = None
    result: Any = None
    status: int = 200
    has_etag: bool = False
    needs_match: bool = False
    needs_fresh: bool = False
    counts_sessions: bool = False
    may_lag: bool = False

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

"""Calls of forward auth that are answered at once, and what is kept of them for the next one.

What follows from a call's bytes is worked out once (`prepare`). Whether the caller may pass is
decided anew for every call (`ForwardCall.answer`), by the same guard as everywhere.
"""

from __future__ import annotations

from typing import Any

from mintgate.contract.errors import Refusal
from mintgate.gate.forward_dialects import SECRET, original, taken_apart
from mintgate.gate.forward_guards import ForwardGuards
from mintgate.gate.forward_targets import Target
from mintgate.gate.permissions import Permission, Permissions
from mintgate.gate.shortcut import header_lines
from mintgate.verify import ApiRequest, Guard
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.reading import Reading, read, read_elsewhere
from mintgate.verify.state import StateUnavailable

MAX_ELSEWHERE = 16
"""URIs that are kept of one caller whose calls differ in nothing else."""
REFUSED = "mintgate.refused"
"""The scope key under which is left why there is no permission."""


class ForwardCalls:
    """Prepares the calls about the APIs of one instance."""

    def __init__(self, guards: ForwardGuards, permissions: Permissions) -> None:
        self.guards = guards
        self.permissions = permissions

    def prepare(self, target: Target, call: ApiRequest) -> ForwardCall | None:
        """A call that may be answered at once; None: the application is to answer."""
        if target.as_token:
            return None
        told = taken_apart(target.dialect, call.headers)
        secret = told.told.get(SECRET)
        if secret is None or told.repeated:
            return None
        stamp = self.guards.stamp()
        guard = self.guards.known(target.api, secret)
        if guard is None:
            return None
        try:
            reading = read(original(target.dialect, told, call.method, target.rest, call.query))
        except Refusal:
            return None
        if reading.credential is None:
            return None
        return ForwardCall(self, target, secret, guard, reading, stamp)


class ForwardCall:
    """What one call asks, again and again.

    Args:
        secret: by which the server in front proved that it asks for the API.
        guard: the API's when the secret was proved; the reading is by its policy.
        stamp: of the guards then; None when there was none.
    """

    __slots__ = (
        "_by",
        "_elsewhere",
        "_guard",
        "_permission",
        "_reading",
        "_secret",
        "_stamp",
        "target",
    )

    def __init__(
        self,
        by: ForwardCalls,
        target: Target,
        secret: bytes,
        guard: Guard,
        reading: Reading,
        stamp: int | None,
    ) -> None:
        self.target = target
        self._by = by
        self._secret = secret
        self._guard = guard
        self._reading = reading
        self._stamp = stamp
        self._permission: Permission | None = None
        self._elsewhere: dict[bytes, ForwardCall] = {}

    @property
    def varying(self) -> bytes | None:
        """The header whose value may be another one; see `at`."""
        return self.target.dialect.uri

    def at(self, uri: bytes) -> ForwardCall | None:
        """The same call about another path and query; None: the application is to answer."""
        known = self._elsewhere.get(uri)
        if known is not None:
            return known
        raw_path, _, query = uri.partition(b"?")
        if not raw_path or not self._is_current():
            return None
        try:
            reading = read_elsewhere(self._reading, raw_path, query)
        except Refusal:
            return None
        made = ForwardCall(self._by, self.target, self._secret, self._guard, reading, self._stamp)
        made._permission = self._permission
        if len(self._elsewhere) >= MAX_ELSEWHERE:
            self._elsewhere.clear()
        self._elsewhere[uri] = made
        return made

    def answer(self) -> bytes | dict[str, Any]:
        """The permission to pass; or what is left for the application, which answers then."""
        if not self._is_current():
            return {}
        try:
            admission = self._guard.admit_read(self._reading)
        except (Refusal, KeysUnavailable, StateUnavailable) as problem:
            return {REFUSED: problem}
        if admission is None or admission.principal is None or admission.operation.is_batch:
            return {}
        permission = self._permission
        if permission is None or permission.principal is not admission.principal:
            permission = self._by.permissions.of(admission.principal, self.target.dialect)
            self._permission = permission
        if admission.headers:
            return permission.head + header_lines(admission.headers)
        return permission.head

    def _is_current(self) -> bool:
        """Whether the secret is still the API's, and the guard as its settings are."""
        stamp = self._by.guards.stamp()
        if stamp is not None and stamp == self._stamp:
            return True
        # Something has changed, though perhaps neither of the two; or that cannot be said.
        self._stamp = stamp
        return self._by.guards.known(self.target.api, self._secret) is self._guard

"""A verifier, a policy, sessions and limits in front of one API: the checks of every request.

The order is that of specification §10.1. Every way to stand in front of an API asks `Guard`:
middleware, the proxy, and the answers for other servers.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator

from mintgate.contract import policy as rules
from mintgate.contract.errors import AmbiguousRequest, NoCredential, Refusal
from mintgate.contract.policy import PREFLIGHT, Operation, Policy
from mintgate.verify.api_request import Admission, ApiRequest
from mintgate.verify.keys import KeysUnavailable
from mintgate.verify.legacy import LegacySchemes, legacy_credential_of
from mintgate.verify.limits import RequestLimits
from mintgate.verify.principal import Principal
from mintgate.verify.reading import Reading, judged_method, read, read_without_token
from mintgate.verify.request_headers import Headers, credential_of
from mintgate.verify.sessions import SessionSource
from mintgate.verify.state import StateUnavailable
from mintgate.verify.tallies import ADMITTED, CHECKED, UNAVAILABLE
from mintgate.verify.verifier import TokenVerifier

_REALM = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
_NOT_ADMITTED = (Refusal, KeysUnavailable, StateUnavailable)
MAX_OPERATIONS = 1024
"""How many (method, path) pairs are remembered with what they need."""
NOTHING_DECLARED = Policy()
"""For an API without a policy of its own: safe methods need `read`, the rest `update`."""


class Guard:
    """Checks the requests to one API; it knows headers but no framework.

    Args:
        verifier: checks the tokens.
        audience: the API's name, which is also the realm of its challenges.
        policy: which operation needs which scope; by default that of the built-in API with this
            name, else reading needs `read` and everything else `update`.
        sessions: opens ERP sessions; without it API-16 is not checked.
        limits: counts requests; without it API-17 is not checked.
        legacy: takes HTTP Basic and ErpSession in `admit_async`; without it they are refused.

    Raises:
        ValueError: an audience that would break the header which names it.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        audience: str,
        policy: Policy | None = None,
        *,
        sessions: SessionSource | None = None,
        limits: RequestLimits | None = None,
        legacy: LegacySchemes | None = None,
    ) -> None:
        if not _REALM.fullmatch(audience):
            raise ValueError("an audience is printable ASCII without quotes and backslashes")
        self.verifier = verifier
        self.audience = audience
        self.policy = policy or rules.BUILT_IN.get(audience, NOTHING_DECLARED)
        self.sessions = sessions
        self.limits = limits
        self.legacy = legacy
        self._operations: dict[tuple[str, str], Operation] = {}
        # Without the address of an issuer, which is in some: each instance would count by itself.
        self._counted_as = audience.rpartition("/")[2]
        self._admitted = CHECKED.cell(self._counted_as, ADMITTED)

    def check(self, headers: Headers, scopes: Collection[str] = frozenset()) -> Principal:
        """The caller behind a request. Raises a `ResourceRefusal` (see `Verifier.verify`)."""
        return self.verifier.verify(credential_of(headers), self.audience, scopes)

    async def check_async(
        self, headers: Headers, scopes: Collection[str] = frozenset()
    ) -> Principal:
        return await self.verifier.verify_async(credential_of(headers), self.audience, scopes)

    def admit_at_once(
        self, request: ApiRequest, also: frozenset[str] = frozenset()
    ) -> Admission | None:
        """The same as `admit_async`, when nothing has to be waited for.

        Returns:
            None when something has to be: then nothing was noted of the request, and `admit_async`
            or `admit` is to be asked.

        Raises: as `admit_async`.
        """
        try:
            reading = read(request)
        except Refusal as refusal:
            if isinstance(refusal, NoCredential) and self.legacy is not None:
                return None
            self._note(refusal)
            raise
        return self.admit_read(reading, also)

    def admit_read(self, reading: Reading, also: frozenset[str] = frozenset()) -> Admission | None:
        """The same as `admit_at_once` for what was read.

        Whatever can have changed since it was read is looked at here, every time: the time, the
        key, the state, what the caller may, the session, and the limits.
        """
        token = reading.credential
        if token is None:
            return _preflight(reading)
        session, headers = None, []
        try:
            principal = self.verifier.verify_at_once(token, self.audience)
            if principal is None:
                return None
            operation = self._require_allowed(principal, reading, also)
            if not operation.is_batch:
                if self.sessions is not None:
                    session = self.sessions.touch(principal)
                    if session is None:
                        return None
                if self.limits is not None:
                    headers = self.limits.hit(principal, session, reading.address)
        except _NOT_ADMITTED as problem:
            self._note(problem)
            raise
        self._admitted[0] += 1
        return Admission(
            principal=principal,
            operation=operation,
            path=reading.path,
            address=reading.address,
            session=session,
            headers=headers,
            credential=token,
        )

    async def admit_async(
        self, request: ApiRequest, also: frozenset[str] = frozenset()
    ) -> Admission:
        """Make every check of a request, in order.

        Args:
            also: scopes that the route needs besides those of the policy. They are looked at here
                so that no session is opened for a request that lacks one [SES-11].

        Raises:
            ResourceRefusal: the first check that failed.
            KeysUnavailable, StateUnavailable: it cannot be told now.
        """
        try:
            reading = read(request)
        except NoCredential as refusal:
            if self.legacy is None:
                self._note(refusal)
                raise
            return await self._admit_by_legacy(self.legacy, request, refusal, also)
        except Refusal as refusal:
            self._note(refusal)
            raise
        admission = self.admit_read(reading, also)
        if admission is not None:
            return admission
        with self._noting():
            principal = await self.verifier.verify_async(_token(reading), self.audience)
            return await self._occupied(self._allowed(principal, reading, also))

    async def _admit_by_legacy(
        self,
        legacy: LegacySchemes,
        request: ApiRequest,
        refusal: NoCredential,
        also: frozenset[str],
    ) -> Admission:
        with self._noting():
            reading = read_without_token(request)
            principal = await _by_legacy(legacy, request, refusal)
            return await self._occupied(self._allowed(principal, reading, also))

    async def _occupied(self, admission: Admission) -> Admission:
        if not admission.operation.is_batch:
            await self.occupy_async(admission)
        return admission

    def admit(self, request: ApiRequest, also: frozenset[str] = frozenset()) -> Admission:
        """The same as `admit_async`, waiting in this thread; it takes no legacy schemes."""
        try:
            reading = read(request)
        except Refusal as refusal:
            self._note(refusal)
            raise
        if reading.credential is None:
            return _preflight(reading)
        with self._noting():
            principal = self.verifier.verify(reading.credential, self.audience)
            admission = self._allowed(principal, reading, also)
            if not admission.operation.is_batch:
                self.occupy(admission)
            return admission

    def operation_of(self, method: str, path: str, headers: Headers) -> Operation:
        """What a request needs.

        Args:
            path: normalised.

        Raises:
            MethodNotAllowed: the API does not have the method.
        """
        return self._operation(judged_method(method, headers), path)

    def judge(self, admission: Admission, method: str, path: str) -> None:
        """Whether one part of a batch is allowed [API-32].

        Args:
            path: normalised; of the part, from the server's root.

        Raises:
            ResourceRefusal: it is not.
        """
        principal = admission.principal
        operation = self.policy.operation(method, path)
        if principal is None:
            raise NoCredential(cause="a batch without a caller")
        if operation.is_batch:
            raise AmbiguousRequest("A $batch within a $batch is not taken.")
        rules.require_allowed(operation, principal.permissions, is_admin=principal.is_admin)

    def judge_reference(self, admission: Admission, method: str) -> None:
        """Whether a part may act on what another part of its batch returns, as `$1` says.

        Nobody knows that place before the batch runs: the part needs what the most protected
        place of this API needs [API-32].

        Raises:
            ResourceRefusal: it may not.
        """
        principal = admission.principal
        if principal is None:
            raise NoCredential(cause="a batch without a caller")
        operation = self.policy.operation_somewhere(method)
        rules.require_allowed(operation, principal.permissions, is_admin=principal.is_admin)

    async def occupy_async(self, admission: Admission) -> None:
        """Open or touch the session, and count the request [API-16, API-17].

        Raises:
            NoFreeSlot, TooManyRequests, StateUnavailable: it may not go on now.
        """
        principal = admission.principal
        if not self._touched(admission) and self.sessions is not None and principal is not None:
            admission.session = await self.sessions.open_async(principal, admission.credential)
        self._count(admission)

    def occupy(self, admission: Admission) -> None:
        """The same as `occupy_async`, waiting in this thread."""
        principal = admission.principal
        if not self._touched(admission) and self.sessions is not None and principal is not None:
            admission.session = self.sessions.open(principal, admission.credential)
        self._count(admission)

    async def look_again(self, admission: Admission, headers: Headers, *, in_use: bool) -> None:
        """Check a connection that stays open: its token, what the caller may, its session.

        Args:
            headers: those by which it was admitted.
            in_use: whether to note a request of its session, which else seems idle [SES-14]; one
                that was closed is opened again [SES-17].

        Raises:
            ResourceRefusal, KeysUnavailable, StateUnavailable: as `admit_async`.
        """
        principal = admission.principal
        if principal is None or principal.legacy is None:  # else its session tells all [LEG-12]
            principal = await self.check_async(headers)
        rules.require_allowed(
            admission.operation, principal.permissions, is_admin=principal.is_admin
        )
        if in_use and self.sessions is not None and self.sessions.touch(principal) is None:
            await self.sessions.open_async(principal, admission.credential)

    def close(self) -> None:
        """Have the session source tell what it has not told yet; to be called at the end.

        Sessions stay open, and nothing breaks when a request comes later.
        """
        close = getattr(self.sessions, "close", None)
        if close is not None:
            close()

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """Count one that is admitted, or why it is not."""
        try:
            yield
        except _NOT_ADMITTED as problem:
            self._note(problem)
            raise
        self._admitted[0] += 1

    def _note(self, problem: Exception) -> None:
        outcome = problem.error if isinstance(problem, Refusal) else UNAVAILABLE
        CHECKED.add(self._counted_as, outcome)

    def _operation(self, method: str, path: str) -> Operation:
        known = self._operations.get((method, path))
        if known is None:
            known = self.policy.operation(method, path)
            if len(self._operations) >= MAX_OPERATIONS:
                self._operations.clear()
            self._operations[method, path] = known
        return known

    def _require_allowed(
        self, principal: Principal, reading: Reading, also: frozenset[str]
    ) -> Operation:
        operation = reading.operation
        if operation is None:
            operation = reading.operation = self._operation(reading.method, reading.path)
        if reading.allowed is not principal:
            rules.require_allowed(operation, principal.permissions, is_admin=principal.is_admin)
            reading.allowed = principal
        if also:
            rules.require_scopes(also, principal.permissions)
        return operation

    def _allowed(self, principal: Principal, reading: Reading, also: frozenset[str]) -> Admission:
        return Admission(
            principal=principal,
            operation=self._require_allowed(principal, reading, also),
            path=reading.path,
            address=reading.address,
            credential=reading.credential or "",
        )

    def _touched(self, admission: Admission) -> bool:
        """Note the request of a session that is known to be open; False when one must be opened."""
        if self.sessions is None or admission.principal is None:
            return True
        admission.session = self.sessions.touch(admission.principal)
        return admission.session is not None

    def _count(self, admission: Admission) -> None:
        if self.limits is not None and admission.principal is not None:
            admission.headers = self.limits.hit(
                admission.principal, admission.session, admission.address
            )


async def _by_legacy(
    legacy: LegacySchemes, request: ApiRequest, refusal: NoCredential
) -> Principal:
    """The caller of a request without a token: OAuth was tried first [LEG-7]."""
    credential = legacy_credential_of(request.headers)
    if credential is None:
        refusal.also = await legacy.offered()
        raise refusal
    return await legacy.principal(credential, request)


def _token(reading: Reading) -> str:
    if reading.credential is None:
        raise AssertionError("a preflight is admitted at once")
    return reading.credential


def _preflight(reading: Reading) -> Admission:
    return Admission(
        principal=None, operation=PREFLIGHT, path=reading.path, address=reading.address
    )

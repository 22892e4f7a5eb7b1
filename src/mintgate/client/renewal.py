"""The current access token and its renewal: one at a time, in a thread of its own.

The renewal belongs to no caller. A cancelled task, a closed event loop or an interrupted thread
cannot lose a rotated refresh token half-way [LIF-12], no lock is held while the network is waited
for, and threads and tasks of any event loop wait for the same result.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

from mintgate.client.backoff import Backoff
from mintgate.client.endpoint import Issued, TokenEndpoint
from mintgate.client.errors import RotationNotStored, TokenEndpointUnavailable, TokenError
from mintgate.client.grants import Grant
from mintgate.contract.clock import Clock

_log = logging.getLogger("mintgate.client")

Outcome = str | TokenError
"""A new access token, or why there is none. A value, since many waiters raise it."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A token and the Unix times from which it is renewed, waited for, and dead."""

    value: str = field(repr=False)
    renew_at: float
    wait_at: float
    expires_at: float

    @classmethod
    def of(cls, issued: Issued, margin: float) -> _Held:
        # At most a quarter of the lifetime, or a short-lived token would never be used.
        margin = min(margin, issued.lifetime / 4)
        end = issued.sent_at + issued.lifetime
        return cls(issued.access_token, end - margin, end - margin / 2, end)


class TokenSource:
    """Gives the current access token to threads and asyncio tasks.

    In the first half of the margin a renewal runs beside the requests, which go on with the
    current token; in the second half they wait for it, and go on with the current token if it
    fails. Only without a usable token does a failure reach a request.

    Args:
        margin: seconds before expiry at which the renewal starts; at most a quarter of the
            lifetime is used.
    """

    def __init__(
        self, endpoint: TokenEndpoint, grant: Grant, *, margin: float, clock: Clock
    ) -> None:
        if margin < 0:
            raise ValueError("margin must be 0 or more seconds")
        self._endpoint = endpoint
        self._grant = grant
        self._margin = margin
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._flight: Future[Outcome] | None = None
        self._worker: threading.Thread | None = None
        self._process = os.getpid()
        self._failure: TokenError = TokenEndpointUnavailable("not asked yet")
        self._failures = Backoff()
        self._rejections = Backoff()

    def token(self) -> str:
        """The access token to send now.

        Raises:
            TokenError: none is usable and none could be had.
        """
        now_or_later = self._token_or_flight()
        if isinstance(now_or_later, str):
            return now_or_later
        return self._settled(now_or_later.result())

    async def token_async(self) -> str:
        """The same as `token`, for asyncio. Cancelling the caller does not stop the renewal."""
        now_or_later = self._token_or_flight()
        if isinstance(now_or_later, str):
            return now_or_later
        return self._settled(await asyncio.wrap_future(now_or_later))

    def discard(self, rejected: str) -> bool:
        """Take `rejected` out of use, since an API refused it: the next call renews.

        Returns:
            Whether another attempt makes sense: False when new tokens were refused as well a
            moment ago, which a renewal at every request would not cure.
        """
        with self._lock:
            if self._held is None or self._held.value != rejected:
                return True  # it has been replaced already
            now = self._clock()
            if self._rejections.blocks(now):
                return False
            self._rejections.strike(now)
            self._held = None
            return True

    def welcome(self) -> None:
        """An API took the token that replaced a discarded one."""
        with self._lock:
            self._rejections.reset()

    def _token_or_flight(self) -> str | Future[Outcome]:
        with self._lock:
            now, held = self._clock(), self._held
            usable = held is not None and now < held.expires_at
            if self._worker is threading.current_thread():
                if held is not None and usable:
                    return held.value  # `on_rotate` calls an API through the same object
                raise RuntimeError("a token was asked for inside its own renewal")
            if self._process != os.getpid():  # forked: the renewing thread was left behind
                self._process, self._flight = os.getpid(), None
            stored = not self._grant.unstored
            if held is not None and stored and now < held.renew_at:
                return held.value
            if self._flight is None:
                if stored and self._failures.blocks(now):
                    if held is not None and usable:
                        return held.value
                    raise self._failure.again()
                flight = self._start()
            else:
                flight = self._flight
            if held is not None and stored and now < held.wait_at:
                return held.value
            return flight

    def _start(self) -> Future[Outcome]:
        flight: Future[Outcome] = Future()
        flight.set_running_or_notify_cancel()  # so that a cancelled task cannot cancel it
        # Not a daemon: the interpreter waits until a rotated refresh token is stored.
        worker = threading.Thread(
            target=self._fly, args=(flight,), name="mintgate-renewal", daemon=False
        )
        try:
            worker.start()
        except RuntimeError:  # out of threads, or the interpreter is ending
            flight.set_result(TokenEndpointUnavailable("no thread could be started"))
        else:
            self._flight = flight
        return flight

    def _fly(self, flight: Future[Outcome]) -> None:
        self._worker = threading.current_thread()
        outcome: Outcome = TokenEndpointUnavailable("the renewal broke off")
        try:
            outcome = self._renewed()
        finally:
            with self._lock:
                self._worker = self._flight = None
                self._note(outcome)
            flight.set_result(outcome)
        if isinstance(outcome, TokenError):
            _log.warning("access token not renewed: %s", outcome)

    def _renewed(self) -> Outcome:
        try:
            self._grant.store()  # what an earlier renewal could not store
            held = self._held
            if held is None or self._clock() >= held.renew_at:
                issued = self._endpoint.request(self._grant.form())
                self._grant.accept(issued)
                held = _Held.of(issued, self._margin)
                with self._lock:
                    self._held = held
                self._grant.store()
        except TokenError as error:
            return error.again()
        return held.value

    def _note(self, outcome: Outcome) -> None:
        if isinstance(outcome, str):
            self._failures.reset()
        elif not isinstance(outcome, RotationNotStored):  # that is tried again at each request
            self._failure = outcome
            self._failures.strike(self._clock(), getattr(outcome, "retry_after", None) or 0.0)

    def _settled(self, outcome: Outcome) -> str:
        if isinstance(outcome, str):
            return outcome
        with self._lock:
            held = self._held
            usable = held is not None and self._clock() < held.expires_at
        if held is not None and usable and not isinstance(outcome, RotationNotStored):
            return held.value
        raise outcome.again()

"""Legacy logins against a model: which id lives, which is found again, which is dead [LEG-12..14].

Two processes log in and use ids at once, time goes by, passwords change, administrators close.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from mintgate.contract.identifiers import token_digest
from mintgate.contract.licences import IDLE_ELSEWHERE_SECONDS, IDLE_SECONDS
from mintgate.store import erp_sessions, legacy_sessions, users
from mintgate.store.erp_sessions import Opening
from tests.unit.store.session_office import HERE, Office
from tests.world import sqlite_url

USERS, APPS, PROCESSES = ("ann", "bob"), ("export", "import"), ("P1", "P2")
_user, _app, _process = (st.sampled_from(names) for names in (USERS, APPS, PROCESSES))
_seconds = st.sampled_from([1.0, 60.0, 600.0, 1199.0, 1200.0, 1210.0, 1215.0, 5000.0])


class Known(msgspec.Struct):
    """A session of the model; `toucher` is the only process that touched it."""

    user: str
    app: str
    at: float
    toucher: str | None
    is_closed: bool = False

    def is_open(self, now: float, process: str) -> bool:
        alone = self.toucher == process
        limit = IDLE_SECONDS if alone else IDLE_ELSEWHERE_SECONDS
        return not self.is_closed and now - self.at < limit


class LegacyLogins(RuleBasedStateMachine):
    nonces = Bundle("nonces")

    @initialize()
    def hire(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.office = Office(sqlite_url(Path(self.folder.name)), licences=1000)
        self.office.hire(*USERS)
        self.model: dict[str, Known] = {}
        self.numbers = itertools.count()

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.office.database.close()
            self.folder.cleanup()

    @rule(target=nonces, user=_user, app=_app, process=_process)
    def log_in(self, user: str, app: str, process: str) -> str:
        now, fresh = self.office.clock(), f"nonce {next(self.numbers)}"
        opened, nonce = self._open(user, app, process, fresh)
        alive = [
            name
            for name, known in self.model.items()
            if (known.user, known.app) == (user, app) and known.is_open(now, process)
        ]
        assert opened.session is not None
        assert nonce == (alive[0] if alive else fresh)
        self._touched(nonce, user, app, process)
        return nonce

    @rule(nonce=nonces, process=_process)
    def use(self, nonce: str, process: str) -> None:
        known = self.model[nonce]
        is_open = known.is_open(self.office.clock(), process)
        key = token_digest(nonce)
        login = self.office.database.read_now(
            lambda c: legacy_sessions.by_key(c, HERE, key, self.office.clock(), process)
        )
        assert (login is not None) == is_open
        self._finds_over(process)
        opening = self._opening(known.user, known.app, process, key=key, only_join=True)
        with self.office.database.begin() as tx:
            opened = erp_sessions.open_or_join(tx, HERE, opening)
        assert (opened.session is not None, opened.is_over) == (is_open, not is_open)
        if is_open:
            self._touched(nonce, known.user, known.app, process)
        else:
            known.is_closed = True  # whoever finds it over closes it

    @rule(seconds=_seconds)
    def wait(self, seconds: float) -> None:
        self.office.clock.advance(seconds)

    @rule(user=_user)
    def change_password(self, user: str) -> None:
        with self.office.database.begin() as tx:
            users.set_password(tx, HERE, self._id(user), "another hash")
        for known in self.model.values():
            known.is_closed |= known.user == user

    @rule(nonce=nonces)
    def close(self, nonce: str) -> None:
        self.office.close(token_digest(nonce))
        self.model[nonce].is_closed = True

    @invariant()
    def no_slot_is_leaked(self) -> None:
        if hasattr(self, "model"):
            now = self.office.clock()
            alive = sum(known.is_open(now, "nobody") for known in self.model.values())
            assert self.office.counts(None).in_use == alive

    def _open(self, user: str, app: str, process: str, nonce: str) -> Any:
        self._finds_over(process)
        opening = self._opening(user, app, process, login_nonce=nonce)
        with self.office.database.begin() as tx:
            return legacy_sessions.open_or_find(tx, HERE, opening, token_digest)

    def _finds_over(self, process: str) -> None:
        """A process that opens or joins closes what it alone has touched and knows to be idle."""
        now = self.office.clock()
        for known in self.model.values():
            if known.toucher == process and not known.is_open(now, process):
                known.is_closed = True

    def _opening(self, user: str, app: str, process: str, key: str = "", **more: Any) -> Opening:
        return Opening(
            key=key,
            kind="legacy",
            user_id=self._id(user),
            login=user,
            client_id=app,
            process=process,
            **more,
        )

    def _touched(self, nonce: str, user: str, app: str, process: str) -> None:
        now = self.office.clock()
        known = self.model.setdefault(nonce, Known(user, app, now, process))
        known.at = now
        if known.toucher != process:
            known.toucher = None

    def _id(self, login: str) -> str:
        user = self.office.database.read_now(lambda c: users.by_login(c, HERE, login))
        assert user is not None
        return user.id


TestLegacyLogins = LegacyLogins.TestCase
TestLegacyLogins.settings = settings(
    max_examples=8,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

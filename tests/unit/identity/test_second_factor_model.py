"""One-time codes and recovery codes against a model: what was used is never taken again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyotp
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.contract.users import User, UserType
from mintgate.identity.signin import recovery_codes as typed_codes
from mintgate.identity.signin import totp
from mintgate.identity.signin.enrolment import Enrolment
from mintgate.store import Database, instances, recovery_codes, schema, second_factors, users
from mintgate.store.key_encryption import KeyEncryptionKey
from tests.world import MovableClock, sqlite_url

ORION = Instance(id="o" * 36, name="orion", database="X", base_url="https://orion.example")
MIRA = User(id="m" * 36, login="mira", name={"en": "Mira"}, user_type=UserType.INTERNAL)
KEK = KeyEncryptionKey(bytes(32))


class Codes(RuleBasedStateMachine):
    url: str
    """One database for all examples; each has a user of its own."""

    @initialize()
    def begin(self) -> None:
        self.clock = MovableClock()
        self.database = Database(self.url, self.clock)
        self.user = msgspec.structs.replace(MIRA, id=new_guid(), login=new_guid())
        with self.database.begin() as tx:
            users.add(tx, ORION.id, self.user, "hash")
        self.secret: str | None = None
        self.old_secrets: list[str] = []
        self.last_step = -1
        self.codes: list[str] = []
        self.dead: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()

    def work(self, tx) -> Enrolment:  # type: ignore[no-untyped-def]
        return Enrolment(
            tx=tx,
            instance=ORION,
            user=self.user,
            key_encryption_key=lambda: KEK,
            record=lambda event, details: None,
            bound_to="S" * 64,
        )

    @rule(seconds=st.sampled_from([0.5, 10.0, 29.0, 30.0, 31.0, 95.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def set_up_an_app(self) -> None:
        with self.database.begin() as tx:
            secret = self.work(tx).offer_totp(anew=True).secret
            code = pyotp.TOTP(secret).at(int(self.clock()))
            made = self.work(tx).confirm_totp(code)
        assert made is not None
        if self.secret is not None:
            self.old_secrets.append(self.secret)
        self.secret, self.last_step = secret, int(self.clock() // 30)
        if made:
            assert not self.codes
            self.codes = list(made)

    @precondition(lambda self: self.secret is not None)
    @rule(offset=st.integers(-3, 3))
    def show_a_code(self, offset: int) -> None:
        assert self.secret is not None
        step = int(self.clock() // 30) + offset
        is_good = abs(offset) <= 1 and step > self.last_step
        assert self._use(pyotp.TOTP(self.secret).generate_otp(step)) is is_good
        if is_good:
            self.last_step = step

    @precondition(lambda self: self.old_secrets)
    @rule()
    def show_a_code_of_an_app_of_before(self) -> None:
        now = int(self.clock())
        code = pyotp.TOTP(self.old_secrets[-1]).at(now)
        if self.secret is None or code not in {
            pyotp.TOTP(self.secret).at(now, counter_offset=step) for step in (-1, 0, 1)
        }:
            assert not self._use(code)

    @precondition(lambda self: self.codes)
    @rule(data=st.data(), with_spaces=st.booleans())
    def show_a_recovery_code(self, data: st.DataObject, with_spaces: bool) -> None:
        code = data.draw(st.sampled_from(self.codes))
        typed = f" {code.upper().replace('-', ' ')} " if with_spaces else code
        assert self._recover(typed)
        self.codes.remove(code)
        self.dead.append(code)

    @precondition(lambda self: self.dead)
    @rule(data=st.data())
    def show_one_that_is_dead(self, data: st.DataObject) -> None:
        assert not self._recover(data.draw(st.sampled_from(self.dead)))

    @precondition(lambda self: self.secret is not None)
    @rule()
    def make_new_recovery_codes(self) -> None:
        with self.database.begin() as tx:
            made = self.work(tx).new_recovery_codes()
        self.dead += self.codes
        self.codes = list(made)

    @precondition(lambda self: self.secret is not None)
    @rule()
    def remove_the_app(self) -> None:
        with self.database.begin() as tx:
            self.work(tx).remove_totp()
        assert self.secret is not None
        self.old_secrets.append(self.secret)
        self.secret = None
        self.dead += self.codes
        self.codes = []

    @invariant()
    def the_sum_is_right(self) -> None:
        if not hasattr(self, "database"):
            return
        found = self.database.read_now(lambda c: second_factors.of(c, ORION.id, self.user.id))
        assert (found.has_totp, found.recovery_codes) == (self.secret is not None, len(self.codes))

    def _use(self, code: str) -> bool:
        with self.database.begin() as tx:
            stored = second_factors.totp(tx.connection, ORION.id, self.user.id)
            if stored is None:
                return False
            name = f"{ORION.id}/totp/{self.user.id}".encode()
            step = totp.step_of(KEK.open(stored.sealed, name).decode(), code, tx.now)
            return step is not None and second_factors.use_step(
                tx, ORION.id, self.user.id, stored, step
            )

    def _recover(self, typed: str) -> bool:
        digest = typed_codes.digest_of(typed)
        assert digest is not None
        with self.database.begin() as tx:
            return recovery_codes.use(tx, ORION.id, self.user.id, digest)


def test_codes_against_the_model(tmp_path: Path) -> None:
    Codes.url = sqlite_url(tmp_path)
    database = Database(Codes.url)
    schema.upgrade(database)
    with database.begin() as tx:
        instances.add(tx, ORION)
    database.close()
    run_state_machine_as_test(
        Codes,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

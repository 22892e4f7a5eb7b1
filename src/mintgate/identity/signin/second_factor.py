"""The second step of a sign-in: a code of an app, or a recovery code [IDT-13, SGN-6]."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from mintgate.contract.clock import Clock
from mintgate.contract.instance import SecondFactorRule
from mintgate.contract.second_factors import (
    AmrName,
    Factors,
    asks_for_one,
    one_time_code_of,
    rule_for,
)
from mintgate.contract.users import User
from mintgate.identity.auditing import record_refusal
from mintgate.identity.directory import Directory
from mintgate.identity.signin import recovery_codes, throttle, totp
from mintgate.identity.signin.devices import KnownDevices
from mintgate.identity.signin.enrolment import TOOK_TOO_LONG, Enrolment, NotPossible
from mintgate.identity.signin.events import factor_event
from mintgate.identity.signin.passkey_sign_in import PasskeySignIn
from mintgate.identity.signin.throttle import Origin, TryNames
from mintgate.store import (
    Database,
    Transaction,
    second_factors,
    sign_in_proofs,
    sign_in_tries,
)
from mintgate.store import recovery_codes as stored_codes
from mintgate.store.key_encryption import KeyEncryptionKey
from mintgate.store.sealing import totp_name
from mintgate.store.sign_in_proofs import SignInProof

T = TypeVar("T")

WITH_CODE = (
    AmrName.PASSWORD.value,
    AmrName.ONE_TIME_CODE.value,
    AmrName.SEVERAL_FACTORS.value,
)
"""[IDT-13] A recovery code is a password for one time, too."""


class SecondFactors:
    """Checks the second factors of one instance.

    Args:
        devices: where people signed in before.
        key_encryption_key: opens the secrets of authenticator apps.
        clock: Unix seconds.
    """

    def __init__(
        self,
        directory: Directory,
        database: Database,
        devices: KnownDevices,
        key_encryption_key: KeyEncryptionKey,
        clock: Clock,
    ) -> None:
        self.instance = directory.instance
        self._database = database
        self._devices = devices
        self._kek = key_encryption_key
        self._clock = clock
        self._names = TryNames(directory.derived_key(throttle.PURPOSE))
        self._event = partial(factor_event, self.instance.id, clock)
        self.passkeys = PasskeySignIn(self.instance, database, clock)

    async def factors_of(self, user: User) -> Factors:
        """What the person has enrolled, as far as the instance asks for it."""
        if rule_for(self.instance, user.user_type) is SecondFactorRule.OFF:
            return Factors()
        return await self._database.read(
            lambda connection: second_factors.of(connection, self.instance.id, user.id)
        )

    async def asks(self, user: User, *, is_wanted: bool) -> bool:
        """Whether this person's password is not enough.

        Args:
            is_wanted: the application takes nothing less than a second factor.
        """
        rule = rule_for(self.instance, user.user_type)
        if is_wanted and rule is not SecondFactorRule.OFF:
            return True
        factors = await self.factors_of(user)
        return asks_for_one(self.instance, user.user_type, has_any=factors.has_any)

    async def use_code(
        self, user: User, typed: str, address: str | None, device_cookie: str | None
    ) -> bool:
        """Whether a code of the app, or a recovery code, is right and was not used before.

        Args:
            address: the peer's.
            device_cookie: what `devices` gave this browser after a sign-in.
        """
        short = one_time_code_of(typed)
        device = await self._database.read(
            lambda c: self._devices.name_of(c, self.instance.id, device_cookie, user.id)
        )
        origin = self._names.second_factor(user.login, address, device, is_short=short is not None)

        def work(tx: Transaction) -> str | None:
            cause = self._throttled(tx, origin)
            if cause is not None:
                return cause
            if short is not None:
                details = self._use_totp(tx, user, short)
            else:
                details = self._use_recovery_code(tx, user, typed)
            if details is None:
                for count in origin.wide:
                    sign_in_tries.add_one(tx, self.instance.id, count)
                tx.record(self._event("user.second_factor_failed", user, address, "wrong code"))
                return ""
            sign_in_tries.forget(tx, self.instance.id, origin.own)
            tx.record(self._event("user.second_factor_used", user, address, details=details))
            return None

        cause = await self._database.write(work)
        if cause:
            event = self._event("user.second_factor_throttled", user, address, cause)
            await record_refusal(self._database, event)
        return cause is None

    def _throttled(self, tx: Transaction, origin: Origin) -> str | None:
        full = sign_in_tries.any_is_full(tx.connection, self.instance.id, origin.wide, tx.now)
        # Counted before the look, so that tries which race cannot all be looked at.
        if full is None and not sign_in_tries.add_one(tx, self.instance.id, origin.own):
            full = origin.own
        return f"{full.limit.tries} wrong tries were made ({full.kind})" if full else None

    def _use_totp(self, tx: Transaction, user: User, code: str) -> dict[str, Any] | None:
        here = self.instance.id
        stored = second_factors.totp(tx.connection, here, user.id)
        if stored is None:
            return None
        secret = self._kek.open(stored.sealed, totp_name(here, user.id)).decode()
        step = totp.step_of(secret, code, tx.now)
        if step is None or not second_factors.use_step(tx, here, user.id, stored, step):
            return None
        return {"factor": "totp"}

    def _use_recovery_code(self, tx: Transaction, user: User, typed: str) -> dict[str, Any] | None:
        here, digest = self.instance.id, recovery_codes.digest_of(typed)
        if digest is None or not stored_codes.use(tx, here, user.id, digest):
            return None
        left = second_factors.of(tx.connection, here, user.id).recovery_codes
        return {"factor": "recovery_code", "left": left}

    def enrolment(
        self, tx: Transaction, user: User, proof: SignInProof, address: str | None
    ) -> Enrolment:
        """The person's factors, to be set up by the person at the sign-in."""

        def record(event: str, details: dict[str, Any]) -> None:
            tx.record(self._event(event, user, address, details=details or None))

        def kek() -> KeyEncryptionKey:
            return self._kek

        return Enrolment(
            tx=tx,
            instance=self.instance,
            user=user,
            key_encryption_key=kek,
            record=record,
            bound_to=proof.proof_hash,
        )

    async def enrol(
        self,
        user: User,
        proof: SignInProof,
        address: str | None,
        work: Callable[[Enrolment], T],
    ) -> T:
        """Do something with the person's factors, in one transaction.

        Raises:
            NotPossible: the proof is over, as after a change of the password a moment ago.
        """
        here = self.instance.id

        def begun(tx: Transaction) -> T:
            second_factors.lock(tx, here)  # whoever ends proofs has it, too
            found = sign_in_proofs.find(
                tx.connection, here, proof.proof_hash, proof.interaction_hash, tx.now
            )
            if found is None:
                raise NotPossible(TOOK_TOO_LONG)
            return work(self.enrolment(tx, user, proof, address))

        return await self._database.write(begun)

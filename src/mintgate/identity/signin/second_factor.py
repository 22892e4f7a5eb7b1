"""The second step of a sign-in: a code of an app, a recovery code, or a passkey [IDT-13, SGN-6]."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.contract.instance import SecondFactorRule
from mintgate.contract.second_factors import (
    AmrName,
    Factors,
    asks_for_one,
    one_time_code_of,
    rule_for,
)
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.auditing import record_refusal
from mintgate.identity.directory import Directory
from mintgate.identity.signin import passkeys as ceremonies
from mintgate.identity.signin import recovery_codes, throttle, totp
from mintgate.identity.signin.devices import KnownDevices
from mintgate.identity.signin.enrolment import Enrolment
from mintgate.identity.signin.passkeys import Json, PasskeyRefused
from mintgate.identity.signin.throttle import Origin, TryNames
from mintgate.store import (
    AuditEvent,
    Database,
    Transaction,
    passkeys,
    second_factors,
    sign_in_tries,
    users,
)
from mintgate.store import recovery_codes as stored_codes
from mintgate.store.key_encryption import KeyEncryptionKey
from mintgate.store.passkeys import Passkey
from mintgate.store.sealing import totp_name

T = TypeVar("T")

SIGN_IN, SECOND_STEP = "sign_in", "second_step"
"""Purposes of challenges."""
WITH_CODE = (
    AmrName.PASSWORD.value,
    AmrName.ONE_TIME_CODE.value,
    AmrName.SEVERAL_FACTORS.value,
)
"""[IDT-13] A recovery code is a password for one time, too."""


class ProvedPasskey(msgspec.Struct, frozen=True):
    """A person whose passkey signed."""

    user: User
    passkey: Passkey

    @property
    def amr(self) -> tuple[str, ...]:
        return ceremonies.amr_of(self.passkey)


class SecondFactors:
    """Checks second factors and passkeys of one instance.

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
        device = self._devices.name_of(device_cookie, user.id)
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

    async def passkey_options(self, purpose: str, bound_to: str, user: User | None = None) -> Json:
        """For the browser that is to use a passkey.

        Args:
            purpose: `SIGN_IN`, or `SECOND_STEP` of a user.
            bound_to: what the challenge is for, see `passkeys.open_challenge`.
        """
        challenge = ceremonies.new_challenge()
        digest = ceremonies.challenge_digest(challenge)

        def work(tx: Transaction) -> list[Passkey]:
            until = tx.now + ceremonies.CHALLENGE_SECONDS
            here = self.instance.id
            passkeys.open_challenge(
                tx, here, digest, purpose=purpose, bound_to=bound_to, until=until
            )
            return passkeys.of_user(tx.connection, here, user.id) if user is not None else []

        allowed = await self._database.write(work)
        return ceremonies.sign_in_options(self.instance, challenge, allowed)

    async def use_passkey(
        self, text: str, purpose: str, bound_to: str, address: str | None, user: User | None = None
    ) -> ProvedPasskey | None:
        """The person whose passkey this is; None for every reason alike.

        Args:
            text: the credential in JSON, as the browser gave it.
            purpose, bound_to: as for its options.
            user: whose passkey it must be; None takes anybody's who may sign in by it.
        """
        found: tuple[User, Passkey, str | None] | None = None
        try:
            answer = ceremonies.read_answer(text)
            digest = ceremonies.challenge_digest(answer.challenge)
            if not await self._database.write(
                lambda tx: passkeys.use_challenge(
                    tx, self.instance.id, digest, purpose=purpose, bound_to=bound_to
                )
            ):
                raise PasskeyRefused("the challenge is over, or was made for something else")
            found = await self._database.read(lambda c: self._owner(c, answer.credential_id))
            if found is None:
                raise PasskeyRefused("no such passkey is registered")
            owner, passkey, handle = found
            self._require_usable(owner, user)
            is_own = answer.user_handle is None and user is not None
            if not is_own and not hmac.compare_digest(answer.user_handle or "", handle or "\0"):
                raise PasskeyRefused("the user handle is another one")
            # In a thread, as the first of the process imports the library.
            use = await asyncio.to_thread(ceremonies.verify_use, self.instance, answer, passkey)
            await self._note_use(owner, passkey, use, address)
        except PasskeyRefused as refused:
            whose = found[0] if found is not None else user
            event = self._event("user.passkey_refused", whose, address, str(refused))
            await record_refusal(self._database, event)
            return None
        return ProvedPasskey(owner, passkey)

    def _owner(
        self, connection: Connection, credential_id: bytes
    ) -> tuple[User, Passkey, str | None] | None:
        here = self.instance.id
        passkey = passkeys.by_credential(connection, here, credential_id)
        user = users.by_id(connection, here, passkey.user_id) if passkey is not None else None
        if passkey is None or user is None:
            return None
        return user, passkey, second_factors.handle_of(connection, here, user.id)

    def _require_usable(self, owner: User, user: User | None) -> None:
        """Raises PasskeyRefused."""
        if user is not None and user.id != owner.id:
            raise PasskeyRefused("it is the passkey of another user")
        if not owner.active or owner.is_locked(self._clock()):
            raise PasskeyRefused("the user is inactive or locked")
        if owner.user_type not in MAY_SIGN_IN:
            raise PasskeyRefused(f"users of type {owner.user_type} cannot sign in")
        if rule_for(self.instance, owner.user_type) is SecondFactorRule.OFF:
            raise PasskeyRefused("the instance has no second factors for such users")

    async def _note_use(
        self, user: User, passkey: Passkey, use: ceremonies.PasskeyUse, address: str | None
    ) -> None:
        details = {"factor": "passkey", "passkey": passkey.id}

        def work(tx: Transaction) -> bool:
            if passkeys.note_use(
                tx, self.instance.id, passkey.id, use.sign_count, backed_up=use.backed_up
            ):
                tx.record(self._event("user.second_factor_used", user, address, details=details))
                return True
            # WebAuthn §6.1.1: a copy of the key may be in use. Not among the refusals that are
            # summed up: each of these is to be seen.
            cause = f"it counted to {use.sign_count}, after {passkey.sign_count} or more"
            event = "user.passkey_count_went_back"
            tx.record(self._event(event, user, address, cause, details=details))
            return False

        if not await self._database.write(work):
            raise PasskeyRefused("the signature count went back, or the passkey was removed")

    def enrolment(self, tx: Transaction, user: User, address: str | None) -> Enrolment:
        """The person's factors, to be set up by the person at the sign-in."""

        def record(event: str, details: dict[str, Any]) -> None:
            tx.record(self._event(event, user, address, details=details or None))

        def kek() -> KeyEncryptionKey:
            return self._kek

        return Enrolment(
            tx=tx, instance=self.instance, user=user, key_encryption_key=kek, record=record
        )

    async def enrol(self, user: User, address: str | None, work: Callable[[Enrolment], T]) -> T:
        """Do something with the person's factors, in one transaction."""
        return await self._database.write(lambda tx: work(self.enrolment(tx, user, address)))

    def _event(
        self,
        name: str,
        user: User | None,
        address: str | None,
        cause: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> AuditEvent:
        return AuditEvent(
            instance_id=self.instance.id,
            at=self._clock(),
            event=name,
            actor=user.login if user else None,
            actor_id=user.id if user else None,
            address=address,
            cause=cause,
            details=details,
        )

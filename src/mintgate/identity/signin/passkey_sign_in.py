"""Signing in with a passkey: alone, or as the second step after a password."""

from __future__ import annotations

import asyncio
import hmac
from functools import partial

import msgspec
from sqlalchemy import Connection

from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance, SecondFactorRule
from mintgate.contract.second_factors import rule_for
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.auditing import record_refusal
from mintgate.identity.signin import passkeys as ceremonies
from mintgate.identity.signin.events import factor_event
from mintgate.identity.signin.passkeys import Json, PasskeyRefused
from mintgate.store import Database, Transaction, passkeys, second_factors, users
from mintgate.store.passkeys import Passkey

SIGN_IN, SECOND_STEP = "sign_in", "second_step"
"""Purposes of challenges."""


class ProvedPasskey(msgspec.Struct, frozen=True):
    """A person whose passkey signed."""

    user: User
    passkey: Passkey

    @property
    def amr(self) -> tuple[str, ...]:
        return ceremonies.amr_of(self.passkey)


class PasskeySignIn:
    """Checks the passkeys of one instance.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, instance: Instance, database: Database, clock: Clock) -> None:
        self.instance = instance
        self._database = database
        self._clock = clock
        self._event = partial(factor_event, instance.id, clock)

    async def options(self, purpose: str, bound_to: str, user: User | None = None) -> Json:
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

    async def use(
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
            if not passkeys.hold(tx, self.instance.id, passkey.id):
                return False
            # WebAuthn §6.1.1: a copy of the key may be in use. Not among the refusals that are
            # summed up: each of these is to be seen.
            cause = f"it counted to {use.sign_count}, after {passkey.sign_count} or more"
            event = "user.passkey_count_went_back"
            tx.record(self._event(event, user, address, cause, details=details))
            return False

        if not await self._database.write(work):
            raise PasskeyRefused("the signature count went back, or the passkey was removed")

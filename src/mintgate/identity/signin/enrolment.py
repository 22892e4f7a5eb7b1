"""Setting up and removing second factors, within a transaction: at the sign-in, and in Profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from mintgate.contract.instance import Instance, SecondFactorRule
from mintgate.contract.second_factors import (
    MAX_PASSKEY_NAME,
    MAX_PASSKEYS,
    Factors,
    one_time_code_of,
    passkey_domain,
    rule_for,
)
from mintgate.contract.translating import translatable
from mintgate.contract.users import User
from mintgate.identity.signin import passkeys as ceremonies
from mintgate.identity.signin import recovery_codes, totp
from mintgate.identity.signin.passkeys import Answer, Json, PasskeyRefused
from mintgate.identity.signin.totp import TotpOffer
from mintgate.store import Transaction, passkeys, second_factors, totp_offers
from mintgate.store import recovery_codes as stored_codes
from mintgate.store.key_encryption import KeyEncryptionKey
from mintgate.store.passkeys import Passkey
from mintgate.store.sealing import totp_name

PENDING_SECONDS = 3600.0
"""How long a secret waits for its first code; a page is open no longer."""
REGISTER = "register"
UNNAMED = "Passkey"


TOOK_TOO_LONG = translatable("This took too long. Start again.")
_TOO_MANY = translatable("You have as many passkeys as there may be. Remove one first.")


class NotPossible(Exception):
    """The person cannot do this now; the message says why, in words for the person."""


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """One person's factors in one transaction.

    Args:
        record: notes an audit event, by name and details.
        bound_to: the sign-in in which the person acts; what is begun in it can be ended nowhere
            else, at most 64 characters.
    """

    tx: Transaction
    instance: Instance
    user: User
    key_encryption_key: Callable[[], KeyEncryptionKey]
    record: Callable[[str, dict[str, Any]], None]
    bound_to: str

    def factors(self) -> Factors:
        return second_factors.of(self.tx.connection, self.instance.id, self.user.id)

    def require_first(self) -> None:
        """Whoever knows the password alone may set up the first factor, and no other one.

        Raises:
            NotPossible: there is one already.
        """
        second_factors.lock(self.tx, self.instance.id)
        if self.factors().has_any:
            raise NotPossible(translatable("You have a second factor already. Sign in with it."))

    def offer_totp(self, *, anew: bool = False) -> TotpOffer:
        """The secret to put into an app: the one that waits for its first code, or a new one.

        Each sign-in has a secret of its own. Somebody else who knows the password would else be
        shown the one that the person is about to confirm [USR-8].

        Raises:
            NotPossible: the instance has no second factors for this person.
        """
        self._require_allowed()
        second_factors.lock(self.tx, self.instance.id)  # two windows are shown the same
        here, user_id = self.instance.id, self.user.id
        kek, name = self.key_encryption_key(), totp_name(here, user_id)
        waiting = self._waiting_totp()
        if waiting is not None and not anew:
            secret = kek.open(waiting, name).decode()
        else:
            secret = totp.new_secret()
            sealed = kek.seal(secret.encode(), name)
            until = self.tx.now + PENDING_SECONDS
            totp_offers.put(
                self.tx, here, user_id, bound_to=self.bound_to, sealed=sealed, until=until
            )
        return totp.offer_of(secret, issuer=self.instance.name, account=self.user.login)

    def confirm_totp(self, typed: str) -> tuple[str, ...] | None:
        """Let the app count from now on, as its code is right.

        Returns:
            New recovery codes, when the person had none left; None when the code is wrong.

        Raises:
            NotPossible: nothing waits for a code in this sign-in.
        """
        self._require_allowed()
        here, user_id = self.instance.id, self.user.id
        second_factors.lock(self.tx, here)
        waiting = self._waiting_totp()
        if waiting is None:
            raise NotPossible(TOOK_TOO_LONG)
        code = one_time_code_of(typed)
        secret = self.key_encryption_key().open(waiting, totp_name(here, user_id)).decode()
        step = totp.step_of(secret, code, self.tx.now) if code is not None else None
        if step is None or not second_factors.confirm_totp(
            self.tx, here, user_id, waiting, step, bound_to=self.bound_to
        ):
            return None
        self.record("user.totp_added", {})
        return self._codes_if_none()

    def remove_totp(self) -> None:
        """Raises NotPossible when there is none, or it is the last factor and one is required."""
        second_factors.lock(self.tx, self.instance.id)
        if not self.factors().has_totp:
            raise NotPossible(translatable("There is no authenticator app."))
        self._require_another()
        second_factors.remove_totp(self.tx, self.instance.id, self.user.id)
        self.record("user.totp_removed", {})

    def new_recovery_codes(self) -> tuple[str, ...]:
        """Ten codes; those of before are worth nothing any more.

        Raises:
            NotPossible: there is no factor for which they could stand in.
        """
        second_factors.lock(self.tx, self.instance.id)
        if not self.factors().has_any:
            raise NotPossible(translatable("Set up an authenticator app or a passkey first."))
        return self._new_codes()

    def registration_options(self) -> Json:
        """For the browser that is to make a passkey.

        Raises:
            NotPossible: passkeys cannot be used here, or there are too many.
        """
        self._require_passkeys()
        here, user = self.instance.id, self.user
        known = passkeys.of_user(self.tx.connection, here, user.id)
        if len(known) >= MAX_PASSKEYS:
            raise NotPossible(_TOO_MANY)
        challenge = ceremonies.new_challenge()
        passkeys.open_challenge(
            self.tx,
            here,
            ceremonies.challenge_digest(challenge),
            purpose=REGISTER,
            bound_to=self.bound_to,
            until=self.tx.now + ceremonies.CHALLENGE_SECONDS,
        )
        return ceremonies.registration_options(
            self.instance,
            challenge,
            user_handle=second_factors.user_handle(self.tx, here, user.id),
            login=user.login,
            display_name=user.display_name(),
            known=known,
        )

    def add_passkey(self, answer: Answer, verified: Passkey) -> tuple[str, ...]:
        """Register a passkey that `verify_registration` found to hold.

        Returns:
            New recovery codes, when the person had none left.

        Raises:
            NotPossible: see `registration_options`.
            PasskeyRefused: its challenge is not ours or was used, or the passkey is known.
        """
        self._require_passkeys()
        here, user_id = self.instance.id, self.user.id
        digest = ceremonies.challenge_digest(answer.challenge)
        if not passkeys.use_challenge(
            self.tx, here, digest, purpose=REGISTER, bound_to=self.bound_to
        ):
            raise PasskeyRefused("the challenge is over, or was made for something else")
        second_factors.lock(self.tx, here)
        if passkeys.by_credential(self.tx.connection, here, verified.credential_id) is not None:
            raise PasskeyRefused("the passkey is registered already")
        if len(passkeys.of_user(self.tx.connection, here, user_id)) >= MAX_PASSKEYS:
            raise NotPossible(_TOO_MANY)
        passkeys.add(self.tx, here, msgspec.structs.replace(verified, user_id=user_id))
        self.record("user.passkey_added", {"passkey": verified.id})
        return self._codes_if_none()

    def rename_passkey(self, passkey_id: str, name: str) -> None:
        """Raises NotPossible when there is no such passkey."""
        if not passkeys.rename(
            self.tx, self.instance.id, self.user.id, passkey_id, passkey_name(name)
        ):
            raise NotPossible(translatable("There is no such passkey."))
        self.record("user.passkey_renamed", {"passkey": passkey_id})

    def remove_passkey(self, passkey_id: str) -> None:
        """Raises NotPossible when there is none, or it is the last factor and one is required."""
        here, user_id = self.instance.id, self.user.id
        second_factors.lock(self.tx, here)
        known = passkeys.of_user(self.tx.connection, here, user_id)
        if passkey_id not in {passkey.id for passkey in known}:
            raise NotPossible(translatable("There is no such passkey."))
        self._require_another()
        passkeys.remove(self.tx, here, user_id, passkey_id)
        self.record("user.passkey_removed", {"passkey": passkey_id})

    def _waiting_totp(self) -> bytes | None:
        return totp_offers.find(
            self.tx.connection,
            self.instance.id,
            self.user.id,
            bound_to=self.bound_to,
            now=self.tx.now,
        )

    def _codes_if_none(self) -> tuple[str, ...]:
        return () if self.factors().recovery_codes else self._new_codes()

    def _new_codes(self) -> tuple[str, ...]:
        codes = recovery_codes.new_codes()
        hashes = [digest for code in codes if (digest := recovery_codes.digest_of(code))]
        stored_codes.replace(self.tx, self.instance.id, self.user.id, hashes)
        self.record("user.recovery_codes_made", {"count": len(codes)})
        return codes

    def _require_allowed(self) -> None:
        if rule_for(self.instance, self.user.user_type) is SecondFactorRule.OFF:
            raise NotPossible(
                translatable("This instance has no second factors for your kind of account.")
            )

    def _require_passkeys(self) -> None:
        self._require_allowed()
        if passkey_domain(self.instance) is None:
            raise NotPossible(translatable("Passkeys need an instance with a domain name."))

    def _require_another(self) -> None:
        rule = rule_for(self.instance, self.user.user_type)
        if rule is SecondFactorRule.REQUIRED and self.factors().count <= 1:
            raise NotPossible(
                translatable(
                    "A second factor is required here. "
                    "Set up another one before you remove this one."
                )
            )


def passkey_name(typed: str) -> str:
    """A name as it is stored; never empty."""
    name = "".join(c for c in " ".join(typed.split()) if c.isprintable())
    return name[:MAX_PASSKEY_NAME] or UNNAMED

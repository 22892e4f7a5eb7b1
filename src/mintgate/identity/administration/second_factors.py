"""Second factors: a person's own, and those of a user who has lost them [USR-8]."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from mintgate.contract.automation import second_factors as f
from mintgate.contract.automation.problems import Conflict, InvalidInput, NoSuchRecord
from mintgate.contract.identifiers import token_digest
from mintgate.contract.instance import Instance, SecondFactorRule
from mintgate.contract.second_factors import passkey_domain, rule_for
from mintgate.contract.translating import translatable
from mintgate.contract.users import User
from mintgate.identity.administration import users
from mintgate.identity.administration.call import Call
from mintgate.identity.signin import passkeys as ceremonies
from mintgate.identity.signin.enrolment import Enrolment, NotPossible, passkey_name
from mintgate.identity.signin.passkeys import Answer, PasskeyRefused
from mintgate.store import passkeys, second_factors
from mintgate.store.passkeys import Passkey

WRONG_CODE = translatable("The code is not right. Enter the six digits that the app shows now.")
NO_PASSKEY = translatable("The passkey could not be registered.")


class PreparedPasskey(NamedTuple):
    """A passkey that holds, as far as it can be told without the database."""

    answer: Answer
    verified: Passkey


def get_own(call: Call) -> f.SecondFactorsRecord:
    return _shown(call, call.acting.user)


def begin_own_app(call: Call) -> f.AppToSetUp:
    """A new secret; the app of before counts until the new one's first code is shown."""
    with _possible():
        offer = _own(call).offer_totp(anew=True)
    return f.AppToSetUp(secret=offer.secret, uri=offer.uri, picture=offer.picture)


def waiting_own_app(call: Call) -> f.AppToSetUp:
    """The secret that waits for its first code, or a new one: for a page that may be reloaded."""
    with _possible():
        offer = _own(call).offer_totp()
    return f.AppToSetUp(secret=offer.secret, uri=offer.uri, picture=offer.picture)


def confirm_own_app(call: Call) -> f.RecoveryCodes:
    """Raises InvalidInput when the code is wrong, Conflict when nothing waits for one here."""
    with _possible():
        codes = _own(call).confirm_totp(call.given(f.OneTimeCode).code)
    if codes is None:
        raise InvalidInput(WRONG_CODE)
    return f.RecoveryCodes(recovery_codes=codes)


def remove_own_app(call: Call) -> f.SecondFactorsRecord:
    """Raises Conflict for the last factor of somebody who must have one."""
    with _possible():
        _own(call).remove_totp()
    return get_own(call)


def new_own_recovery_codes(call: Call) -> f.RecoveryCodes:
    with _possible():
        return f.RecoveryCodes(recovery_codes=_own(call).new_recovery_codes())


def begin_own_passkey(call: Call) -> f.PasskeyOptions:
    with _possible():
        return f.PasskeyOptions(options=_own(call).registration_options())


def prepared_passkey(body: Any, instance: Instance) -> PreparedPasskey:
    """The checks of a new passkey that take too long for a transaction. Raises InvalidInput."""
    given: f.NewPasskey = body
    try:
        answer = ceremonies.read_answer(msgspec.json.encode(given.credential).decode())
        verified = ceremonies.verify_registration(
            instance, answer, user_id="", name=passkey_name(given.name), now=0.0
        )
    except PasskeyRefused as refused:
        raise InvalidInput(NO_PASSKEY) from refused
    return PreparedPasskey(answer, verified)


def finish_own_passkey(call: Call) -> f.MadePasskey:
    """Raises InvalidInput when its challenge is not of this sign-in, Conflict when not possible."""
    prepared: PreparedPasskey = call.prepared
    made = msgspec.structs.replace(
        prepared.verified, user_id=call.acting.user.id, created_at=call.now
    )
    with _possible():
        codes = _own(call).add_passkey(prepared.answer, made)
    return f.MadePasskey(passkey=_shown_passkey(made), recovery_codes=codes)


def rename_own_passkey(call: Call) -> f.SecondFactorsRecord:
    _require_own_passkey(call)
    with _possible():
        _own(call).rename_passkey(call.path["passkey_id"], call.given(f.PasskeyName).name)
    return get_own(call)


def remove_own_passkey(call: Call) -> f.SecondFactorsRecord:
    """Raises Conflict for the last factor of somebody who must have one."""
    _require_own_passkey(call)
    with _possible():
        _own(call).remove_passkey(call.path["passkey_id"])
    return get_own(call)


def of_user(call: Call) -> f.SecondFactorsRecord:
    """Which factors the user has whom the path names."""
    return _shown(call, users.stored(call))


def reset_of_user(call: Call) -> f.FactorsReset:
    """Remove all of them: the user signs in with the password, and sets up new ones if asked."""
    call.lock()
    user = users.stored(call)
    before = second_factors.reset(call.writing, call.instance.id, user.id)
    removed = f.FactorsReset(
        app=before.has_totp, passkeys=before.passkeys, recovery_codes=before.recovery_codes
    )
    call.record(
        "user.second_factors_reset", subject_id=user.id, details=msgspec.to_builtins(removed)
    )
    return removed


def _own(call: Call) -> Enrolment:
    def record(event: str, details: dict[str, Any]) -> None:
        call.record(event, details=details, session=call.acting.sid)

    return Enrolment(
        tx=call.writing,
        instance=call.instance,
        user=call.acting.user,
        key_encryption_key=call.key_encryption_key,
        record=record,
        bound_to=_bound_to(call),
    )


def _bound_to(call: Call) -> str:
    """What is begun is for this sign-in: nobody else who is signed in sees it or ends it."""
    return token_digest(call.acting.sid or call.acting.user.id)


@contextmanager
def _possible() -> Iterator[None]:
    try:
        yield
    except NotPossible as problem:
        raise Conflict(str(problem)) from None
    except PasskeyRefused as refused:
        raise InvalidInput(NO_PASSKEY) from refused


def _require_own_passkey(call: Call) -> None:
    """Raises NoSuchRecord, also for somebody else's [PRF-7]."""
    known = passkeys.of_user(call.connection, call.instance.id, call.acting.user.id)
    if call.path["passkey_id"] not in {passkey.id for passkey in known}:
        raise NoSuchRecord


def _shown(call: Call, user: User) -> f.SecondFactorsRecord:
    here = call.instance.id
    factors = second_factors.of(call.connection, here, user.id)
    app = second_factors.totp(call.connection, here, user.id)
    rule = rule_for(call.instance, user.user_type)
    return f.SecondFactorsRecord(
        rule=rule.value,
        has_app=factors.has_totp,
        app_since=app.since if app is not None else None,
        recovery_codes=factors.recovery_codes,
        passkeys=[
            _shown_passkey(passkey) for passkey in passkeys.of_user(call.connection, here, user.id)
        ],
        offers_passkeys=rule is not SecondFactorRule.OFF
        and passkey_domain(call.instance) is not None,
        is_last_one_kept=rule is SecondFactorRule.REQUIRED and factors.count <= 1,
    )


def _shown_passkey(passkey: Passkey) -> f.PasskeyRecord:
    return f.PasskeyRecord(
        id=passkey.id,
        name=passkey.name,
        created_at=passkey.created_at,
        last_used_at=passkey.last_used_at,
        can_be_copied=passkey.backup_eligible,
        is_copied=passkey.backed_up,
    )

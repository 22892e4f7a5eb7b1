"""The routes about second factors: a part of the automation API, and one of Profile's."""

from __future__ import annotations

from mintgate.contract.automation import second_factors as f
from mintgate.contract.automation.credentials import NoBody
from mintgate.contract.automation.route import Route

SECOND_FACTOR_ROUTES = (
    Route(
        name="users.second_factors",
        method="GET",
        path="/users/{user_id}/second-factors",
        summary="Show which second factors a user has.",
        result=f.SecondFactorsRecord,
    ),
    Route(
        name="users.reset_second_factors",
        method="POST",
        path="/users/{user_id}/reset-second-factors",
        summary="Remove every second factor of a user, who has lost them.",
        body=NoBody,
        result=f.FactorsReset,
    ),
)
"""For administrators."""

_ROOT = "/security/second-factors"
OWN_SECOND_FACTOR_ROUTES = (
    Route(
        name="own_factors.get",
        method="GET",
        path="/api/second-factors",
        summary="Show my second factors.",
        result=f.SecondFactorsRecord,
        needs_fresh=True,
    ),
    Route(
        name="own_factors.begin_app",
        method="POST",
        path=f"{_ROOT}/app",
        summary="Begin to set up an authenticator app.",
        body=NoBody,
        result=f.AppToSetUp,
        needs_fresh=True,
    ),
    Route(
        name="own_factors.confirm_app",
        method="POST",
        path=f"{_ROOT}/app/confirm",
        summary="Let the app count, by its first code; another one that I had counts no more.",
        body=f.OneTimeCode,
        result=f.RecoveryCodes,
        needs_fresh=True,
    ),
    Route(
        name="own_factors.remove_app",
        method="POST",
        path=f"{_ROOT}/app/remove",
        summary="Remove my authenticator app.",
        body=NoBody,
        result=f.SecondFactorsRecord,
        needs_fresh=True,
    ),
    Route(
        name="own_factors.new_recovery_codes",
        method="POST",
        path=f"{_ROOT}/recovery-codes",
        summary="Make new recovery codes; those of before count no more.",
        body=NoBody,
        result=f.RecoveryCodes,
        needs_fresh=True,
    ),
    Route(
        name="own_factors.begin_passkey",
        method="POST",
        path=f"{_ROOT}/passkeys/options",
        summary="Begin to make a passkey.",
        body=NoBody,
        result=f.PasskeyOptions,
        needs_fresh=True,
    ),
    Route(
        name="own_factors.finish_passkey",
        method="POST",
        path=f"{_ROOT}/passkeys",
        summary="Register the passkey that the browser made.",
        body=f.NewPasskey,
        result=f.MadePasskey,
        needs_fresh=True,
    ),
    Route(
        name="own_factors.rename_passkey",
        method="POST",
        path=f"{_ROOT}/passkeys/{{passkey_id}}/rename",
        summary="Give one of my passkeys another name.",
        body=f.PasskeyName,
        result=f.SecondFactorsRecord,
        needs_fresh=True,
    ),
    Route(
        name="own_factors.remove_passkey",
        method="POST",
        path=f"{_ROOT}/passkeys/{{passkey_id}}/remove",
        summary="Remove one of my passkeys.",
        body=NoBody,
        result=f.SecondFactorsRecord,
        needs_fresh=True,
    ),
)
"""For the person, with a token of the Profile site; who changes factors owns the account."""

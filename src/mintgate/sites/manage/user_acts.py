"""What stops users, gives and takes their rights, and ends what they have, after a question."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from mintgate.contract.automation import records
from mintgate.contract.automation.credentials import Lock, NoBody
from mintgate.contract.automation.problems import Conflict
from mintgate.contract.translating import translatable
from mintgate.identity.administration import (
    everything,
    grants,
    reference_tokens,
    second_factors,
    sessions,
    users,
)
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.acts import Act
from mintgate.sites.manage.desk import USERS

_USER = "/users/{user_id}"
NO_FACTORS = translatable("This user has no second factor.")


def _login(call: Call) -> str:
    return users.stored(call).login


def _with_factors(call: Call) -> str:
    """The login; raises Conflict for who has none, as on a page that was open too long."""
    found = second_factors.of_user(call)
    if not (found.has_app or found.passkeys or found.recovery_codes):
        raise Conflict(NO_FACTORS)
    return _login(call)


def _reset_factors(call: Call) -> object:
    call.lock()
    _with_factors(call)
    return second_factors.reset_of_user(call)


def _token(call: Call) -> str:
    token = reference_tokens.get(call)
    return token.description or token.application or token.id


def _set_admin(call: Call, *, is_admin: bool) -> object:
    return users.change(replace(call, body=records.UserChanges(is_admin=is_admin)))


USER_ACTS = (
    Act(
        path=_USER + "/disable",
        section=USERS,
        title=translatable("Disable this user?"),
        text=translatable(
            "%s cannot sign in any more, and every token of this user is refused at once. You "
            "can enable the user again."
        ),
        yes=translatable("Disable"),
        run=users.deactivate,
        subject=_login,
        done="user_disabled",
        back=_USER,
        not_oneself=True,
    ),
    Act(
        path=_USER + "/enable",
        section=USERS,
        title=translatable("Enable this user?"),
        text=translatable("%s may sign in again, and tokens that have not expired work again."),
        yes=translatable("Enable"),
        run=users.activate,
        subject=_login,
        done="user_enabled",
        back=_USER,
        needs_fresh=True,
        is_danger=False,
    ),
    Act(
        path=_USER + "/lock",
        section=USERS,
        title=translatable("Lock this user out?"),
        text=translatable("%s cannot sign in or use tokens until you take the lock away."),
        yes=translatable("Lock out"),
        run=users.lock,
        subject=_login,
        done="user_locked",
        back=_USER,
        body=Lock(),
        not_oneself=True,
    ),
    Act(
        path=_USER + "/unlock",
        section=USERS,
        title=translatable("Take the lock away?"),
        text=translatable("%s may sign in again."),
        yes=translatable("Unlock"),
        run=users.unlock,
        subject=_login,
        done="user_unlocked",
        back=_USER,
        needs_fresh=True,
        is_danger=False,
    ),
    Act(
        path=_USER + "/make-admin",
        section=USERS,
        title=translatable("Make this user an administrator?"),
        text=translatable("%s will be able to do everything that you can do here."),
        yes=translatable("Make administrator"),
        run=partial(_set_admin, is_admin=True),
        subject=_login,
        done="admin_given",
        back=_USER,
        needs_fresh=True,
    ),
    Act(
        path=_USER + "/take-admin",
        section=USERS,
        title=translatable("Take the administrator's rights away?"),
        text=translatable("%s cannot open this site any more, from the next click on."),
        yes=translatable("Take them away"),
        run=partial(_set_admin, is_admin=False),
        subject=_login,
        done="admin_taken",
        back=_USER,
        needs_fresh=True,
        not_oneself=True,
    ),
    Act(
        path=_USER + "/sign-out",
        section=USERS,
        title=translatable("End all sign-ins of this user?"),
        text=translatable("%s is signed out in every browser, and applications are told."),
        yes=translatable("End all sign-ins"),
        run=sessions.end_of_user,
        subject=_login,
        done="all_signed_out",
        back=_USER,
        body=NoBody(),
    ),
    Act(
        path=_USER + "/reset-second-factors",
        section=USERS,
        title=translatable("Remove the second factors of this user?"),
        text=translatable(
            "The app, the passkeys and the recovery codes of %s are removed, and cannot be brought "
            "back. Until new ones are set up, the password alone is enough: make sure who asks "
            "you for this, as a thief with the password would ask the same."
        ),
        yes=translatable("Remove them"),
        run=_reset_factors,
        subject=_with_factors,
        done="factors_reset",
        back=_USER,
        body=NoBody(),
        needs_fresh=True,
        not_oneself=True,
    ),
    Act(
        path=_USER + "/revoke-everything",
        section=USERS,
        title=translatable("Revoke everything of this user?"),
        text=translatable(
            "Every sign-in and every token that %s has now ends, in all applications. The user "
            "can sign in again."
        ),
        yes=translatable("Revoke everything"),
        run=everything.of_user,
        subject=_login,
        done="everything_revoked",
        back=_USER,
        body=NoBody(),
        needs_fresh=True,
        not_oneself=True,
    ),
    Act(
        path=_USER + "/remove",
        section=USERS,
        title=translatable("Remove this user?"),
        text=translatable(
            "%s and everything of this user is gone for ever; only the audit log remembers. If "
            "the person may come back, disable the user instead."
        ),
        yes=translatable("Remove for ever"),
        run=users.remove,
        subject=_login,
        done="removed",
        back=_USER,
        after="/users",
        needs_fresh=True,
        not_oneself=True,
    ),
    Act(
        path=_USER + "/tokens/{token_id}/end",
        section=USERS,
        title=translatable("Revoke this token?"),
        text=translatable("The next request with “%s” is refused. This cannot be undone."),
        yes=translatable("Revoke"),
        run=reference_tokens.revoke,
        subject=_token,
        done="token_revoked",
        back=_USER,
    ),
    Act(
        path=_USER + "/grants/{grant_id}/end",
        section=USERS,
        title=translatable("Revoke this refresh token?"),
        text=translatable(
            "The application must ask %s to sign in again. Access tokens that it has live on "
            "until they expire."
        ),
        yes=translatable("Revoke"),
        run=grants.revoke,
        subject=grants.login_of,
        done="token_revoked",
        back=_USER,
    ),
)

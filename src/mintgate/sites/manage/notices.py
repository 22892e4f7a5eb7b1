"""What pages say after something was done; the address carries only the key."""

from __future__ import annotations

from mintgate.contract.translating import translatable

DONE = {
    "saved": translatable("Saved."),
    "logo_removed": translatable("The logo is removed."),
    "factors_reset": translatable(
        "The second factors of the user are removed. The password alone is enough now, unless the "
        "instance asks for more."
    ),
    "rules_saved": translatable("The rules are saved. They count from the next sign-in on."),
    "created": translatable("Created."),
    "removed": translatable("Removed."),
    "app_disabled": translatable(
        "The application is disabled. Its tokens are refused from now on."
    ),
    "app_enabled": translatable("The application is enabled."),
    "everything_revoked": translatable("Everything was revoked."),
    "secret_ended": translatable("The secret has ended."),
    "token_revoked": translatable("The token was revoked. The next request with it is refused."),
    "user_disabled": translatable("The user is disabled, at once and everywhere."),
    "user_enabled": translatable("The user may sign in again."),
    "user_locked": translatable("The user is locked out."),
    "user_unlocked": translatable("The lock is removed."),
    "admin_given": translatable("The user is an administrator now."),
    "admin_taken": translatable("The user is no administrator any more."),
    "password_set": translatable(
        "The password is set. Sign-ins and refresh tokens of the user have ended."
    ),
    "signed_out": translatable("The sign-in has ended."),
    "all_signed_out": translatable("All sign-ins of the user have ended."),
    "session_closed": translatable("The session is closed and its licence is free."),
    "key_added": translatable("A new key is published."),
    "key_ended": translatable("The key has ended. Tokens that it signed are refused."),
    "withdrawn": translatable("The consent is withdrawn."),
    "reserved": translatable("The licence is reserved."),
    "reservation_removed": translatable("The reservation is removed."),
    "total_saved": translatable("The number of licences is saved."),
    "installed_told": translatable(
        "The application is installed. It is being told now, with all that it needs."
    ),
    "sent_again": translatable("The application is being told again."),
    "uninstalled": translatable("The application is uninstalled. All its tokens have ended."),
}

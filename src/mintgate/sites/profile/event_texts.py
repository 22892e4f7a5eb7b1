"""What an event of the audit log means to the person whom it is about, in words."""

from __future__ import annotations

from typing import NamedTuple

from mintgate.contract.automation.credentials import AuditRecord
from mintgate.contract.translating import translatable
from mintgate.sites.languages import Language


class EventText(NamedTuple):
    """Args:
    icon: of `macros/icons.html`.
    kind: of its badge; `warning` for what a person should look at.
    """

    text: str
    icon: str
    kind: str = "neutral"


_TEXTS = {
    "user.signed_in": EventText(translatable("Signed in"), "user", "good"),
    "user.signed_out": EventText(translatable("Signed out"), "out"),
    "user.sign_in_failed": EventText(translatable("A sign-in was refused"), "alert", "warning"),
    "user.sign_in_throttled": EventText(
        translatable("Sign-ins were refused after too many tries"), "alert", "warning"
    ),
    "user.device_removed": EventText(translatable("A device was removed"), "device"),
    "session.ended": EventText(translatable("A browser was signed out from elsewhere"), "out"),
    "user.added": EventText(translatable("The account was made"), "user"),
    "user.changed": EventText(translatable("The account was changed"), "settings"),
    "user.email_confirmed": EventText(translatable("The mail address was confirmed"), "mail"),
    "user.password_reset": EventText(
        translatable("The password was chosen anew by a mailed link"), "lock", "warning"
    ),
    "user.picture_changed": EventText(translatable("The picture was changed"), "user"),
    "user.picture_removed": EventText(translatable("The picture was removed"), "user"),
    "user.everything_revoked": EventText(
        translatable("All tokens and sign-ins were ended"), "shield", "warning"
    ),
    "user.second_factor_failed": EventText(
        translatable("A second factor was refused"), "alert", "warning"
    ),
    "user.passkey_refused": EventText(translatable("A passkey was refused"), "alert", "warning"),
    "user.passkey_count_went_back": EventText(
        translatable("A passkey may have been copied"), "alert", "warning"
    ),
    "user.totp_added": EventText(translatable("An authenticator app was set up"), "shield"),
    "user.totp_removed": EventText(
        translatable("The authenticator app was removed"), "shield", "warning"
    ),
    "user.passkey_added": EventText(translatable("A passkey was registered"), "passkey"),
    "user.passkey_removed": EventText(translatable("A passkey was removed"), "passkey", "warning"),
    "user.recovery_codes_made": EventText(translatable("Recovery codes were made"), "shield"),
    "user.second_factors_reset": EventText(
        translatable("An administrator removed the second factors"), "shield", "warning"
    ),
    "consent.given": EventText(translatable("An application was allowed access"), "apps"),
    "consent.withdrawn": EventText(
        translatable("Access was taken back from an application"), "apps"
    ),
    "reference_token.created": EventText(translatable("A token was made"), "token"),
    "token.revoked": EventText(translatable("A token was ended"), "token"),
    "code.replayed": EventText(
        translatable("A sign-in code was used twice; its tokens were ended"), "alert", "warning"
    ),
    "refresh.replayed": EventText(
        translatable("A token was used twice; the access was ended"), "alert", "warning"
    ),
}
EVENTS = tuple(_TEXTS)
"""Those that a person is told; every single access token is not among them."""
_OF_CHANGES = {
    "Password": EventText(translatable("The password was changed"), "lock", "warning"),
    "Email": EventText(translatable("The mail address was changed"), "mail", "warning"),
    "EmailConfirmed": EventText(translatable("The mail address was confirmed"), "mail"),
}
"""What an account was changed in, by attribute; the first that fits."""


def event_text(record: AuditRecord, language: Language) -> EventText:
    """The event in this language."""
    told = _TEXTS[record.event]
    if record.event == "user.changed":
        attributes = (record.details or {}).get("attributes", ())
        told = next((text for name, text in _OF_CHANGES.items() if name in attributes), told)
    return told._replace(text=language.gettext(told.text))

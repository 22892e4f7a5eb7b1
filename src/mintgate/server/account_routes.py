"""The pages around mailed links: which address is answered by what."""

from __future__ import annotations

from collections.abc import Callable

from mintgate.identity.account_pages import AccountPages
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.endpoints.account_endpoint import (
    FORGOTTEN_PATH,
    REGISTER_PATH,
    AccountEndpoint,
)
from mintgate.identity.endpoints.email_confirmation import EmailConfirmationEndpoint
from mintgate.identity.endpoints.forgotten_password import (
    ForgottenPasswordEndpoint,
    NewPasswordEndpoint,
)
from mintgate.identity.endpoints.interaction import InteractionParts
from mintgate.identity.endpoints.invitation import InvitationEndpoint
from mintgate.identity.endpoints.registration import RegistrationEndpoint
from mintgate.identity.mail.outbox import CONFIRM_PATH, INVITATION_PATH, RESET_PATH
from mintgate.identity.rendering import Methods


def account_endpoints(
    parts: InteractionParts, pages: AccountPages, accounts: AccountParts
) -> dict[str, Methods]:
    """By their path below the issuer."""
    made: dict[str, Callable[..., AccountEndpoint]] = {
        FORGOTTEN_PATH: ForgottenPasswordEndpoint,
        RESET_PATH: NewPasswordEndpoint,
        CONFIRM_PATH: EmailConfirmationEndpoint,
        REGISTER_PATH: RegistrationEndpoint,
        INVITATION_PATH: InvitationEndpoint,
    }
    endpoints = {path: make(parts, pages, accounts) for path, make in made.items()}
    return {path: Methods(GET=one.get, POST=one.post) for path, one in endpoints.items()}

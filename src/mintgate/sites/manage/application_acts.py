"""What ends or stops applications and their tokens, each after a question."""

from __future__ import annotations

from mintgate.contract.automation.credentials import NoBody
from mintgate.contract.automation.secrets import SecretToEnd
from mintgate.contract.translating import translatable
from mintgate.identity.administration import (
    applications,
    everything,
    grants,
    reference_tokens,
    secrets,
)
from mintgate.identity.administration.call import Call
from mintgate.sites.manage.acts import Act
from mintgate.sites.manage.desk import APPS

_APP = "/apps/{application_id}"


def _uri(call: Call) -> str:
    return applications.stored(call).application_uri


def _token(call: Call) -> str:
    token = reference_tokens.get(call)
    return token.description or token.principal or token.id


APPLICATION_ACTS = (
    Act(
        path=_APP + "/disable",
        section=APPS,
        title=translatable("Disable this application?"),
        text=translatable(
            "%s is refused everywhere at once: sign-ins, tokens and calls of APIs, also with "
            "tokens that it has already. Its refresh tokens end for good. You can enable it again."
        ),
        yes=translatable("Disable"),
        run=applications.disable,
        subject=_uri,
        done="app_disabled",
        back=_APP,
    ),
    Act(
        path=_APP + "/enable",
        section=APPS,
        title=translatable("Enable this application?"),
        text=translatable("%s may sign people in and get tokens again."),
        yes=translatable("Enable"),
        run=applications.enable,
        subject=_uri,
        done="app_enabled",
        back=_APP,
        needs_fresh=True,
        is_danger=False,
    ),
    Act(
        path=_APP + "/remove",
        section=APPS,
        title=translatable("Remove this application?"),
        text=translatable(
            "%s, its secrets and all its tokens are gone for ever. If you only want to stop it "
            "for now, disable it instead."
        ),
        yes=translatable("Remove for ever"),
        run=applications.remove,
        subject=_uri,
        done="removed",
        back=_APP,
        after="/apps",
        needs_fresh=True,
    ),
    Act(
        path=_APP + "/revoke-everything",
        section=APPS,
        title=translatable("Revoke everything of this application?"),
        text=translatable(
            "Every token that %s has now ends: access tokens, refresh tokens, personal and "
            "service tokens. The application itself goes on and may get new ones."
        ),
        yes=translatable("Revoke everything"),
        run=everything.of_application,
        subject=_uri,
        done="everything_revoked",
        back=_APP + "/tokens",
        body=NoBody(),
        needs_fresh=True,
    ),
    *(
        Act(
            path=f"{_APP}/secrets/{which}/end",
            section=APPS,
            title=translatable("End this secret?"),
            text=translatable(
                "The next request of %s with this secret is refused. Make sure that every server "
                "of the application has the other one."
            ),
            yes=translatable("End the secret"),
            run=secrets.end,
            subject=_uri,
            done="secret_ended",
            back=_APP + "/secrets",
            body=SecretToEnd(which=which),
            needs_fresh=True,
        )
        for which in ("first", "second")
    ),
    Act(
        path=_APP + "/tokens/{token_id}/end",
        section=APPS,
        title=translatable("Revoke this token?"),
        text=translatable("The next request with “%s” is refused. This cannot be undone."),
        yes=translatable("Revoke"),
        run=reference_tokens.revoke_of_application,
        subject=_token,
        done="token_revoked",
        back=_APP + "/tokens",
    ),
    Act(
        path=_APP + "/grants/{grant_id}/end",
        section=APPS,
        title=translatable("Revoke this refresh token?"),
        text=translatable(
            "The application must ask %s to sign in again. Access tokens that it has live on "
            "until they expire."
        ),
        yes=translatable("Revoke"),
        run=grants.revoke,
        subject=grants.login_of,
        done="token_revoked",
        back=_APP + "/tokens",
    ),
)

"""Why a legacy credential is let in or refused, as the rows say (specification §12).

The password is not checked: that would be a try, and cost what one costs. Its outcome is in the
audit log, as `user.sign_in_failed`.
"""

from __future__ import annotations

from sqlalchemy import Connection

from mintgate.contract import legacy as rules
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.declared_apis import ApiSettings
from mintgate.contract.errors import Refusal
from mintgate.contract.identifiers import token_digest
from mintgate.contract.instance import Instance
from mintgate.contract.legacy import LegacyScheme
from mintgate.contract.second_factors import asks_for_one
from mintgate.contract.users import User
from mintgate.store import (
    apis,
    applications,
    authorizations,
    legacy_sessions,
    second_factors,
    users,
)
from mintgate.verify import ApiRequest, CheckOutcome
from mintgate.verify.legacy import LegacyCredential, named_application

_ADVICE = "See docs/legacy-schemes.md, and move the integration to OAuth."
_NO_PROCESS = ""


class LegacyChecks:
    """The checks of a legacy credential for one API; called by `explain_request`.

    Args:
        now: Unix seconds.
    """

    def __init__(self, connection: Connection, instance: Instance, now: float, api: str) -> None:
        self._connection = connection
        self._instance = instance
        self._now = now
        self._api = api

    def __call__(self, credential: LegacyCredential, request: ApiRequest) -> list[CheckOutcome]:
        settings = self._settings(credential)
        switched_on = _outcome(
            "LEG-8",
            "legacy scheme taken by this API",
            None if settings is not None else f"{credential.scheme} is off for this API",
        )
        if settings is None:
            return [switched_on]
        if credential.scheme is LegacyScheme.BASIC:
            return [switched_on, *self._basic(settings, credential, request)]
        return [switched_on, *self._session(credential)]

    def _settings(self, credential: LegacyCredential) -> ApiSettings | None:
        stored = apis.all_of(self._connection, self._instance.id)
        found = next((a.settings for a in stored if a.settings.name == self._api), None)
        if found is None or not found.allows_basic:
            return None
        if not applications.some_allows_basic(self._connection, self._instance.id):
            return None
        is_session = credential.scheme is LegacyScheme.ERP_SESSION
        return None if is_session and self._api != rules.HAS_ERP_LOGIN else found

    def _basic(
        self, settings: ApiSettings, credential: LegacyCredential, request: ApiRequest
    ) -> list[CheckOutcome]:
        try:
            uri = named_application(request.query) or settings.basic_client or ""
        except Refusal as refusal:
            return [_outcome("LEG-2", "application may use legacy schemes", refusal.cause)]
        application = applications.by_uri(self._connection, self._instance.id, uri)
        lines = [self._of_application(application)]
        pair = rules.basic_pair(credential.value)
        if pair is None:
            problem = "password: the header is not Base64 of user:password"
            return [*lines, _outcome("LEG-5", "user name and password", problem)]
        found = users.for_sign_in(self._connection, self._instance.id, pair[0])
        lines.append(
            CheckOutcome(
                "LEG-5", "user name and password", "not checked", "an explanation is no try"
            )
        )
        if application is not None:
            lines.append(self._of_user(found[0] if found is not None else None, application))
        return lines

    def _session(self, credential: LegacyCredential) -> list[CheckOutcome]:
        login = legacy_sessions.by_key(
            self._connection,
            self._instance.id,
            token_digest(credential.value),
            self._now,
            _NO_PROCESS,
        )
        problem = "session: no open session has this id" if login is None else None
        lines = [_outcome("LEG-12", "legacy session open", problem)]
        if login is None:
            return lines
        application = applications.by_uri(self._connection, self._instance.id, login.client_ids[0])
        lines.append(self._of_application(application))
        if application is not None:
            user = users.by_id(self._connection, self._instance.id, login.user_id)
            lines.append(self._of_user(user, application))
        return lines

    def _of_application(self, application: TrustedApplication | None) -> CheckOutcome:
        return _outcome(
            "LEG-2",
            "application may use legacy schemes",
            rules.problem_of_application(application),
        )

    def _of_user(self, user: User | None, application: TrustedApplication) -> CheckOutcome:
        everyone = self._instance.allow_basic_auth_for_all_users
        has_any = user is not None and second_factors.is_enabled(
            self._connection, self._instance.id, user.id
        )
        problem = rules.problem_of_user(
            user,
            application,
            self._now,
            everyone=everyone,
            needs_second_factor=user is not None
            and asks_for_one(self._instance, user.user_type, has_any=has_any),
        )
        if problem is None and user is not None:
            blocked = authorizations.blocks_user(
                self._connection, self._instance.id, application.id, user.id, self._now
            )
            problem = "user: the authorization for the application is over" if blocked else None
        return _outcome("LEG-3", "user may use legacy schemes with this application", problem)


def _outcome(check: str, name: str, problem: str | None) -> CheckOutcome:
    if problem is None:
        return CheckOutcome(check, name, "passed")
    return CheckOutcome(check, name, "failed", problem, seen=problem, mend=_ADVICE)

"""From a legacy credential to the `Principal` of a request [LEG-1..6, LEG-12, LEG-15]."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from mintgate.contract import legacy as rules
from mintgate.contract.applications import TrustedApplication
from mintgate.contract.clock import Clock
from mintgate.contract.declared_apis import ApiSettings
from mintgate.contract.errors import BadPassword, NoCredential
from mintgate.contract.legacy import LegacyScheme
from mintgate.contract.licences import IDLE_SECONDS
from mintgate.contract.policy import SAFE_METHODS
from mintgate.contract.users import User
from mintgate.gate.legacy.logins import ErpLogins
from mintgate.gate.legacy.one_factor import OneFactorUsers
from mintgate.gate.legacy.passwords import CheckedPasswords
from mintgate.gate.legacy.uses import LegacyUses
from mintgate.gate.sessions import SESSION_OVER, ErpSessions
from mintgate.identity.directory import Directory
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.store import Change, Database, DatabaseUnavailable, authorizations
from mintgate.store.legacy_sessions import LegacyLogin
from mintgate.verify.api_request import ApiRequest
from mintgate.verify.legacy import LegacyCredential, named_application
from mintgate.verify.principal import Principal
from mintgate.verify.state import StateUnavailable

BASIC_SESSIONS = "sessions of HTTP Basic"
_OWN = frozenset({b"same-origin", b"none"})
ADMITTED_SECONDS = 60.0
MAX_ADMITTED = 10_000
WRONG = "password: unknown user, wrong password or too many tries; see user.sign_in_failed"


class LegacyAccess:
    """The legacy schemes of one instance.

    Args:
        sign_in: that of the sign-in page.
        is_fresh: whether the state feed is followed up to now.
        clock: Unix seconds.
    """

    def __init__(
        self,
        directory: Directory,
        sign_in: PasswordSignIn,
        sessions: ErpSessions,
        uses: LegacyUses,
        database: Database,
        is_fresh: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self.uses = uses
        self._directory = directory
        self._database = database
        self._clock = clock
        self._passwords = CheckedPasswords(sign_in, is_fresh, clock)
        self._logins = ErpLogins(directory, sessions, database, is_fresh, clock)
        self._basic_key = directory.derived_key(BASIC_SESSIONS)
        self._admitted: dict[tuple[str, str], float] = {}
        self._one_factor = OneFactorUsers(directory.instance, database, is_fresh, clock)

    def of_api(self, api: str) -> LegacySchemesOfApi:
        """The schemes of one API, for its guard.

        Args:
            api: its audience.
        """
        return LegacySchemesOfApi(self, api)

    def apply(self, change: Change) -> None:
        """Forget what a committed change of this instance concerns [TOP-13]."""
        if change.kind == "user":
            self._passwords.forget(change.subject)
            self._one_factor.forget(change.subject)
        elif change.kind == "erp_session":
            self._logins.forget(change.data["session"])

    async def settings(self, api: str) -> ApiSettings | None:
        """The settings of an API that takes the legacy schemes now; None when it does not [LEG-8].

        Both have to be there: an application that the API takes them for by default, and one
        that is allowed to use them.
        """
        found = (await self._directory.apis()).get(api)
        if found is None or not found.allows_basic or not await self._directory.allows_basic():
            return None
        return found

    async def basic(self, settings: ApiSettings, value: str, request: ApiRequest) -> Principal:
        """The caller behind `Authorization: Basic`. Raises BadPassword."""
        if _is_of_another_site(request):
            raise BadPassword(cause="browser: a page of another site made it send this")
        pair = rules.basic_pair(value)
        if pair is None:
            raise BadPassword(cause="password: the header is not Base64 of user:password")
        application = await self._application(named_application(request.query), settings)
        login, password = pair
        user_id = await self._passwords.user_id(login, password, request.address)
        if user_id is None:
            raise BadPassword(cause=WRONG)
        user = await self._directory.user(user_id)
        user = await self._required(user, application)
        named = f"{application.id}\0{user.id}".encode()
        key = hmac.digest(self._basic_key, named, "sha256").hex().upper()
        return self._principal(LegacyScheme.BASIC, application, user, key)

    async def erp_session(self, value: str) -> Principal:
        """The caller behind `Authorization: ErpSession`. Raises NoCredential [LEG-12]."""
        login = await self._logins.find(value)
        if login is None:
            raise NoCredential(SESSION_OVER, cause="session: no open session has this id")
        application = await self._directory.application(login.client_ids[0])
        user = await self._directory.user(login.user_id)
        problem = rules.problem_of_application(application)
        if application is not None and problem is None:
            problem = await self._problem_of(user, application)
        if problem is not None or application is None or user is None:
            raise NoCredential(SESSION_OVER, cause=problem)
        return self._of_login(login, application, user)

    async def log_in(
        self,
        settings: ApiSettings,
        login: str,
        password: str,
        *,
        app: str | None,
        language: str | None,
        address: str,
    ) -> str:
        """The id of the session of an ErpLogin, new or the one of the same login [LEG-14].

        Args:
            app: an `ApplicationUri`; None is the API's default.
            language: a culture name for the texts of answers.

        Raises:
            BadPassword: see `BadPassword`.
            NoFreeSlot: all licence slots are taken.
            TemporarilyUnavailable, StateUnavailable, DatabaseUnavailable: not now.
        """
        application = await self._application(app, settings)
        proved = await self._passwords.prove(login, password, address)
        if proved is None:
            raise BadPassword(cause=WRONG)
        user = await self._required(proved.user, application)
        principal = self._principal(LegacyScheme.ERP_LOGIN, application, user, "")
        made = await self._logins.open(principal, proved.password_hash, language)
        if made is None:
            raise BadPassword(cause="user: the user or the password changed while it was checked")
        await self.uses.note(LegacyScheme.ERP_LOGIN, settings.name, principal, address)
        return made

    async def _application(self, name: str | None, settings: ApiSettings) -> TrustedApplication:
        """[LEG-2, LEG-4] Raises BadPassword."""
        uri = name or settings.basic_client or ""
        found = await self._directory.application(uri)
        problem = rules.problem_of_application(found)
        if problem is not None or found is None:
            raise BadPassword(cause=f"{problem} ({uri[:128]!r})")
        return found

    async def _required(self, user: User | None, application: TrustedApplication) -> User:
        """The user, who may use the schemes with this application. Raises BadPassword."""
        problem = await self._problem_of(user, application)
        if problem is not None or user is None:
            raise BadPassword(cause=problem)
        return user

    async def _problem_of(self, user: User | None, application: TrustedApplication) -> str | None:
        everyone = self._directory.instance.allow_basic_auth_for_all_users
        problem = rules.problem_of_user(
            user,
            application,
            self._clock(),
            everyone=everyone,
            needs_second_factor=user is not None and await self._one_factor.lacks(user),
        )
        if problem is None and user is not None and not await self._is_admitted(user, application):
            return "user: the authorization for the application is revoked or over"
        return problem

    async def _is_admitted(self, user: User, application: TrustedApplication) -> bool:
        """Whether no authorization record keeps the user out [TAP-30]; looked up each minute."""
        pair, now = (application.id, user.id), self._clock()
        at = self._admitted.get(pair)
        if at is not None and 0 <= now - at < ADMITTED_SECONDS:
            return True
        instance_id = self._directory.instance.id
        if await self._database.read(
            lambda c: authorizations.blocks_user(c, instance_id, application.id, user.id, now)
        ):
            self._admitted.pop(pair, None)
            return False
        if len(self._admitted) >= MAX_ADMITTED:
            self._admitted.clear()
        self._admitted[pair] = now
        return True

    def _of_login(
        self, login: LegacyLogin, application: TrustedApplication, user: User
    ) -> Principal:
        scheme = LegacyScheme.ERP_SESSION
        return self._principal(scheme, application, user, login.key, login.language)

    def _principal(
        self,
        scheme: LegacyScheme,
        application: TrustedApplication,
        user: User,
        key: str,
        language: str | None = None,
    ) -> Principal:
        instance = self._directory.instance
        return Principal(
            kind="user",
            issuer=instance.issuer,
            client_id=application.application_uri,
            login=user.login,
            user_id=user.id,
            user_type=user.user_type,
            database=instance.database,
            scopes=frozenset(),  # [LEG-1]
            jti=key,  # tells callers apart where tokens would be
            session=key,
            expires_at=int(self._clock() + IDLE_SECONDS),
            is_admin=user.is_admin,
            name=user.display_name(language),
            email=user.email,
            locale=language or user.locale,
            legacy=scheme,
        )


class LegacySchemesOfApi:
    """The legacy schemes of one API, as its guard asks for them (`verify.LegacySchemes`)."""

    def __init__(self, access: LegacyAccess, api: str) -> None:
        self._access = access
        self._api = api

    async def offered(self) -> tuple[str, ...]:
        try:
            return ("Basic",) if await self._access.settings(self._api) is not None else ()
        except DatabaseUnavailable:
            return ()  # a refusal for want of a credential needs no database

    async def principal(self, credential: LegacyCredential, request: ApiRequest) -> Principal:
        try:
            principal = await self._principal_of(credential, request)
        except DatabaseUnavailable as error:
            raise StateUnavailable(str(error)) from error
        except NoCredential as refusal:
            refusal.also = await self.offered()
            raise
        await self._access.uses.note(credential.scheme, self._api, principal, request.address)
        return principal

    async def _principal_of(self, credential: LegacyCredential, request: ApiRequest) -> Principal:
        settings = await self._access.settings(self._api)
        if settings is None:
            raise NoCredential(cause=f"{credential.scheme} is off for this API [LEG-8]")
        if credential.scheme is LegacyScheme.BASIC:
            return await self._access.basic(settings, credential.value, request)
        if self._api != rules.HAS_ERP_LOGIN:
            raise NoCredential(cause="ErpSession opens the DomainAPI only [LEG-15]")
        return await self._access.erp_session(credential.value)


def _is_of_another_site(request: ApiRequest) -> bool:
    """Whether a page of another site has a browser write something.

    Browsers remember user names and passwords of Basic, and send them with whatever a page asks
    for, as they do with cookies. Programs do not send this header (Fetch Metadata §2.3).
    """
    if request.method in SAFE_METHODS:
        return False
    return any(
        name == b"sec-fetch-site" and value.strip().lower() not in _OWN
        for name, value in request.headers
    )

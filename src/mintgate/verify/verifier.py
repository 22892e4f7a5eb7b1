"""The verifier: a credential goes in, a principal or the first failed check comes out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from mintgate.contract.clock import Clock, system_clock
from mintgate.contract.errors import InvalidToken, ResourceRefusal
from mintgate.contract.users import MAY_CALL_APIS_AS_USER, UserType
from mintgate.jose import ALGORITHMS, MalformedToken, parse_compact
from mintgate.jose.encoding import decode_object
from mintgate.verify import checks
from mintgate.verify.accepted import MAX_ACCEPTED, Accepted, AcceptedTokens
from mintgate.verify.checks import CheckOutcome, Examined, Expected, NotChecked
from mintgate.verify.explanation import explain
from mintgate.verify.keys import KeySource, RemoteKeys, fetch, require_safe
from mintgate.verify.principal import Principal, principal_of
from mintgate.verify.references import ReferenceSource
from mintgate.verify.state import StateSource, TokenState

MAX_LEEWAY = 60.0
MAX_KNOWN_HEADERS = 16
STAMPED_SECONDS = 1.0
"""How long it counts that a state was good, when the state source has heard of no change since."""


class TokenVerifier(Protocol):
    """What a guard asks of a verifier; a gate for several issuers has its own."""

    def verify(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> Principal: ...

    async def verify_async(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> Principal: ...

    def verify_at_once(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> Principal | None: ...

    def explain(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> list[CheckOutcome]: ...

    def examined(self, token: str) -> Examined: ...


class Verifier:
    """Checks access tokens of one issuer, in the order of specification §10.1.

    Args:
        issuer: the exact `iss`, such as `https://orion.my.example/id`.
        database: the instance's database name; without it API-12 is not checked.
        state: answers API-13 and API-14; without it they are not checked.
        keys: where keys come from; by default the issuer's published key set.
        references: knows reference tokens (`enrt_…`); without it every one is refused [API-3].
        algorithms: the signature algorithms that are accepted, of `jose.ALGORITHMS` [EXT-6]; a key
            is used for its own one only.
        user_types: the types of users whose tokens pass API-14; an API takes internal users only.
        expiry_leeway: seconds that a token may be used after `exp`, 0 to 60 [API-9].
        start_leeway: seconds that `nbf` and `iat` may be ahead of this clock, 0 to 60.
        remembered_tokens: how many accepted tokens an audience are remembered, so that only what
            can have changed is checked again; about 3 kB each. 0 checks everything every time.
        clock: the time, in Unix seconds.

    Raises:
        ValueError: a leeway out of range, an unknown algorithm or none, or an issuer that is
            neither https nor loopback.
    """

    def __init__(
        self,
        issuer: str,
        database: str | None = None,
        state: StateSource | None = None,
        *,
        keys: KeySource | None = None,
        references: ReferenceSource | None = None,
        algorithms: Sequence[str] = ("RS256",),
        user_types: frozenset[UserType] = MAY_CALL_APIS_AS_USER,
        expiry_leeway: float = 0.0,
        start_leeway: float = 5.0,
        remembered_tokens: int = MAX_ACCEPTED,
        clock: Clock = system_clock,
    ) -> None:
        if not (0 <= expiry_leeway <= MAX_LEEWAY and 0 <= start_leeway <= MAX_LEEWAY):
            raise ValueError("a leeway must be between 0 and 60 seconds")
        if not algorithms or not set(algorithms) <= set(ALGORITHMS):
            raise ValueError(f"algorithms must be some of {', '.join(ALGORITHMS)}")
        self.issuer = issuer
        self.database = database
        self.algorithms = tuple(algorithms)
        self._state = state
        self._stamp: Callable[[], int | None] = getattr(state, "stamp", _no_stamp)
        self._keys = keys if keys is not None else RemoteKeys(issuer)
        self._key_of = self._keys.get
        self._references = references
        self._user_types = user_types
        self._leeways = (expiry_leeway, start_leeway)
        self._clock = clock
        self._expected: dict[tuple[str, frozenset[str]], Expected] = {}
        self._known_headers: dict[bytes, dict[str, Any]] = {}
        self._accepted = AcceptedTokens(remembered_tokens)

    @property
    def state(self) -> StateSource | None:
        """Where it learns what has been revoked and ended; None where that is not checked."""
        return self._state

    @classmethod
    def discover(cls, root_url: str, **options: Any) -> Verifier:
        """A verifier for the instance at `root_url`, found by auto-discovery [TOP-20..23].

        Args:
            root_url: such as `https://orion.my.erp.net`.
            options: as for the constructor.

        Raises:
            httpx.HTTPError: the instance does not answer.
            ValueError: the answer is not an auto-discovery document, or the URL neither https
                nor loopback: whoever sits in between would choose the issuer.
        """
        import httpx

        require_safe(root_url)
        with httpx.Client(timeout=5.0, follow_redirects=False) as http:
            document = decode_object(fetch(http, f"{root_url.rstrip('/')}/sys/auto-discovery"))
        sites = document.get("WebSites")
        urls = [s.get("Url") for s in sites or [] if isinstance(s, dict) and s.get("Type") == "ID"]
        if len(urls) != 1 or not isinstance(urls[0], str):
            raise ValueError(f"{root_url} names no identity service in its auto-discovery")
        options.setdefault("database", document.get("DbName"))
        return cls(urls[0].rstrip("/"), **options)

    def verify(self, token: str, audience: str, scopes: Collection[str] = frozenset()) -> Principal:
        """Check a token; `update` satisfies `read` [API-38].

        Args:
            token: the credential, without its scheme.
            audience: this API's name, case-sensitive, such as `DomainAPI`.
            scopes: what the operation needs.

        Raises:
            InvalidToken, Forbidden, InsufficientScope: the first check that failed.
            KeysUnavailable: the issuer's keys were never reached.
            StateUnavailable: the state source does not answer.
        """
        known = self.verify_at_once(token, audience, scopes)
        if known is not None:
            return known
        examined = self._examine(token)
        kid = self._unknown_kid(examined)
        if kid is not None:
            key = self._keys.refresh(kid)
            examined = self._examine(token)
            examined.key = examined.key or key
        self._look_up(examined, token)
        expected = self._expect(audience, scopes)
        self._check_token(examined, expected)
        if self._state is not None:
            claims = examined.claims
            examined.state = self._state.find(claims, token) or self._state.load(claims, token)
        return self._admit(token, examined, expected)

    async def verify_async(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> Principal:
        """The same as `verify`, without blocking the event loop."""
        known = self.verify_at_once(token, audience, scopes)
        if known is not None:
            return known
        examined = self._examine(token)
        kid = self._unknown_kid(examined)
        if kid is not None:
            key = await self._keys.refresh_async(kid)
            examined = self._examine(token)
            examined.key = examined.key or key
        if examined.is_reference and self._references is not None:
            try:
                examined.reference = await self._references.load_async(token)
            except ResourceRefusal as refusal:
                examined.reference_refusal = refusal
        expected = self._expect(audience, scopes)
        self._check_token(examined, expected)
        if self._state is not None:
            claims = examined.claims
            examined.state = self._state.find(claims, token) or await self._state.load_async(
                claims, token
            )
        return self._admit(token, examined, expected)

    def verify_at_once(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> Principal | None:
        """The same as `verify` for a token that was accepted before; None: every check is needed.

        What cannot change was checked then; the key, the time and the scopes are looked at each
        time, and the state unless its source has heard of no change, by the same checks. It never
        waits.
        """
        now = self._clock()
        known = self._accepted.find(token, audience, now)
        if known is None or self._key_of(known.key.kid) is not known.key:
            return None
        stamp, principal = self._stamp(), known.present
        if (
            stamp is not None
            and stamp == known.stamp
            and 0 <= now - known.looked_at < STAMPED_SECONDS
        ):
            pass  # as it was looked at a moment ago
        elif self._state is None:
            principal = known.principal
        else:
            state = self._state.find(known.claims, token)
            if state is None:
                return None
            if state is not known.state or principal is None:
                # A state never changes, it is replaced: the very same one was good before.
                principal = known.present = self._present(known, state, now)
                known.state = state
            known.stamp, known.looked_at = stamp, now
        if scopes is not known.covered and scopes:
            # The token's scopes are part of it: those that covered these will do so again.
            checks.check_scopes(self._again(known, None, now), self._expect(audience, scopes))
            if isinstance(scopes, frozenset):
                known.covered = scopes
        return principal

    def _again(self, known: Accepted, state: TokenState | None, now: float) -> Examined:
        return Examined(token=known.token, problem=None, key=known.key, now=now, state=state)

    def _present(self, known: Accepted, state: TokenState, now: float) -> Principal:
        """The principal as the state makes it now. Raises what a check of the state raises."""
        examined, expected = self._again(known, state, now), self._expect("", frozenset())
        for check in checks.STATE_CHECKS:
            check.run(examined, expected)
        is_admin = state.user.is_admin if state.user is not None else None
        if is_admin is None or is_admin is known.principal.is_admin:
            return known.principal
        return principal_of(known.claims, state)

    def explain(
        self, token: str, audience: str, scopes: Collection[str] = frozenset()
    ) -> list[CheckOutcome]:
        """Every check with its outcome; those that could not be made are 'not checked'."""
        return explain(self.examined(token), self._expect(audience, scopes))

    def examined(self, token: str) -> Examined:
        """The token taken apart, with everything that is known of it; nothing is judged."""
        examined = self._examine(token)
        kid = self._unknown_kid(examined)
        if kid is not None:
            key = self._keys.refresh(kid)
            examined = self._examine(token)
            examined.key = examined.key or key
        self._look_up(examined, token)
        if self._state is not None and checks.has_required_claims(examined):
            claims = examined.claims
            examined.state = self._state.find(claims, token) or self._state.load(claims, token)
        return examined

    def _look_up(self, examined: Examined, token: str) -> None:
        if examined.is_reference and self._references is not None:
            try:
                examined.reference = self._references.load(token)
            except ResourceRefusal as refusal:
                examined.reference_refusal = refusal

    def _examine(self, token: str) -> Examined:
        now = self._clock()
        if token.startswith(checks.REFERENCE_TOKEN_PREFIX):
            return Examined(token=None, problem=None, key=None, now=now, is_reference=True)
        try:
            parsed = parse_compact(token, self._known_headers)
        except MalformedToken as error:
            return Examined(token=None, problem=str(error), key=None, now=now)
        kid = parsed.header.get("kid")
        key = self._key_of(kid) if isinstance(kid, str) else None
        return Examined(token=parsed, problem=None, key=key, now=now)

    def _unknown_kid(self, examined: Examined) -> str | None:
        """The `kid` worth a fetch: only of a token that passes the checks before API-6."""
        if examined.token is None or examined.key is not None:
            return None
        kid = examined.token.header.get("kid")
        try:
            checks.check_algorithm(examined, self._expect("", frozenset()))
        except InvalidToken:
            return None
        return kid if isinstance(kid, str) else None

    def _expect(self, audience: str, scopes: Collection[str]) -> Expected:
        key = (audience, frozenset(scopes))
        expected = self._expected.get(key)
        if expected is None:
            expiry, start = self._leeways
            expected = Expected(
                issuer=self.issuer,
                audience=audience,
                scopes=key[1],
                algorithms=self.algorithms,
                database=self.database,
                user_types=self._user_types,
                expiry_leeway=expiry,
                start_leeway=start,
            )
            if len(self._expected) < 256:
                self._expected[key] = expected
        return expected

    def _check_token(self, examined: Examined, expected: Expected) -> None:
        # The first one is about reference tokens only.
        for run in checks.REFERENCE_RUNS if examined.is_reference else checks.JWT_RUNS:
            try:
                run(examined, expected)
            except NotChecked:
                continue
        token = examined.token
        if token is not None and len(self._known_headers) < MAX_KNOWN_HEADERS:
            self._known_headers[token.header_text] = token.header

    def _admit(self, credential: str, examined: Examined, expected: Expected) -> Principal:
        if self._state is not None:
            for check in checks.STATE_CHECKS:
                check.run(examined, expected)
        if examined.is_reference and self._references is not None:
            self._references.note_use(examined.claims)  # [REF-38] also when the scope is missing
        checks.check_scopes(examined, expected)
        principal = principal_of(examined.claims, examined.state)
        self._remember(credential, examined, expected.audience, principal)
        return principal

    def _remember(
        self, credential: str, examined: Examined, audience: str, principal: Principal
    ) -> None:
        token, key = examined.token, examined.key
        if token is None or key is None or not self._accepted.maximum:
            return  # a reference token is resolved at every use [REF-34]
        expiry, start = self._leeways
        claims = token.claims
        accepted = Accepted(
            token=token.verified(),
            key=key,
            principal=principal,
            valid_from=max(claims["nbf"], claims["iat"]) - start,
            valid_until=claims["exp"] + expiry,
        )
        self._accepted.add(credential, audience, accepted)


def _no_stamp() -> None:
    """Of a state source that does not tell whether anything has changed."""

"""What ends what: every event against every credential, at a verifier in another process.

The same table stands in `docs/what-ends-what.md`; a test here compares the two.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mintgate.contract.applications import ReferenceTokenPolicy, TrustedApplication
from mintgate.contract.identifiers import new_guid, secret_hash
from mintgate.contract.reference_tokens import TokenKind
from mintgate.contract.users import User, UserType
from mintgate.identity import references
from mintgate.server.application import Application
from mintgate.server.instance_application import InstanceApplication
from mintgate.store import (
    apis,
    applications,
    erp_session_ends,
    feed,
    keys,
    sessions,
    users,
)
from mintgate.verify import Principal
from tests.promptness import PROMPT_SECONDS
from tests.wire.verifier_process import VerifierProcess
from tests.world import (
    LOGOUT,
    NOW,
    PASSWORD_HASH,
    REDIRECT,
    SECRET,
    Browser,
    World,
    answer_of,
    payload_of,
    sqlite_url,
)

API_SECRET = "the secret of an API"
ENDS, SURVIVES = "ends", "survives"
COLUMNS = (
    "access token",
    "service token",
    "refresh token",
    "PAT",
    "SAT",
    "sign-in session",
    "ERP session",
    "slot",
)
_numbers = itertools.count()


@dataclass
class Cast:
    """A person and an application with one of every credential."""

    world: World
    user: User
    system_user: User
    application: TrustedApplication
    browser: Browser
    code: str
    tokens: dict[str, Any]
    service_token: str
    pat: str
    sat: str
    secret: str = SECRET

    @property
    def client_id(self) -> str:
        return self.application.application_uri


def cast_in(world: World, **attributes: Any) -> Cast:
    number = next(_numbers)
    instance_id = world.instance.id
    user = User(
        id=new_guid(),
        login=f"person{number}",
        name={"en": f"Person {number}"},
        user_type=UserType.INTERNAL,
    )
    system_user = User(
        id=new_guid(),
        login=f"svc{number}",
        name={"en": f"Service {number}"},
        user_type=UserType.SYSTEM,
    )
    application = TrustedApplication(
        id=new_guid(),
        name={"en": f"App {number}"},
        application_uri=f"app.example.org/{number}",
        application_secret_hash=secret_hash(SECRET),
        impersonate_login_url=REDIRECT,
        impersonate_logout_url=LOGOUT,
        impersonate_as_internal_user_allowed=True,
        system_user_allowed=True,
        system_user=system_user.id,
        scope="read update",
        reference_tokens=ReferenceTokenPolicy.AUTHENTICATED_USERS,
        **attributes,
    )
    with world.database.begin() as tx:
        users.add(tx, instance_id, user, PASSWORD_HASH)
        users.add(tx, instance_id, system_user)
        applications.add(tx, instance_id, application)
        ada = users.by_login(tx.connection, instance_id, "ada")
        assert ada is not None
        made = [
            references.create(
                tx,
                instance_id,
                kind=kind,
                application=application,
                creator=creator,
                system_user=system_user,
                scopes=("read",),
                expires_at=NOW + 1e6,
                description=None,
            )[0]
            for kind, creator in ((TokenKind.PERSONAL, user), (TokenKind.SERVICE, ada))
        ]
    world.sync()
    browser = world.browser()
    page = browser.sign_in(
        user.login, client_id=application.application_uri, scope="openid read offline_access"
    )
    if application.require_consent:
        page = browser.submit(page, action="allow")
    code = answer_of(page)["code"]
    answer = world.redeem(code, application.application_uri)
    assert answer.status_code == 200, answer.text
    service = world.request_token(
        (application.application_uri, SECRET), grant_type="client_credentials"
    )
    return Cast(
        world,
        user,
        system_user,
        application,
        browser,
        code,
        answer.json(),
        service.json()["access_token"],
        *made,
    )


# What happens. Administrators' acts are done as another process does them, the rest by HTTP.


def change_password(cast: Cast) -> None:
    with cast.world.database.begin() as tx:
        users.set_password(tx, cast.world.instance.id, cast.user.id, PASSWORD_HASH)


def change_user(**changes: Any) -> Callable[[Cast], None]:
    def act(cast: Cast) -> None:
        with cast.world.database.begin() as tx:
            changed = msgspec.structs.replace(cast.user, **changes)
            users.change(tx, cast.world.instance.id, changed)

    return act


def rename_user(cast: Cast) -> None:
    change_user(login=f"renamed{next(_numbers)}")(cast)


def remove_user(cast: Cast) -> None:
    with cast.world.database.begin() as tx:
        users.remove(tx, cast.world.instance.id, cast.user.id)


def disable_system_user(cast: Cast) -> None:
    with cast.world.database.begin() as tx:
        changed = msgspec.structs.replace(cast.system_user, active=False)
        users.change(tx, cast.world.instance.id, changed)


def change_application(**changes: Any) -> Callable[[Cast], None]:
    def act(cast: Cast) -> None:
        with cast.world.database.begin() as tx:
            changed = msgspec.structs.replace(cast.application, **changes)
            applications.change(tx, cast.world.instance.id, changed)

    return act


def rotate_secret(cast: Cast) -> None:
    cast.secret = "another-secret"
    change_application(application_secret_hash=secret_hash(cast.secret))(cast)


def remove_application(cast: Cast) -> None:
    with cast.world.database.begin() as tx:
        applications.remove(tx, cast.world.instance.id, cast.application.id)


def sign_out(cast: Cast) -> None:
    answer = cast.browser.http.get(
        "/id/connect/endsession", params={"id_token_hint": cast.tokens["id_token"]}
    )
    assert answer.status_code == 200, answer.text


def end_session(cast: Cast) -> None:
    """As `mintgate sign-in end` does."""
    sid = payload_of(cast.tokens["access_token"])["sid"]
    with cast.world.database.begin() as tx:
        sessions.end(tx, cast.world.instance.id, sid, "ended_by_administrator")


def close_erp_session(cast: Cast) -> None:
    """As `mintgate session close` does."""
    sid = payload_of(cast.tokens["access_token"])["sid"]
    with cast.world.database.begin() as tx:
        assert erp_session_ends.close(tx, cast.world.instance.id, sid, "ada")


def withdraw_consent(cast: Cast) -> None:
    with cast.world.database.begin() as tx:
        assert applications.withdraw_consent(
            tx,
            cast.world.instance.id,
            cast.user,
            cast.application,
            actor=cast.user.login,
            address=None,
        )


def revoke(name: str) -> Callable[[Cast], None]:
    def act(cast: Cast) -> None:
        token = cast.pat if name == "pat" else cast.tokens[name]
        answer = cast.world.http.post(
            "/id/connect/revocation", data={"token": token}, auth=(cast.client_id, SECRET)
        )
        assert answer.status_code == 200, answer.text

    return act


def replay_refresh_token(cast: Cast) -> None:
    first = cast.tokens["refresh_token"]
    cast.tokens["refresh_token"] = cast.world.refresh(first, cast.client_id).json()["refresh_token"]
    assert cast.world.refresh(first, cast.client_id).status_code == 400


def replay_code(cast: Cast) -> None:
    assert cast.world.redeem(cast.code, cast.client_id).status_code == 400


def revoke_everything_of_user(cast: Cast) -> None:
    with cast.world.database.begin() as tx:
        assert users.revoke_everything(tx, cast.world.instance.id, cast.user.id, "ada")


def revoke_everything_of_application(cast: Cast) -> None:
    with cast.world.database.begin() as tx:
        instance_id = cast.world.instance.id
        assert applications.revoke_everything(tx, instance_id, cast.application.id, "ada")


def compromise_key(cast: Cast) -> None:
    """As `mintgate key compromised` does."""
    with cast.world.database.begin() as tx:
        for times in keys.times(tx.connection, cast.world.instance.id):
            keys.end(tx, cast.world.instance.id, times.kid)
        keys.create(tx, cast.world.instance.id, cast.world.kek)


E, S = ENDS, SURVIVES
TABLE: list[tuple[str, Callable[[Cast], None], tuple[str, ...], str]] = [
    # event, act, (access, service, refresh, PAT, SAT, sign-in, ERP session, slot), rules
    ("password changed", change_password, (S, S, E, S, S, E, E, E), "USR-22 LIF-18"),
    ("user disabled", change_user(active=False), (E, S, E, E, S, E, S, S), "API-14 LIF-12 REF-34"),
    ("user locked", change_user(locked_until=NOW + 1e6), (E, S, E, E, S, E, S, S), "SGN-10 API-14"),
    ("user renamed", rename_user, (S, S, S, S, S, S, S, S), "TOK-27 TKN-22 REF-36"),
    ("user removed", remove_user, (E, S, E, E, S, E, E, E), "API-14 LIF-12"),
    ("system user disabled", disable_system_user, (S, E, S, S, E, S, S, S), "API-14 REF-34"),
    (
        "application disabled",
        change_application(is_enabled=False),
        (E, E, E, E, E, S, S, S),
        "TAP-4 LIF-15",
    ),
    ("application removed", remove_application, (E, E, E, E, E, S, S, S), "TAP-33"),
    ("secret rotated", rotate_secret, (S, S, S, S, S, S, S, S), "TAP-32"),
    ("signed out", sign_out, (S, S, E, S, S, E, E, E), "END-4 END-5 LIF-18"),
    ("session ended by an administrator", end_session, (S, S, E, S, S, E, E, E), "LIF-18 OPQ-32"),
    ("ERP session closed", close_erp_session, (S, S, S, S, S, S, E, E), "OPQ-32 SES-22"),
    ("consent withdrawn", withdraw_consent, (S, S, E, S, S, S, S, S), "EXT-2"),
    ("access token revoked", revoke("access_token"), (E, S, S, S, S, S, S, S), "REV-4"),
    ("refresh token revoked", revoke("refresh_token"), (S, S, E, S, S, S, S, S), "REV-3 LIF-17"),
    ("PAT revoked", revoke("pat"), (S, S, S, E, S, S, S, S), "REF-51"),
    ("refresh token replayed", replay_refresh_token, (S, S, E, S, S, S, S, S), "LIF-14"),
    ("code redeemed twice", replay_code, (E, S, E, S, S, S, S, S), "TKN-47"),
    (
        "everything of a user revoked",
        revoke_everything_of_user,
        (E, S, E, E, S, E, E, E),
        "LIF-18",
    ),
    (
        "everything of an application revoked",
        revoke_everything_of_application,
        (E, E, E, E, E, S, S, S),
        "LIF-18",
    ),
    ("key compromised", compromise_key, (E, E, S, S, S, S, S, S), "LIF-18"),
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, VerifierProcess]]:
    """One server, and one verifier in a process of its own."""
    world = World(sqlite_url(tmp_path_factory.mktemp("world"))).start()
    with world.database.begin() as tx:
        apis.set_secret(tx, world.instance.id, "DomainAPI", secret_hash(API_SECRET))
    try:
        with VerifierProcess(world.issuer, world.instance.database, API_SECRET) as verifier:
            yield world, verifier
    finally:
        world.stop()


@pytest.mark.parametrize(
    ("event", "act", "outcomes", "rules"), TABLE, ids=[row[0] for row in TABLE]
)
def test_what_ends_what(
    event: str,
    act: Callable[[Cast], None],
    outcomes: tuple[str, ...],
    rules: str,
    stage: tuple[World, VerifierProcess],
) -> None:
    """[TOP-13] what ends is refused elsewhere soon; what survives is accepted."""
    world, verifier = stage
    cast = cast_in(world, require_consent=act is withdraw_consent)
    now = world.clock() + 2  # a second later, when 'before' and 'after' can be told apart
    credentials = (cast.tokens["access_token"], cast.service_token, cast.pat, cast.sat)
    access, service, refresh, pat, sat, session, erp_session, slot = outcomes
    for token in credentials:
        assert verifier.accepts(token, now), "good before it happens"
    callers = callers_of(cast, credentials)
    assert open_sessions(cast, callers) == ([True] * 4, 4)

    act(cast)

    expected = dict(zip(credentials, (access, service, pat, sat), strict=True))
    for token, outcome in expected.items():
        if outcome == ENDS:
            assert verifier.seconds_until_refused(token, now) < PROMPT_SECONDS, event
    world.sync()
    # [SES-22, REF-51] The other three go on whatever happens, until they are idle.
    still = erp_session == SURVIVES
    assert open_sessions(cast, callers) == ([still, True, True, True], 4 if slot == SURVIVES else 3)
    close_all(cast)
    position = world.database.read_now(feed.positions)[world.instance.id]
    verifier.catch_up(position, cast.pat, now)
    for token, outcome in expected.items():
        answer = verifier.ask(token, now)
        assert (outcome, answer["accepted"]) in {(ENDS, False), (SURVIVES, True)}, answer
        # The server's own API says the same.
        status = world.api("Crm_Sales_Customers?$top=1", token).status_code
        assert status == (401 if outcome == ENDS else 200)
    assert session_outcome(cast) == session
    assert refresh_outcome(cast) == refresh


def callers_of(cast: Cast, tokens: tuple[str, ...]) -> list[Principal]:
    """Those behind the tokens, each with an open session in the server's process."""
    found: list[Principal] = []

    async def call(_: Application, instance: InstanceApplication) -> None:
        for token in tokens:
            principal = await instance._verifier.verify_async(token, "DomainAPI")
            await instance.erp_sessions.open_async(principal)
            found.append(principal)

    close_all(cast)
    cast.world.run_in_server(call)
    return found


def open_sessions(cast: Cast, callers: list[Principal]) -> tuple[list[bool], int]:
    """Whether the session of each is open, in the server's memory as in the store; slots taken."""
    found: list[list[bool]] = []
    taken: list[int] = []

    async def look(_: Application, instance: InstanceApplication) -> None:
        source = instance.erp_sessions
        found.append([source.touch(caller) is not None for caller in callers])
        stored = {one.key for one in await source.listing(None, 100)}
        found.append([caller.session in stored for caller in callers])
        taken.append((await source.counts()).in_use)

    cast.world.run_in_server(look)
    assert found[0] == found[1]
    return found[0], taken[0]


def close_all(cast: Cast) -> None:
    with cast.world.database.begin() as tx:
        erp_session_ends.close_all(tx, cast.world.instance.id)
    cast.world.sync()


def session_outcome(cast: Cast) -> str:
    """Whether the browser is still signed in, asked through another application."""
    silent = cast.browser.authorize(prompt="none")
    return SURVIVES if "code" in answer_of(silent) else ENDS


def refresh_outcome(cast: Cast) -> str:
    answer = cast.world.request_token(
        (cast.client_id, cast.secret),
        grant_type="refresh_token",
        refresh_token=cast.tokens["refresh_token"],
    )
    return SURVIVES if answer.status_code == 200 else ENDS


def test_tokens_issued_after_everything_was_revoked_are_good(
    stage: tuple[World, VerifierProcess],
) -> None:
    """[LIF-18] also in the same second, whose tokens have the next one as their `iat`"""
    world, verifier = stage
    cast = cast_in(world)
    revoke_everything_of_user(cast)
    world.sync()
    page = cast.browser.sign_in(cast.user.login, client_id=cast.client_id)
    fresh = world.redeem(answer_of(page)["code"], cast.client_id).json()["access_token"]
    position = world.database.read_now(feed.positions)[world.instance.id]
    verifier.catch_up(position, fresh, world.clock())
    assert verifier.accepts(fresh, world.clock())
    assert not verifier.accepts(cast.tokens["access_token"], world.clock())


def test_the_documented_table_is_this_one() -> None:
    document = Path(__file__).parents[2] / "docs" / "what-ends-what.md"
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in document.read_text().splitlines()
        if line.startswith("| ") and line.count("|") == len(COLUMNS) + 3
    ]
    documented = {row[0]: row[1:] for row in rows[1:]}
    for event, _, outcomes, rules in TABLE:
        assert documented[event][:-1] == list(outcomes), event
        assert documented[event][-1].replace("[", "").replace("]", "").split() == rules.split()
    assert tuple(rows[0][1:-1]) == COLUMNS
    assert len(documented) == len(TABLE)

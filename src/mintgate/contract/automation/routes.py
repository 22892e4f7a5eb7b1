"""The route tables: endpoints, command line, OpenAPI document and tests all read these."""

from __future__ import annotations

from typing import Any

from mintgate.contract.automation import credentials as c
from mintgate.contract.automation import records as r
from mintgate.contract.automation.invitations import INVITATION_ROUTES
from mintgate.contract.automation.licence_routes import LICENCE_ROUTES
from mintgate.contract.automation.route import Route
from mintgate.contract.automation.second_factor_routes import (
    OWN_SECOND_FACTOR_ROUTES,
    SECOND_FACTOR_ROUTES,
)

AUTOMATION_ROOT = "/manage/api/v1"
PROFILE_ROOT = "/profile"
MANAGE_ROOT = "/manage"


def _page(item: Any) -> Any:
    generic: Any = c.Page
    return generic[item]


def _get(name: str, path: str, summary: str, result: Any, **more: Any) -> Route:
    return Route(name=name, method="GET", path=path, summary=summary, result=result, **more)


def _post(
    name: str, path: str, summary: str, result: Any, body: Any = c.NoBody, **more: Any
) -> Route:
    return Route(
        name=name, method="POST", path=path, summary=summary, result=result, body=body, **more
    )


def _patch(name: str, path: str, summary: str, result: Any, body: Any) -> Route:
    return Route(
        name=name,
        method="PATCH",
        path=path,
        summary=summary,
        body=body,
        result=result,
        has_etag=True,
        needs_match=True,
    )


def _delete(name: str, path: str, summary: str) -> Route:
    return Route(
        name=name, method="DELETE", path=path, summary=summary, status=204, needs_match=True
    )


_APP, _USER = "/applications/{application_id}", "/users/{user_id}"
_TAG = {"has_etag": True}

AUTOMATION = (
    _get(
        "applications.list",
        "/applications",
        "List the trusted applications.",
        _page(r.Application),
        query=c.ApplicationQuery,
    ),
    _post(
        "applications.create",
        "/applications",
        "Add an application.",
        r.Application,
        r.NewApplication,
        status=201,
        **_TAG,
    ),
    _get("applications.get", _APP, "Show an application.", r.Application, **_TAG),
    _patch(
        "applications.change", _APP, "Change an application.", r.Application, r.ApplicationChanges
    ),
    _delete("applications.remove", _APP, "Remove an application; its tokens end."),
    _post("applications.enable", f"{_APP}/enable", "Let it work again.", r.Application, **_TAG),
    _post("applications.disable", f"{_APP}/disable", "Stop it at once.", r.Application, **_TAG),
    _post(
        "applications.set_secret",
        f"{_APP}/secret",
        "Give it another secret.",
        c.MadeSecret,
        c.SecretChange,
    ),
    _post(
        "applications.revoke_everything",
        f"{_APP}/revoke-everything",
        "End everything that was issued to an application.",
        c.Ended,
    ),
    _get(
        "application_tokens.list",
        f"{_APP}/tokens",
        "List every reference token of an application.",
        _page(c.ReferenceTokenRecord),
        query=c.PageQuery,
    ),
    _post(
        "application_tokens.create",
        f"{_APP}/tokens",
        "Create a service token (SAT).",
        c.MadeToken,
        c.NewServiceToken,
        status=201,
    ),
    _get("users.list", "/users", "List the users.", _page(r.UserRecord), query=c.UserQuery),
    _post("users.create", "/users", "Add a user.", r.UserRecord, r.NewUser, status=201, **_TAG),
    _get("users.get", _USER, "Show a user.", r.UserRecord, **_TAG),
    _patch("users.change", _USER, "Change a user.", r.UserRecord, r.UserChanges),
    _delete("users.remove", _USER, "Remove a user; everything of the user ends."),
    _post(
        "users.set_password",
        f"{_USER}/password",
        "Give a user another password; grants and sign-ins end.",
        None,
        c.PasswordChange,
        status=204,
    ),
    _post("users.lock", f"{_USER}/lock", "Lock a user out.", r.UserRecord, c.Lock, **_TAG),
    _post("users.unlock", f"{_USER}/unlock", "End a lock.", r.UserRecord, **_TAG),
    _post("users.activate", f"{_USER}/activate", "Let a user in again.", r.UserRecord, **_TAG),
    _post("users.deactivate", f"{_USER}/deactivate", "Stop a user.", r.UserRecord, **_TAG),
    _post("users.end_sessions", f"{_USER}/end-sessions", "End every sign-in of a user.", c.Ended),
    _post(
        "users.revoke_everything",
        f"{_USER}/revoke-everything",
        "End everything that acts as a user.",
        c.Ended,
    ),
    _get(
        "user_tokens.list",
        f"{_USER}/tokens",
        "List the personal tokens (PAT) of a user.",
        _page(c.ReferenceTokenRecord),
        query=c.PageQuery,
    ),
    _get(
        "reference_tokens.get",
        "/reference-tokens/{token_id}",
        "Show a reference token.",
        c.ReferenceTokenRecord,
    ),
    _post(
        "reference_tokens.revoke",
        "/reference-tokens/{token_id}/revoke",
        "End a reference token at once.",
        c.Revoked,
    ),
    _get(
        "grants.list",
        "/grants",
        "List families of refresh tokens.",
        _page(c.GrantRecord),
        query=c.GrantQuery,
    ),
    _post("grants.revoke", "/grants/{grant_id}/revoke", "End a family.", c.Revoked),
    _get(
        "sessions.list",
        "/sessions",
        "List sign-ins.",
        _page(c.SessionRecord),
        query=c.SessionQuery,
    ),
    _post(
        "sessions.end",
        "/sessions/{sid}/end",
        "End a sign-in with its refresh tokens and open codes.",
        c.Ended,
    ),
    *SECOND_FACTOR_ROUTES,
    *INVITATION_ROUTES,
    *LICENCE_ROUTES,
    _get("keys.list", "/keys", "List the signing keys, oldest first.", _page(c.KeyRecord)),
    _post(
        "keys.rotate", "/keys", "Make and publish a new key.", c.KeyRecord, c.Rotation, status=201
    ),
    _post(
        "keys.compromised",
        "/keys/{kid}/compromised",
        "End a key now: what it signed is refused.",
        c.Compromised,
    ),
    _get(
        "audit.list",
        "/audit-events",
        "List audit events, newest first.",
        _page(c.AuditRecord),
        query=c.AuditQuery,
        may_lag=True,
    ),
    _get(
        "legacy.report",
        "/legacy-uses",
        "Tell who still uses HTTP Basic and ErpLogin.",
        c.LegacyReport,
        query=c.LegacyQuery,
        may_lag=True,
    ),
    _post(
        "tokens.revoke", "/tokens/revoke", "End a token of any kind.", c.Revoked, c.TokenToRevoke
    ),
    _post(
        "tokens.introspect",
        "/tokens/introspect",
        "Tell what an access or reference token stands for.",
        dict[str, Any],
        c.TokenText,
    ),
    _post(
        "requests.explain",
        "/requests/explain",
        "Tell why a request to an API is allowed or refused: every check.",
        c.Explained,
        c.RequestToExplain,
    ),
)
"""Below `AUTOMATION_ROOT`; for administrators, with scope `sec` [API-33]."""

PROFILE = (
    _get(
        "own_grants.list",
        "/api/tokens",
        "List my personal tokens and refresh tokens.",
        _page(c.OwnGrant),
    ),
    _get(
        "own_tokens.applications",
        "/api/token-applications",
        "List the applications for which I may make a token.",
        _page(c.TokenApplication),
    ),
    _get(
        "own_tokens.reminders",
        "/api/reminders",
        "List my tokens that end soon.",
        _page(c.Reminder),
    ),
    _post(
        "own_tokens.create",
        "/security/tokens",
        "Make a personal token (PAT).",
        c.MadeToken,
        c.NewPersonalToken,
        status=201,
        needs_fresh=True,
    ),
    _post(
        "own_grants.revoke",
        "/security/tokens/{token_id}/revoke",
        "End one of my tokens.",
        c.Revoked,
    ),
    _get("own_consents.list", "/api/consents", "List what I allowed.", _page(c.ConsentRecord)),
    _post(
        "own_consents.withdraw",
        "/api/consents/{application_id}/withdraw",
        "Take back what I allowed an application.",
        c.Ended,
    ),
    _get("own_sessions.list", "/api/sessions", "List my sign-ins.", _page(c.SessionRecord)),
    _post("own_sessions.end", "/api/sessions/{sid}/end", "End one of my sign-ins.", c.Ended),
    *OWN_SECOND_FACTOR_ROUTES,
)
"""Below `PROFILE_ROOT`; for the person, with a token of the Profile site [PRF-2]."""

MANAGE = (
    _get(
        "application_tokens.list",
        "/apps/{application_id}/tokens",
        "List every token of an application.",
        _page(c.ReferenceTokenRecord),
        query=c.PageQuery,
    ),
    _post(
        "application_tokens.create",
        "/apps/{application_id}/tokens",
        "Create a service token (SAT).",
        c.MadeToken,
        c.NewServiceToken,
        status=201,
        needs_fresh=True,
    ),
    _post(
        "application_tokens.revoke",
        "/apps/{application_id}/tokens/{token_id}/revoke",
        "End a token of an application.",
        c.Revoked,
    ),
)
"""Below `MANAGE_ROOT`; for administrators, with a token of the Instance Manager site [IMG-3]."""

SITE_PATHS = tuple(
    dict.fromkeys(
        root + route.path
        for root, routes in ((PROFILE_ROOT, PROFILE), (MANAGE_ROOT, MANAGE))
        for route in routes
    )
)
"""The whole paths of the JSON addresses of the two sites."""

BY_NAME = {route.name: route for route in AUTOMATION}

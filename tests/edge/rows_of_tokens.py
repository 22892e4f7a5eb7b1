"""Rows about the request's target, its credential and the token (specification §10.1)."""

from __future__ import annotations

from tests.edge.checks_table import (
    ALLOWED,
    FORBIDDEN,
    NO_CREDENTIAL,
    NO_PARTS,
    NOT_A_REFERENCE,
    OWN_CLAIMS,
    PATHS,
    READ,
    Requests,
    Row,
    ambiguous,
    at,
    invalid,
    is_token,
    only,
)
from tests.edge.checks_tokens import (
    ended,
    forged,
    from_now,
    jwt,
    named,
    revoked,
    text,
    with_header,
)
from tests.edge.ways import (
    AUDIENCES,
    NONE,
    PAT,
    SAT,
    SERVICE,
    USER,
    Request,
)

UNKNOWN = invalid("is unknown, has expired or was revoked")


NOT_TWO = dict.fromkeys((USER, SERVICE, PAT, SAT, NONE), "is about two credentials")
AS_UNKNOWN = "one that has expired is as unknown as one that never was: API-3-expired"

# What a request asks for, before anybody looks who asks.

TARGETS = [
    ("slash", "%2F..", "an escaped slash", None),
    ("backslash", "%5Cx", "a backslash", None),
    ("doubled", "//x", "a doubled slash", None),
    ("dots", "/../x", "a dot segment", None),
    ("escaped-dots", "/%2e%2e/x", "a dot segment", None),
    ("semicolon", ";v=1", "a semicolon", None),
    ("twice", "%252F", "is escaped twice", None),
    ("question", "%3Fx", "an escaped ?", None),
    ("not-UTF-8", "%C0%AE", "is not UTF-8", None),
    ("NUL", "%00", "a control character", "itself"),
    ("no-escape", "/%zz", "escapes nothing", "itself"),
]
TOLD = [
    ("method-header", "X-HTTP-Method-Override", "override the method"),
    ("method-header-2", "X-Method-Override", "override the method"),
    ("path-header", "X-Original-URL", "override the method"),
    ("identity-header", "X-Mintgate-Login", "X-Mintgate-"),
]


def _target(name: str, request: Requests, words: str, nginx: object = None) -> Row:
    says = ambiguous(words)
    return is_token(
        f"target-{name}", "one reading only", says, requests=request, none=says, two=says,
        nginx=nginx,
    )  # fmt: skip


TARGET_ROWS = [
    *(_target(n, at("GET", suffix), words, nginx) for n, suffix, words, nginx in TARGETS),
    *(_target(n, at("GET", headers=[(header, "x")]), words) for n, header, words in TOLD),
    _target("method-parameter", at("GET", "?_method=DELETE"), "_method"),
]

# The credential.

CREDENTIAL_ROWS = [
    is_token("API-1", "exactly one credential", ALLOWED),
    is_token(
        "API-1-keys", "exactly one credential", ALLOWED,
        pair=("X-Api-Key: {pat}", "Api-Key: {sat}"), without=NOT_TWO,
    ),
    is_token(
        "API-1-equal", "exactly one credential", ALLOWED,
        pair=("Authorization: Bearer {pat}", "Api-Key: {pat}"), without=NOT_TWO,
    ),
    is_token(
        "API-1-twice", "exactly one credential", ALLOWED,
        pair=("Authorization: Bearer {jwt}", "Authorization: Bearer {jwt}"),
        without=NOT_TWO, nginx="itself",
    ),
    is_token("API-2-any-case", "scheme Bearer", ALLOWED, place="authorization: bEARER {}"),
    is_token("API-2-basic", "scheme Bearer", NO_CREDENTIAL, place="Authorization: Basic {}"),
    is_token("API-2-other", "scheme Bearer", NO_CREDENTIAL, place="Authorization: DPoP {}"),
    is_token("API-2-bare", "scheme Bearer", NO_CREDENTIAL, place="Authorization: {}"),
    *(
        is_token(
            f"API-2-{header}", "API-key header", invalid("takes reference tokens only"),
            reference_says=ALLOWED, place=f"{header}: {{}}",
        )
        for header in ("X-Api-Key", "Api-Key")
    ),
    is_token("API-21", "no token in the URL", NO_CREDENTIAL, place="url"),
]  # fmt: skip

# The token by itself.


def _reference(id_: str, token: object) -> Row:
    return Row(
        id_, "reference token known and live", UNKNOWN, NOT_A_REFERENCE, token, READ,  # type: ignore[arg-type]
    )  # fmt: skip


def _jwt(id_: str, name: str, words: str, token: object, reason: str = NO_PARTS) -> Row:
    return Row(id_, name, invalid(words), token, reason, READ)  # type: ignore[arg-type]


TOKEN_ROWS = [
    _reference("API-3-unknown", text("enrt_" + "0123456789ABCDEF" * 4)),
    _reference("API-3-lower", lambda ways, kind: ways.reference(kind).lower()),
    _reference("API-3-short", lambda ways, kind: ways.reference(kind)[:-1]),
    _reference("API-3-expired", ended),
    _jwt("API-4-text", "three parts, base64url and JSON", "malformed", text("abc")),
    _jwt("API-4-parts", "three parts, base64url and JSON", "malformed",
         lambda ways, kind: ways.jwt(kind) + ".x"),
    _jwt("API-5-none", "algorithm accepted", "algorithm", with_header(alg="none")),
    _jwt("API-5-HMAC", "algorithm accepted", "algorithm", with_header(alg="HS256")),
    _jwt("API-5-other", "algorithm accepted", "algorithm", with_header(alg="ES256")),
    _jwt("API-5-typ", "type at+jwt", "not an access token", jwt(typ="JWT")),
    _jwt("API-5-crit", "type at+jwt", "header is not accepted", with_header(crit=["exp"])),
    _jwt("API-5-jwk", "type at+jwt", "header is not accepted", with_header(jwk={})),
    _jwt("API-6", "signing key known", "signing key is unknown", with_header(kid="F" * 32)),
    _jwt("API-7-forged", "signature", "signature", forged),
    _jwt("API-7-tampered", "signature", "signature",
         lambda ways, kind: ways.jwt(kind)[:-6] + "AAAAAA"),
    _jwt("API-8", "issuer", "another issuer",
         lambda ways, kind: ways.jwt(kind, iss=ways.world.issuer + "/"), OWN_CLAIMS),
    _jwt("API-9-expired", "valid now", "has expired", from_now("exp", 0), AS_UNKNOWN),
    _jwt("API-9-nbf", "valid now", "not valid yet", from_now("nbf", 3000), OWN_CLAIMS),
    _jwt("API-9-iat", "valid now", "not valid yet", from_now("iat", 3000), OWN_CLAIMS),
    _jwt("API-9-text", "valid now", "times are malformed", jwt(exp="tomorrow"), OWN_CLAIMS),
    _jwt("API-10-none", "audience", "not for this API",
         lambda ways, kind: ways.jwt(kind, aud=f"{ways.world.issuer}/resources"), OWN_CLAIMS),
    _jwt("API-10-case", "audience", "not for this API",
         jwt(aud=[name.lower() for name in AUDIENCES]), OWN_CLAIMS),
    *(
        _jwt(f"API-10-not-{api}", "audience", "not for this API",
             jwt(aud=[name for name in AUDIENCES if name != api]), OWN_CLAIMS)
        ._replace(requests=only(api, Request("GET", PATHS[api]), f"is not left out of the {api}'s"))
        for api in AUDIENCES
    ),
    *(
        _jwt(f"API-11-{claim}", "required claims", "lacks a required claim", jwt(drop=claim),
             OWN_CLAIMS)
        for claim in ("jti", "client_id", "scope")
    ),
    _jwt("API-11-user", "required claims", "lacks a required claim", jwt(drop="sid"), OWN_CLAIMS)
    ._replace(without={SERVICE: "a claim of people's tokens"}),
    _jwt("API-11-service", "required claims", "lacks a required claim",
         jwt(drop="client_system_user_type"), OWN_CLAIMS)
    ._replace(without={USER: "a claim of services' tokens"}),
    _jwt("API-11-both", "required claims", "both a user's and a service's",
         jwt(sub="mira.k", client_system_user="svc.stock"), OWN_CLAIMS),
    _jwt("API-12", "database", "another database", jwt(db="OTHER"), OWN_CLAIMS)
    ._replace(without={SERVICE: "names its database in another claim"}),
    _jwt("API-12-service", "database", "another database", jwt(client_db="OTHER"), OWN_CLAIMS)
    ._replace(without={USER: "names its database in another claim"}),
]  # fmt: skip

# What has changed since it was issued.

STATE_ROWS = [
    Row("API-13-revoked", "not revoked", invalid("was revoked"), revoked, named("revoked"), READ,
        reference_says=UNKNOWN, state="revoked"),
    is_token("API-13-disabled", "application enabled", invalid("application is not enabled"),
             state="disabled application"),
    is_token("API-14-inactive", "user active", invalid("user is not active"),
             state="inactive user"),
    is_token("API-14-locked", "user not locked", invalid("user is not active"),
             state="locked user"),
    is_token("API-14-type", "user of an allowed type", FORBIDDEN._replace(words="of this type"),
             state="user of another type"),
]  # fmt: skip


ROWS = [*TARGET_ROWS, *CREDENTIAL_ROWS, *TOKEN_ROWS, *STATE_ROWS]

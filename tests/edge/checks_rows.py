"""The rows of the table, in the order of the checks (specification §10.1 and §10.2)."""

from __future__ import annotations

from tests.edge.checks_table import (
    A_BATCH,
    ALLOWED,
    FORBIDDEN,
    HEAD,
    JSON,
    NEVER_SEC,
    NO_CREDENTIAL,
    NO_PARTS,
    NO_WRITING,
    NOT_A_REFERENCE,
    NOW,
    OF_TWO,
    ONLY_DOMAIN,
    OWN_CLAIMS,
    PATHS,
    PREFLIGHT,
    READ,
    READ_SECURITY,
    WRITE_SECURITY,
    Requests,
    Row,
    Says,
    admin,
    ambiguous,
    at,
    but,
    ended,
    forged,
    good,
    invalid,
    jwt,
    lacks,
    late,
    late_admin,
    named,
    no_method,
    only,
    revoked,
    text,
    with_header,
)
from tests.edge.ways import AUDIENCES, NONE, PAT, SAT, SERVICE, USER, Request

R = ("read",)
UNKNOWN = invalid("is unknown, has expired or was revoked")


def is_token(id_: str, name: str, says: Says, **rest: object) -> Row:
    """A row that sends one good token to read with."""
    return Row(id_, name, says, good("read"), good("read"), **{"requests": READ, **rest})  # type: ignore[arg-type]


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
        pair=("X-Api-Key: {pat}", "Api-Key: {sat}"),
    ),
    is_token(
        "API-1-equal", "exactly one credential", ALLOWED,
        pair=("Authorization: Bearer {pat}", "Api-Key: {pat}"),
    ),
    is_token(
        "API-1-twice", "exactly one credential", ALLOWED,
        pair=("Authorization: Bearer {jwt}", "Authorization: Bearer {jwt}"),
        without=dict.fromkeys((USER, SERVICE, PAT, SAT, NONE), OF_TWO), nginx="itself",
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
    _jwt("API-9-expired", "valid now", "has expired", jwt(exp=NOW), "API-3-expired"),
    _jwt("API-9-nbf", "valid now", "not valid yet", jwt(nbf=NOW + 3000), OWN_CLAIMS),
    _jwt("API-9-iat", "valid now", "not valid yet", jwt(iat=NOW + 3000), OWN_CLAIMS),
    _jwt("API-9-text", "valid now", "times are malformed", jwt(exp=str(NOW)), OWN_CLAIMS),
    _jwt("API-10-none", "audience", "not for this API",
         lambda ways, kind: ways.jwt(kind, aud=f"{ways.world.issuer}/resources"), OWN_CLAIMS),
    _jwt("API-10-case", "audience", "not for this API",
         jwt(aud=[name.lower() for name in AUDIENCES]), OWN_CLAIMS),
    *(
        _jwt(f"API-10-not-{api}", "audience", "not for this API",
             jwt(aud=[name for name in AUDIENCES if name != api]), OWN_CLAIMS)._replace(
                 requests={name: READ[name] if name == api else "API-10-not-it, of that API"
                           for name in AUDIENCES})
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
    ._replace(without={SERVICE: "API-12-service"}),
    _jwt("API-12-service", "database", "another database", jwt(client_db="OTHER"), OWN_CLAIMS)
    ._replace(without={USER: "API-12"}),
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

# What the operation needs (§10.2).

NOT_KNOWN = {
    "DomainAPI": no_method("GET, HEAD, POST, PUT, PATCH, DELETE"),
    "TableAPI": no_method("GET, HEAD"),
    "OLAP": no_method("GET, HEAD, POST"),
    "AppServer": no_method("GET, HEAD, POST, PUT, PATCH, DELETE"),
}
BATCH = "/api/domain/odata/$batch"
WRITING_BATCH = (
    b'{"requests": [{"id": "1", "method": "POST", "url": "Crm_Sales_Customers", "body": {}}]}'
)
NOT_HERE = Says(501, "not_implemented", "mintgate gate")
"""Forward auth never sees a body, in which the parts are."""


def _scoped(id_: str, name: str, scopes: tuple[str, ...], says: object, requests: Requests) -> Row:
    return Row(id_, name, says, good(*scopes), good(*scopes), requests)  # type: ignore[arg-type]


def _writes(method: str) -> Requests:
    """Where a method writes."""
    return {
        "DomainAPI": Request(method, PATHS["DomainAPI"], JSON, b"{}"),
        "TableAPI": NO_WRITING,
        "OLAP": NO_WRITING,
        "AppServer": Request(method, "/appserver/session"),
    }


def _security(id_: str, api: str, root: str, name: str) -> list[Row]:
    """[API-33, API-34]"""
    rule, reason = "security paths need sec", f"is about the {api}"
    requests = only(api, Request("GET", root + name), reason)
    in_lower_case = only(api, Request("GET", root + name.lower()), reason)
    every = good("read", "update")
    return [
        Row(id_, rule, lacks("sec"), every, every, requests),
        Row(f"{id_}-case", rule, lacks("sec"), every, every, in_lower_case),
        Row(f"{id_}-allowed", rule, ALLOWED, good("read", "sec"), NEVER_SEC, requests),
    ]


POLICY_ROWS = [
    _scoped("API-15-method", "method known", ("read", "update"), NOT_KNOWN,
            but(at("PROPFIND"), AppServer="knows every method but a proxy's [API-37]")),
    _scoped("API-15-proxy-method", "method known", ("read", "update"), NOT_KNOWN,
            at("TRACE"))._replace(nginx="itself"),
    _scoped("API-15-options", "method known", ("read",),
            NOT_KNOWN | {"AppServer": lacks("update")}, at("OPTIONS")),
    _scoped("API-30", "reading needs read", R, ALLOWED, READ),
    _scoped("API-30-HEAD", "reading needs read", R, ALLOWED, HEAD),
    _scoped("API-38", "update includes reading", ("update",), ALLOWED, READ),
    *(
        _scoped(f"API-31-{method}", "writing needs update", R, lacks("update"), _writes(method))
        for method in ("POST", "PATCH", "PUT", "DELETE")
    ),
    _scoped("API-31-allowed", "writing needs update", ("update",), ALLOWED, _writes("POST")),
    *_security("API-33", "DomainAPI", "/api/domain/odata/", "Systems_Security_Users"),
    *_security("API-34", "TableAPI", "/tableapi/odata/", "Sec_Users"),
    _scoped("API-35", "TableAPI only reads", ("read", "update"), no_method("GET, HEAD"),
            only("TableAPI", Request("POST", PATHS["TableAPI"]), "is about the TableAPI")),
    _scoped("API-36", "OLAP queries by POST", R, ALLOWED,
            only("OLAP", Request("POST", "/olap/cubes/Sales/query", JSON, b"{}"), "is about OLAP")),
    _scoped("API-36-method", "OLAP queries by POST", ("read", "update"), NOT_KNOWN,
            only("OLAP", Request("DELETE", PATHS["OLAP"]), "is about OLAP")),
    _scoped("API-37", "any other method writes", R, lacks("update"),
            only("AppServer", Request("PROPFIND", PATHS["AppServer"]), "is about the AppServer")),
    _scoped("API-37-allowed", "any other method writes", ("update",), ALLOWED,
            only("AppServer", Request("PROPFIND", PATHS["AppServer"]), "is about the AppServer")),
    Row("API-39", "DomainApi opens nothing", lacks("read"), good("DomainApi"), NEVER_SEC, READ),
    Row("API-39-HEAD", "DomainApi opens nothing", lacks("read"), good("DomainApi"),
        "no reference token has `DomainApi` [REF-17]", HEAD),
    is_token("API-25", "a preflight has no caller", ALLOWED,
             requests=at("OPTIONS", headers=PREFLIGHT), none=ALLOWED, two=ALLOWED),
    is_token("API-25-bad", "a preflight has no caller", ALLOWED,
             requests=at("OPTIONS", headers=PREFLIGHT), none=ALLOWED, two=ALLOWED)
    ._replace(jwt=jwt(exp=NOW), reference=text("enrt_0")),
    _scoped("API-32", "a batch is taken apart", R,
            Says(415, "unsupported_media_type", "multipart/mixed"),
            only("DomainAPI", Request("POST", BATCH, [("Content-Type", "text/plain")], b"x"),
                 ONLY_DOMAIN))._replace(nginx=NOT_HERE),
    _scoped("API-32-parts", "a batch is taken apart", R, A_BATCH,
            only("DomainAPI", Request("POST", BATCH, JSON, WRITING_BATCH), ONLY_DOMAIN))
    ._replace(nginx=NOT_HERE),
]  # fmt: skip

# Rights, slots and limits.

RIGHTS_ROWS = [
    Row("API-18", "only administrators change security records",
        FORBIDDEN._replace(words="Only administrators"), good("update", "sec"), NEVER_SEC,
        WRITE_SECURITY),
    Row("API-18-admin", "is_admin skips this step", ALLOWED, admin("update", "sec"), NEVER_SEC,
        WRITE_SECURITY),
    Row("API-18-admin-writes", "is_admin skips no scope", lacks("update"), admin("read"),
        admin("read"), _writes("POST"),
        without={SAT: "acts for the system user, who is no administrator here"}),
    Row("API-18-admin-sec", "is_admin skips no scope", lacks("sec"), admin("read"), admin("read"),
        READ_SECURITY, without={SAT: "acts for the system user, who is no administrator here"}),
    Row("API-16", "session open, or a slot free",
        Says(503, "MaximumLicenseCountExceeded", "Try again when", later=True), late,
        named("late"), READ, state="no free slot"),
    Row("API-16-admin", "session open, or a slot free",
        Says(503, "MaximumLicenseCountExceeded", "mintgate session list", later=True), late_admin,
        lambda ways, kind: ways.reference(kind, name="late", login="ada"), READ,
        state="no free slot",
        without=dict.fromkeys((SERVICE, SAT), "API-16: the same whoever its system user is")),
    Row("API-16-open", "session open, or a slot free", ALLOWED, good("read"), good("read"), READ,
        state="no free slot"),
    Row("API-17", "requests per minute",
        Says(429, "too_many_requests", "of this session", later=True), good("read"), good("read"),
        READ, state="limit used up"),
]  # fmt: skip

ROWS = [
    *TARGET_ROWS,
    *CREDENTIAL_ROWS,
    *TOKEN_ROWS,
    *STATE_ROWS,
    *POLICY_ROWS,
    *RIGHTS_ROWS,
]

"""Rows about what an operation needs (§10.2), rights, licence slots and limits (§9, §10.4)."""

from __future__ import annotations

from tests.edge.checks_table import (
    A_BATCH,
    ALLOWED,
    FORBIDDEN,
    HEAD,
    JSON,
    NEVER_SEC,
    NO_WRITING,
    ONLY_DOMAIN,
    PATHS,
    PREFLIGHT,
    READ,
    READ_SECURITY,
    WRITE_SECURITY,
    Requests,
    Row,
    Says,
    at,
    but,
    is_token,
    lacks,
    no_method,
    only,
)
from tests.edge.checks_tokens import (
    admin,
    from_now,
    good,
    late,
    late_admin,
    named,
    text,
)
from tests.edge.ways import (
    SAT,
    SERVICE,
    Request,
)

R = ("read",)

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
    ._replace(jwt=from_now("exp", 0), reference=text("enrt_0")),
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
        without=dict.fromkeys((SERVICE, SAT), "told the same whoever its system user is")),
    Row("API-16-open", "session open, or a slot free", ALLOWED, good("read"), good("read"), READ,
        state="no free slot"),
    Row("API-17", "requests per minute",
        Says(429, "too_many_requests", "of this session", later=True), good("read"), good("read"),
        READ, state="limit used up"),
]  # fmt: skip

ROWS = [*POLICY_ROWS, *RIGHTS_ROWS]

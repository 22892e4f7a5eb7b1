"""Which operation needs which scope, per API [API-30..37]."""

from __future__ import annotations

import pytest

from mintgate.contract.errors import (
    AmbiguousRequest,
    Forbidden,
    InsufficientScope,
    MethodNotAllowed,
)
from mintgate.contract.policy import (
    BUILT_IN,
    Operation,
    Policy,
    problems_of,
    require_allowed,
)

ROOT = "/api/domain/odata/"
USERS = ROOT + "Systems_Security_Users"
TABLE = "/tableapi/odata/"
CASES = [
    ("API-30", "DomainAPI", "GET", ROOT + "Crm_Sales_Customers", "read"),
    ("API-30", "DomainAPI", "HEAD", ROOT + "$metadata", "read"),
    ("API-31", "DomainAPI", "POST", ROOT + "Crm_Sales_Customers", "update"),
    ("API-31", "DomainAPI", "DELETE", ROOT + "Crm_Sales_Customers(x)", "update"),
    ("API-32", "DomainAPI", "POST", ROOT + "$batch", "batch"),
    ("API-32-slash", "DomainAPI", "POST", ROOT + "$batch/", "batch"),
    ("API-32-case", "DomainAPI", "POST", ROOT + "$BATCH", "batch"),
    ("API-32-get", "DomainAPI", "GET", ROOT + "$batch", "405"),
    ("API-33", "DomainAPI", "GET", USERS, "read sec"),
    ("API-33-case", "DomainAPI", "GET", ROOT + "systems_security_USERS", "read sec"),
    ("API-33-fold", "DomainAPI", "GET", ROOT + "Syſtems_Security_Users", "read sec"),
    ("API-33-key", "DomainAPI", "PATCH", USERS + "(x)", "admin sec update"),
    ("API-33-below", "DomainAPI", "GET", ROOT + "Crm(x)/Systems_Security_Users", "read sec"),
    ("API-33-cross", "DomainAPI", "GET", ROOT + "$crossjoin(A,Systems_Security_Users)", "read sec"),
    ("API-33-entity", "DomainAPI", "GET", ROOT + "$entity", "read sec"),
    ("API-33-all", "DomainAPI", "GET", ROOT + "$all", "read sec"),
    ("API-33-not", "DomainAPI", "GET", ROOT + "My_Systems_Security_Users", "read"),
    ("API-34", "TableAPI", "GET", TABLE + "Crm_Customers", "read"),
    ("API-34-sec", "TableAPI", "GET", TABLE + "Sec_Users", "read sec"),
    ("API-35", "TableAPI", "POST", TABLE + "Crm_Customers", "405"),
    ("API-36", "OLAP", "POST", "/olap/query", "read"),
    ("API-36", "OLAP", "PUT", "/olap/query", "405"),
    ("API-37", "AppServer", "GET", "/appserver/x", "read"),
    ("API-37", "AppServer", "MKCOL", "/appserver/x", "update"),
    ("API-37-trace", "AppServer", "TRACE", "/appserver/x", "405"),
    ("API-37-connect", "AppServer", "CONNECT", "/appserver/x", "405"),
    ("API-15-case", "DomainAPI", "get", ROOT, "405"),
    ("API-15-unknown", "DomainAPI", "MKCOL", ROOT, "405"),
]


def needs(policy: Policy, method: str, path: str) -> str:
    try:
        operation = policy.operation(method, path)
    except MethodNotAllowed as refused:
        return str(refused.status)
    if operation.is_batch:
        assert not operation.needed
        return "batch"
    return " ".join(sorted({*operation.needed, *(["admin"] if operation.needs_admin else [])}))


@pytest.mark.parametrize(
    ("api", "method", "path", "expected"),
    [pytest.param(*case[1:], id=f"{case[0]} {case[2]} {case[3]}") for case in CASES],
)
def test_the_built_in_apis(api: str, method: str, path: str, expected: str) -> None:
    assert needs(BUILT_IN[api], method, path) == expected


DECLARED = Policy(
    update_methods=("POST", "DELETE"),
    security=("/admin", "/internal-*", "Keys"),
    reading=("/search", "/reports/*"),
)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/orders", "read"),
        ("POST", "/orders", "update"),
        ("PUT", "/orders", "405"),
        ("POST", "/search", "read"),
        ("POST", "/search/deep", "read"),
        ("POST", "/Search", "update"),
        ("POST", "/searches", "update"),
        ("POST", "/x/search", "update"),
        ("POST", "/reports/any", "read"),
        ("GET", "/admin", "read sec"),
        ("GET", "/ADMIN/x", "read sec"),
        ("GET", "/administration", "read"),
        ("DELETE", "/internal-keys", "admin sec update"),
        ("GET", "/v1/keys/7", "read sec"),
        ("GET", "/v1/keyset", "read"),
    ],
)
def test_a_declared_api(method: str, path: str, expected: str) -> None:
    assert needs(DECLARED, method, path) == expected


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (Policy(read_methods=("TRACE",)), "read_methods"),
        (Policy(read_methods=("*",)), "read_methods"),
        (Policy(update_methods=("post",)), "update_methods"),
        (Policy(update_methods=("GET",)), "update_methods"),
        (Policy(security=("",)), "security"),
        (Policy(security=("a*b",)), "security"),
        (Policy(security=("a/b",)), "security"),
        (Policy(reading=("search",)), "reading"),
        (Policy(reading=("/",)), "reading"),
    ],
)
def test_what_is_wrong_with_a_policy_is_said(policy: Policy, key: str) -> None:
    assert key in [found for found, _ in problems_of(policy)]


@pytest.mark.parametrize("policy", [*BUILT_IN.values(), DECLARED])
def test_good_policies_have_no_problem(policy: Policy) -> None:
    assert problems_of(policy) == []


def test_scopes_and_administrators() -> None:
    write = BUILT_IN["DomainAPI"].operation("POST", USERS)
    with pytest.raises(InsufficientScope):
        require_allowed(write, frozenset({"update"}), is_admin=True)  # [SCP-16]
    with pytest.raises(Forbidden):
        require_allowed(write, frozenset({"update", "sec"}), is_admin=False)
    require_allowed(write, frozenset({"update", "sec"}), is_admin=True)
    read = BUILT_IN["DomainAPI"].operation("GET", ROOT)
    require_allowed(read, frozenset({"update"}), is_admin=False)  # [API-38]
    with pytest.raises(InsufficientScope):
        require_allowed(read, frozenset({"openid", "DomainApi"}), is_admin=True)  # [API-39]


@pytest.mark.parametrize(
    ("policy", "method", "expected"),
    [
        (BUILT_IN["DomainAPI"], "GET", "read sec"),
        (BUILT_IN["DomainAPI"], "DELETE", "admin sec update"),
        (BUILT_IN["DomainAPI"], "MKCOL", "405"),
        (DECLARED, "POST", "admin sec update"),
        (Policy(reading=("/search",)), "POST", "update"),
        (Policy(), "GET", "read"),
    ],
)
def test_what_a_place_may_need_that_nobody_knows_yet(
    policy: Policy, method: str, expected: str
) -> None:
    """[API-32] never less than any place of the API that the method may turn out to be at"""

    class Somewhere:
        def operation(self, method: str, path: str) -> Operation:
            return policy.operation_somewhere(method)

    assert needs(Somewhere(), method, "") == expected  # type: ignore[arg-type]
    places = ("/orders", "/admin/x", "/search", "/Keys(1)", USERS, ROOT + "$entity")
    if expected != "405":
        needed = {*expected.split(), "read"}  # `update` includes reading [API-38]
        assert all(set(needs(policy, method, place).split()) <= needed for place in places)


@pytest.mark.parametrize("segment", ["$batch ", " $batch", "$batch.", "$BATCH. ", "$batch()"])
def test_what_could_be_taken_for_a_batch_is_refused(segment: str) -> None:
    """[API-32] Servers that forget what is around it would run parts that nobody has judged."""
    for method in ("GET", "POST"):
        with pytest.raises(AmbiguousRequest):
            BUILT_IN["DomainAPI"].operation(method, ROOT + segment)
    # Where there are no batches it is a name as any other.
    assert not Policy().operation("POST", ROOT + segment).is_batch

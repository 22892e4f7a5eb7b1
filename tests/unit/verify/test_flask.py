"""The guard in Flask: whole applications, blueprints, scopes of views, sessions and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, g, request

from mintgate.contract.errors import InsufficientScope, Refusal
from mintgate.contract.policy import Policy
from mintgate.verify.flask import MintgateFlask, current_principal, requires
from tests.unit.verify.batches import carried_out, get, mixed, post
from tests.unit.verify.workbench import Limits, OneSession, a_guard, sign, user_claims

USER = {"Authorization": f"Bearer {sign(user_claims())}"}
READER = {"Authorization": f"Bearer {sign(user_claims(scope=['read']))}"}
PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}


def an_app(guarded: bool = True, **options: Any) -> Flask:
    app = Flask(__name__)
    app.testing = True
    if guarded:
        MintgateFlask(app, a_guard(**options))

    @app.route("/x", methods=["GET", "POST"])
    def read() -> str:
        return current_principal.login

    @app.get("/special")
    @requires("update")
    def special() -> str:
        assert g.principal is not None
        return "done"

    @app.get("/async")
    @requires("read")
    async def answer_later() -> str:
        return "later"

    return app


def test_the_caller() -> None:
    client = an_app().test_client()
    assert client.get("/x", headers=USER, buffered=True).text == "mira.k"
    assert client.get("/x").status_code == 401
    assert client.get("/nowhere").status_code == 401
    assert client.get("/nowhere", headers=USER, buffered=True).status_code == 404
    assert client.get("/async", headers=USER, buffered=True).text == "later"


def test_a_view_may_need_more_than_the_policy() -> None:
    """[API-15, SES-11]: what is refused for it opens no session."""
    source = OneSession()
    client = an_app(sessions=source).test_client()
    refused = client.get("/special", headers=READER, buffered=True)
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == (
        'Bearer realm="DomainAPI", error="insufficient_scope", scope="update"'
    )
    assert source.opened == 0
    assert client.get("/special", headers=USER, buffered=True).text == "done"
    assert (source.opened, source.session.current) == (1, 0)


def test_a_hidden_requirement_is_looked_at_late() -> None:
    """A decorator that does not keep a view's attributes hides it from the guard."""
    seen: list[Refusal] = []
    app = Flask(__name__)
    MintgateFlask(app, a_guard(), seen.append)

    def hides(view: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: view()

    app.get("/special")(hides(requires("update")(lambda: "done")))
    assert app.test_client().get("/special", headers=READER, buffered=True).status_code == 403
    assert [type(refusal) for refusal in seen] == [InsufficientScope]


def test_without_a_guard_nothing_is_served() -> None:
    client = an_app(guarded=False).test_client()
    with pytest.raises(RuntimeError, match="MintgateFlask"):
        client.get("/special", headers=USER, buffered=True)
    with pytest.raises(RuntimeError, match="MintgateFlask"):
        client.get("/x", headers=USER, buffered=True)


def test_requires_needs_a_scope() -> None:
    with pytest.raises(ValueError, match="update"):
        requires()


@pytest.mark.parametrize("also_the_app", [False, True])
def test_a_blueprint(also_the_app: bool) -> None:
    source = OneSession()
    guard = a_guard(sessions=source, limits=Limits())
    orders = Blueprint("orders", __name__, url_prefix="/orders")
    MintgateFlask(orders, guard)
    orders.get("/")(lambda: current_principal.login)
    app = Flask(__name__)
    if also_the_app:
        MintgateFlask(app, guard)
    app.register_blueprint(orders)
    app.get("/open")(lambda: "open")
    client = app.test_client()
    assert client.get("/open").status_code == (401 if also_the_app else 200)
    assert client.get("/orders/").status_code == 401
    answer = client.get("/orders/", headers=USER, buffered=True)
    assert answer.text == "mira.k"
    assert answer.headers.getlist("ratelimit") == ['"client";r=9;t=1']
    assert (source.opened, source.session.current, source.session.downloaded) == (1, 0, 6)


def test_sessions_and_limits() -> None:
    """[API-54, SES-26]"""
    source = OneSession()
    app = an_app(sessions=source, limits=Limits())
    running: list[int] = []

    @app.post("/stream")
    def stream() -> Response:
        read = request.get_data()

        def pieces() -> Iterator[bytes]:
            running.append(source.session.current)
            yield read
            yield read

        return Response(pieces())

    answer = app.test_client().post("/stream", headers=USER, buffered=True, data=b"12345")
    assert answer.data == b"1234512345"
    assert answer.headers["ratelimit"] == '"client";r=9;t=1'
    session = source.session
    assert (session.uploaded, session.downloaded, running) == (5, 10, [1])
    assert session.current == 0


def test_a_view_that_fails_does_not_run_for_ever() -> None:
    source = OneSession()
    app = an_app(sessions=source)
    app.get("/fails")(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/fails", headers=USER, buffered=True)
    app.testing = False
    assert app.test_client().get("/fails", headers=USER, buffered=True).status_code == 500
    assert (source.opened, source.session.current) == (2, 0)


def test_a_preflight_has_no_caller() -> None:
    """[API-25]"""
    app = an_app()
    seen: list[object] = []
    app.before_request(lambda: seen.append(g.principal))
    assert app.test_client().options("/x", headers=PREFLIGHT).status_code == 200
    assert seen == [None]


def test_the_parts_of_a_batch_are_judged_one_by_one() -> None:
    """[API-32] by the guard of the application, and by another one of a blueprint"""
    refused: list[str] = []
    source = OneSession()
    app = Flask(__name__)
    MintgateFlask(app, a_guard(sessions=source), lambda refusal: refused.append(refusal.error))
    inner = Blueprint("inner", __name__)
    MintgateFlask(
        inner, a_guard(policy=Policy(batch=True, read_methods=("GET",), security=("/i/B",)))
    )

    def carry_out() -> Response:
        assert request.content_length == len(request.data)
        seen[:], kind, answer = carried_out(request.headers["content-type"], request.data)
        return Response(answer, 200, {"content-type": kind})

    seen: list[str] = []
    app.add_url_rule("/o/$batch", view_func=carry_out, methods=["POST"])
    inner.add_url_rule("/i/$batch", endpoint="x", view_func=carry_out, methods=["POST"])
    app.register_blueprint(inner)
    headers = READER | {"Prefer": "continue-on-error"}
    kind = "multipart/mixed; boundary=b1"
    body = mixed(get("A"), get("B"), post("C"), get("D"))

    def ask(path: str, body: str) -> list[str]:
        answer = app.test_client().post(
            path, data=body.encode(), headers=headers, content_type=kind, buffered=True
        )
        assert answer.status_code == 200
        return [piece[:3] for piece in answer.text.split("HTTP/1.1 ")[1:]]

    assert ask("/o/$batch", body) == ["200", "200", "403", "200"]
    assert seen == ["GET A", "GET B", "GET D"]
    assert ask("/i/$batch", body) == ["200", "403", "403", "200"]
    assert seen == ["GET A", "GET D"]
    assert source.opened == 2
    seen.clear()
    assert ask("/o/$batch", mixed(post("C"))) == ["403"]
    assert (seen, source.opened, source.session.current) == ([], 2, 0)
    assert refused == ["insufficient_scope"] * 3


def test_a_batch_that_is_malformed_and_an_answer_that_is() -> None:
    app = Flask(__name__)
    MintgateFlask(app, a_guard())
    app.add_url_rule("/$batch", view_func=lambda: "hello", methods=["POST"])
    client, kind = app.test_client(), "multipart/mixed; boundary=b1"
    for body, status in ((mixed(get("A"), post("C")), 502), ("hello", 400), (mixed(get("A")), 200)):
        answer = client.post("/$batch", data=body.encode(), headers=READER, content_type=kind)
        assert answer.status_code == status

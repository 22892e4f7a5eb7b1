"""An orders API in plain WSGI, guarded by the middleware.

Run it:

    pip install mintgate gunicorn
    export MINTGATE_ISSUER=https://orion.my.example/id MINTGATE_API=DomainAPI
    export MINTGATE_API_SECRET=…  # of [[apis]] in the instance's file
    gunicorn --threads 8 wsgi_app:app

Then: curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/orders
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mintgate.verify import Principal, WsgiGuardMiddleware, connect_guard
from mintgate.verify.wsgi import PRINCIPAL

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

guard = connect_guard(
    os.environ["MINTGATE_ISSUER"],  # such as https://orion.my.example/id
    api=os.environ["MINTGATE_API"],  # the audience, such as DomainAPI
    secret=os.environ["MINTGATE_API_SECRET"],  # as declared in [[apis]]
    database=os.environ.get("MINTGATE_DATABASE"),
)

orders: dict[str, dict[str, str]] = {"1": {"id": "1", "item": "tea", "by": "the example"}}


def orders_api(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """GET /orders, GET /orders/{id}, POST /orders."""
    caller: Principal | None = environ[PRINCIPAL]
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    found = orders.get(path.removeprefix("/orders/"))
    status: str
    content: Any
    if caller is not None and path == "/orders" and method == "GET":
        status, content = "200 OK", {"caller": caller.login, "orders": list(orders.values())}
    elif caller is not None and path == "/orders" and method == "POST":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        order = {
            "id": str(len(orders) + 1),
            "item": json.loads(body)["item"],
            "by": caller.login,
        }
        orders[order["id"]] = order
        status, content = "201 Created", order
    elif caller is not None and path.startswith("/orders/") and method == "GET" and found:
        status, content = "200 OK", found
    else:
        status, content = "404 Not Found", {"error": "there is nothing here"}
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(content).encode()]


app = WsgiGuardMiddleware(orders_api, guard)

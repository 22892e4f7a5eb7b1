"""An orders API in plain ASGI, guarded by the middleware.

Run it:

    pip install mintgate uvicorn
    export MINTGATE_ISSUER=https://orion.my.example/id MINTGATE_API=DomainAPI
    export MINTGATE_API_SECRET=…  # of [[apis]] in the instance's file
    uvicorn asgi_app:app

Then: curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/orders
"""

from __future__ import annotations

import json
import os
from typing import Any

from mintgate.verify import GuardMiddleware, Principal, connect_guard
from mintgate.verify.asgi import PRINCIPAL, Receive, Scope, Send

guard = connect_guard(
    os.environ["MINTGATE_ISSUER"],  # such as https://orion.my.example/id
    api=os.environ["MINTGATE_API"],  # the audience, such as DomainAPI
    secret=os.environ["MINTGATE_API_SECRET"],  # as declared in [[apis]]
    database=os.environ.get("MINTGATE_DATABASE"),
)

orders: dict[str, dict[str, str]] = {"1": {"id": "1", "item": "tea", "by": "the example"}}


async def orders_api(scope: Scope, receive: Receive, send: Send) -> None:
    """GET /orders, GET /orders/{id}, POST /orders."""
    if scope["type"] != "http":
        return
    caller: Principal | None = scope[PRINCIPAL]
    method, path = scope["method"], scope["path"]
    found = orders.get(path.removeprefix("/orders/"))
    if caller is not None and path == "/orders" and method == "GET":
        await answer(send, 200, {"caller": caller.login, "orders": list(orders.values())})
    elif caller is not None and path == "/orders" and method == "POST":
        order = {"id": str(len(orders) + 1), "item": await item_in(receive), "by": caller.login}
        orders[order["id"]] = order
        await answer(send, 201, order)
    elif caller is not None and path.startswith("/orders/") and method == "GET" and found:
        await answer(send, 200, found)
    else:
        await answer(send, 404, {"error": "there is nothing here"})


async def item_in(receive: Receive) -> str:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return str(json.loads(body)["item"])


async def answer(send: Send, status: int, content: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


app = GuardMiddleware(orders_api, guard)

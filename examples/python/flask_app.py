"""An orders API in Flask, guarded as a whole.

Run it:

    pip install mintgate flask gunicorn
    export MINTGATE_ISSUER=https://orion.my.example/id MINTGATE_API=DomainAPI
    export MINTGATE_API_SECRET=…  # of [[apis]] in the instance's file
    gunicorn --threads 8 flask_app:app

Then: curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/orders
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, abort, request

from mintgate.verify import connect_guard
from mintgate.verify.flask import MintgateFlask, current_principal, requires

guard = connect_guard(
    os.environ["MINTGATE_ISSUER"],  # such as https://orion.my.example/id
    api=os.environ["MINTGATE_API"],  # the audience, such as DomainAPI
    secret=os.environ["MINTGATE_API_SECRET"],  # as declared in [[apis]]
    database=os.environ.get("MINTGATE_DATABASE"),
)

app = Flask(__name__)
MintgateFlask(app, guard)

orders: dict[str, dict[str, str]] = {"1": {"id": "1", "item": "tea", "by": "the example"}}


@app.get("/orders")
def read_orders() -> dict[str, Any]:
    return {"caller": current_principal.login, "orders": list(orders.values())}


@app.get("/orders/<key>")
def read_order(key: str) -> dict[str, str]:
    return orders.get(key) or abort(404)


@app.post("/orders")
@requires("update")
def create_order() -> tuple[dict[str, str], int]:
    item = request.get_json()["item"]
    order = {"id": str(len(orders) + 1), "item": item, "by": current_principal.login}
    orders[order["id"]] = order
    return order, 201

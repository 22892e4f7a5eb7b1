"""An orders API in FastAPI, guarded by a dependency; its document is at /docs.

Run it:

    pip install mintgate fastapi uvicorn
    export MINTGATE_ISSUER=https://orion.my.example/id MINTGATE_API=DomainAPI
    export MINTGATE_API_SECRET=…  # of [[apis]] in the instance's file
    uvicorn fastapi_app:app

Then: curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/orders
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

from mintgate.verify import Principal, connect_guard
from mintgate.verify.fastapi import GuardDependency

guard = connect_guard(
    os.environ["MINTGATE_ISSUER"],  # such as https://orion.my.example/id
    api=os.environ["MINTGATE_API"],  # the audience, such as DomainAPI
    secret=os.environ["MINTGATE_API_SECRET"],  # as declared in [[apis]]
    database=os.environ.get("MINTGATE_DATABASE"),
)

app = FastAPI(title="Orders")
caller = GuardDependency(guard)
caller.install(app)


class NewOrder(BaseModel):
    item: str


class Order(NewOrder):
    id: str
    by: str


orders: dict[str, Order] = {"1": Order(id="1", item="tea", by="the example")}


@app.get("/orders")
def read_orders(me: Annotated[Principal, Depends(caller)]) -> dict[str, str | list[Order]]:
    return {"caller": me.login, "orders": list(orders.values())}


@app.get("/orders/{key}", dependencies=[Depends(caller)])
def read_order(key: str) -> Order:
    if key not in orders:
        raise HTTPException(404)
    return orders[key]


@app.post("/orders", status_code=201)
def create_order(new: NewOrder, me: Annotated[Principal, caller.requires("update")]) -> Order:
    order = Order(id=str(len(orders) + 1), item=new.item, by=me.login)
    orders[order.id] = order
    return order

"""An orders API in Django, in one file: settings, guard, views. It is guarded below /orders.

Run it:

    pip install mintgate django gunicorn
    export MINTGATE_ISSUER=https://orion.my.example/id MINTGATE_API=DomainAPI
    export MINTGATE_API_SECRET=…  # of [[apis]] in the instance's file
    gunicorn --threads 8 django_app:application   # or: uvicorn django_app:asgi_application

Then: curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/orders
"""

from __future__ import annotations

import json
import os
import secrets

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from mintgate.verify import connect_guard
from mintgate.verify.django import principal_of, requires_scope

guard = connect_guard(
    os.environ["MINTGATE_ISSUER"],  # such as https://orion.my.example/id
    api=os.environ["MINTGATE_API"],  # the audience, such as DomainAPI
    secret=os.environ["MINTGATE_API_SECRET"],  # as declared in [[apis]]
    database=os.environ.get("MINTGATE_DATABASE"),
)

# In a project of several files this is settings.py.
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    SECRET_KEY=secrets.token_urlsafe(),  # signs nothing here
    ROOT_URLCONF=__name__,
    # No CsrfViewMiddleware: a caller proves itself by a token, which no browser sends by itself.
    MIDDLEWARE=["mintgate.verify.django.DjangoGuardMiddleware"],
    MINTGATE_GUARD=f"{__name__}.guard",
    MINTGATE_PREFIX="/orders",
)

orders: dict[str, dict[str, str]] = {"1": {"id": "1", "item": "tea", "by": "the example"}}


def read_orders(request: HttpRequest) -> HttpResponse:
    content = {"caller": principal_of(request).login, "orders": list(orders.values())}
    return JsonResponse(content)


@requires_scope("update")
def create_order(request: HttpRequest) -> HttpResponse:
    item = json.loads(request.body)["item"]
    order = {"id": str(len(orders) + 1), "item": item, "by": principal_of(request).login}
    orders[order["id"]] = order
    return JsonResponse(order, status=201)


@require_http_methods(["GET", "POST"])
def orders_view(request: HttpRequest) -> HttpResponse:
    return create_order(request) if request.method == "POST" else read_orders(request)


@require_http_methods(["GET"])
def order_view(request: HttpRequest, key: str) -> HttpResponse:
    found = orders.get(key)
    return JsonResponse(found or {"error": "no such order"}, status=200 if found else 404)


urlpatterns = [path("orders", orders_view), path("orders/<str:key>", order_view)]

application = get_wsgi_application()
asgi_application = get_asgi_application()

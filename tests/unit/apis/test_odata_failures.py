"""What is answered when the API itself or its database fails [API-42], and the error shape."""

from __future__ import annotations

from typing import Any

import pytest

from mintgate.apis.errors import refusal_response
from mintgate.apis.reading import Reader
from mintgate.contract.errors import Forbidden, InsufficientScope, InvalidToken, NoCredential
from mintgate.store import DatabaseUnavailable
from tests.unit.apis.domain_world import World

CUSTOMERS = "Crm_Sales_Customers"


def _fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def entities(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Reader, "entities", entities)


def test_an_unexpected_failure_shows_an_id_and_no_detail(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _fail_with(monkeypatch, RuntimeError("SELECT secret"))
    response = world.call(CUSTOMERS)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (500, 500, "ServerError")
    assert "SELECT" not in response.text
    assert error["message"].rstrip(".").rsplit(" ", 1)[1] in caplog.text


def test_an_absent_database_asks_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(monkeypatch, DatabaseUnavailable("host=secret"))
    response = world.call(CUSTOMERS)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("refusal", "status", "error_type"),
    [
        (NoCredential(), 401, "invalid_token"),
        (InvalidToken(), 401, "invalid_token"),
        (InsufficientScope(needed="update"), 403, "insufficient_scope"),
        (Forbidden(), 403, "forbidden"),
    ],
    ids=lambda value: f"API-41: {value}",
)
def test_a_refusal_has_the_shape_of_every_error(refusal: Any, status: int, error_type: str) -> None:
    response = refusal_response(refusal, "TableAPI")
    assert response.status_code == status
    assert response.headers["www-authenticate"] == refusal.challenge("TableAPI")
    body = bytes(response.body).decode()
    assert f'"code":{status},"type":"{error_type}","info":""' in body

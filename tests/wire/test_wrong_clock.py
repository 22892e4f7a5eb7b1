"""A server whose clock is an hour fast: what is revoked there, or elsewhere, stays revoked."""

from __future__ import annotations

from typing import Any

from tests.world import BACKOFFICE, SECRET, World

CUSTOMERS = "Crm_Sales_Customers?$top=1"
HOUR = 3600.0


def test_a_revocation_by_a_fast_clock_ends_the_token(world: World) -> None:
    """[REV-4, TOP-13] To its clock the token has ended already, to everybody else it has not."""
    token = world.user_tokens()["access_token"]
    assert world.api(CUSTOMERS, token).status_code == 200
    world.clock.advance(HOUR)
    answer = world.http.post(
        "/id/connect/revocation", data={"token": token}, auth=(BACKOFFICE, SECRET)
    )
    assert answer.status_code == 200
    world.clock.advance(-HOUR)
    assert world.api(CUSTOMERS, token).status_code == 401


def test_a_fast_clock_that_is_set_right_forgets_no_revocation(world: World) -> None:
    """[REV-4, TOP-13]"""
    token = world.user_tokens()["access_token"]
    world.http.post("/id/connect/revocation", data={"token": token}, auth=(BACKOFFICE, SECRET))
    world.clock.advance(HOUR)

    async def read_anew(_: Any, instance: Any) -> None:
        await instance.start()

    world.run_in_server(read_anew)
    world.clock.advance(-HOUR)
    assert world.api(CUSTOMERS, token).status_code == 401

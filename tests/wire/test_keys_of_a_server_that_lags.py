"""A server that cannot follow the state feed asks the database for keys, too [TOP-13]."""

from __future__ import annotations

import time

from mintgate.store import keys
from tests.promptness import promptly
from tests.wire.test_claims_by_flow import header_of
from tests.world import World

CUSTOMERS = "Crm_Sales_Customers?$top=1"


def test_an_ended_key_is_refused_without_the_feed(world: World) -> None:
    token = world.service_token()
    assert world.api(CUSTOMERS, token).status_code == 200
    directory = world.server_directory()
    directory._source.is_fresh = lambda: False
    assert world.application is not None
    world.application.follower._on_change = lambda changes: None
    time.sleep(1.1)  # the keys that it has are too old then
    assert world.api(CUSTOMERS, token).status_code == 200
    with world.database.begin() as tx:
        keys.create(tx, world.instance.id, world.kek)
        assert keys.end(tx, world.instance.id, header_of(token)["kid"])
    promptly(lambda: world.api(CUSTOMERS, token).status_code == 401)
    refused = world.api(CUSTOMERS, token)
    assert "signing key is unknown" in refused.headers["www-authenticate"]

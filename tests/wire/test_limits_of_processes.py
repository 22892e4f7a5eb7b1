"""Two `mintgate serve` over one database count requests together [API-17]."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
from sqlalchemy import func, select

from mintgate.contract.declared_apis import Limits, settings_of
from mintgate.store import Database, apis, instances
from mintgate.store.apis import StoredApi
from mintgate.store.tables import rate_counters
from tests.wire.test_serve import free_port, serving

LIMIT = 20


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_two_processes_count_together(tmp_path: Path) -> None:
    here, there = (tmp_path / name for name in ("here", "there"))
    here.mkdir()
    there.mkdir()
    url = f"sqlite:///{here}/mintgate.db"
    first, second = free_port(), free_port()
    with (
        serving(here, first, "--demo"),
        serving(there, second, "--database", url),
        httpx.Client(headers={"Host": f"127.0.0.1:{first}"}, timeout=30) as http,
    ):
        database = Database(url)
        limited = settings_of("DomainAPI", limits=Limits(per_session=LIMIT))
        with database.begin() as tx:
            [instance] = instances.all_of(tx.connection)
            apis.add(tx, instance.id, StoredApi(settings=limited))

        def token() -> str:
            form = {"grant_type": "client_credentials", "client_id": "demo.app/service"}
            form["client_secret"] = "demo-secret"
            answer = http.post(f"http://127.0.0.1:{first}/id/connect/token", data=form)
            return str(answer.json()["access_token"])

        passed = 0

        def ask(port: int, token: str) -> httpx.Response:
            nonlocal passed
            url = f"http://127.0.0.1:{port}/api/domain/odata/Crm_Sales_Customers?$top=1"
            answer = http.get(url, headers={"Authorization": f"Bearer {token}"})
            passed += answer.status_code == 200
            return answer

        def is_told() -> bool:
            total = select(func.coalesce(func.sum(rate_counters.c.requests), 0))
            return database.read_now(lambda c: c.execute(total).scalar_one()) == passed

        for port in (first, second):
            other = token()
            wait_until(lambda p=port, t=other: f"q={LIMIT};" in policy(ask(p, t)))
        mine = token()
        while ask(first, mine).status_code == 200:
            pass
        wait_until(is_told)
        assert ask(second, mine).status_code == 200  # it has not heard of this session yet
        wait_until(is_told)
        for _ in range(LIMIT // 2):  # alone it would let all of them pass
            refused = ask(second, mine)
            if refused.status_code == 429:
                break
            time.sleep(0.05)  # what the commit has told is still on its way
        database.close()
    assert refused.status_code == 429
    assert refused.headers["ratelimit"].startswith('"session";r=0;')


def policy(answer: httpx.Response) -> str:
    return str(answer.headers["ratelimit-policy"])

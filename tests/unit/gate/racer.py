"""A process of its own that opens sessions as fast as it can; started by `test_session_races`.

Arguments: database URL, instance, name of this process, keys. Prints what came of each key.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from mintgate.contract.errors import NoFreeSlot
from mintgate.gate.sessions import ErpSessions
from mintgate.store import Database
from mintgate.store.follower import Follower
from tests.unit.gate.test_session_model import principal_of


async def race(url: str, instance_id: str, keys: list[str]) -> dict[str, str]:
    database = Database(url)
    follower = Follower(database, lambda changes: [source.apply(change) for change in changes])
    source = ErpSessions(instance_id, database, lambda: follower.is_fresh, time.time)
    await follower.start()
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)

    async def one(key: str) -> str:
        try:
            principal = principal_of(key.partition(" ")[0], key)
            await asyncio.gather(*(source.open_async(principal) for _ in range(2)))
        except NoFreeSlot:
            return "refused"
        return "open" if source.touch(principal) is not None else "lost"

    outcomes: list[Any] = await asyncio.gather(*map(one, keys))
    await source.flush()
    await follower.stop()
    database.close()
    return dict(zip(keys, outcomes, strict=True))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    result = asyncio.run(race(sys.argv[1], sys.argv[2], sys.argv[3:]))
    _say(json.dumps(result))

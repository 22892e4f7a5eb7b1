"""Every check by every credential at every audience in every way: the same decision, and the same
answer to the client (specification §10). The table is in `rows_of_tokens` and
`rows_of_operations`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.edge import rows_of_operations, rows_of_tokens
from tests.edge.changes import CHANGES
from tests.edge.checks_table import A_BATCH, Row, Says
from tests.edge.servers import EXAMPLES
from tests.edge.starting_ways import every_way
from tests.edge.ways import (
    AUDIENCES,
    BUILT_IN,
    IDS,
    JWTS,
    KINDS,
    NGINX,
    REFERENCES,
    USER,
    WAYS,
    Answer,
    Request,
    Ways,
)

COMPARED = (
    "content-type",
    "content-length",
    "www-authenticate",
    "allow",
    "retry-after",
    "ratelimit-policy",
    "cache-control",
)
LOGINS = dict(zip((*JWTS, *REFERENCES), ("mira.k", "svc.stock") * 2, strict=True))


class Cell(NamedTuple):
    row: Row
    kind: str
    audience: str

    def __str__(self) -> str:
        return f"{self.row.id}|{self.kind}|{self.audience}"


ROWS = [*rows_of_tokens.ROWS, *rows_of_operations.ROWS]
ALL = [Cell(row, kind, api) for row in ROWS for kind in KINDS for api in AUDIENCES]
ASKED = [cell for cell in ALL if cell.row.reason(cell.kind, cell.audience) is None]
ASKED.sort(key=lambda cell: list(CHANGES).index(cell.row.state))


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    with every_way(tmp_path_factory.mktemp("every_way")) as found:
        yield found


@pytest.fixture(scope="module")
def changes(ways: Ways) -> Iterator[Changes]:
    found = Changes(ways)
    yield found
    found.be("")


class Changes:
    """The change that rows are about: made once for all of them, for all ways, and undone."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._state = ""

    def be(self, state: str) -> None:
        if state == self._state:
            return
        CHANGES[self._state].undo(self._ways)
        self._ways.learn()
        self._state = ""
        if state:
            self._require_permissions(state)
        CHANGES[state].make(self._ways)
        self._state = state
        self._ways.learn()

    def _require_permissions(self, state: str) -> None:
        """The same tokens pass before it; what goes on after it is in session then."""
        for row, kind, audience in ASKED:
            if row.state != state or kind not in LOGINS:
                continue
            if CHANGES[state].spoils or row.answer(kind, audience).is_permission:
                request = row.request(self._ways, kind, audience)
                for way in WAYS:
                    answer = self._ways.ask(way, audience, request)
                    assert answer.status == 200, (state, kind, audience, way, answer)


@pytest.mark.parametrize("cell", ASKED, ids=str)
def test_every_way(cell: Cell, ways: Ways, changes: Changes) -> None:
    """[API-1..18, API-20, API-25, API-30..41]"""
    row, audience = cell.row, cell.audience
    changes.be(row.state)
    says = row.answer(cell.kind, audience)
    request = row.request(ways, cell.kind, audience)
    answers: dict[str, Answer] = {}
    for way in WAYS:
        if way == BUILT_IN and answers_by_itself(request, says):
            continue
        answer = answers[way] = asked(ways, way, audience, request, says)
        where = f"{cell} by {way}: {answer}"
        if way == NGINX and row.nginx is not None and cell_is_special(cell, says):
            assert not answer.reached, where
            if isinstance(row.nginx, Says):
                require(row.nginx, answer, request, audience, where)
            else:
                assert 400 <= answer.status < 500, where
                assert "x-request-id" not in answer.headers, where
            del answers[way]
            continue
        require(says, answer, request, audience, where)
        if way != BUILT_IN:
            assert len(answer.reached) == (1 if says.is_permission else 0), where
    require_the_same(cell, says, answers)


def cell_is_special(cell: Cell, says: Says) -> bool:
    """Whether it is what nginx answers otherwise, and no earlier refusal."""
    return cell.row.nginx == "itself" or says == cell.row.says


def asked(ways: Ways, way: str, audience: str, request: Request, says: Says) -> Answer:
    """The answer; of a limit of one a minute, when it is used up."""
    answer = ways.ask(way, audience, request)
    for _ in range(2):
        if says.status != 429 or answer.status != 200:
            break
        answer = ways.ask(way, audience, request)
    return answer


def answers_by_itself(request: Request, says: Says) -> bool:
    """Whether a built-in API, and not its guard, would be what answers."""
    return says.is_permission and request.method not in {"GET", "HEAD"}


def require(says: Says, answer: Answer, request: Request, audience: str, where: str) -> None:
    """[API-20, API-40, API-41]"""
    assert answer.status == says.status, where
    if says.is_permission:
        return
    headers = answer.headers
    if says is A_BATCH:
        parts = json.loads(answer.body)["responses"]
        assert [(part["id"], part["status"]) for part in parts] == [("1", 403)], where
        return
    assert headers["content-type"] == "application/json", where
    assert headers["cache-control"] == "no-store", where
    assert headers["x-request-id"], where
    assert headers.get("allow", "") == says.allow, where
    assert headers.get("retry-after", "").isdigit() is says.later, where
    message = says.words
    if request.method != "HEAD":
        error = json.loads(answer.body)["error"]
        assert (error["code"], error["type"]) == (says.status, says.error), where
        assert error["info"] == "", where
        message = error["message"]
        assert says.words in message, where
    else:
        assert answer.body == b"", where
        message = headers.get("www-authenticate", "").rpartition('="')[2].rstrip('"')
    challenges = {
        None: None,
        "bare": f'Bearer realm="{audience}"',
        "scope": f'Bearer realm="{audience}", error="{says.error}", scope="{says.scope}"',
        "described": (
            f'Bearer realm="{audience}", error="{says.error}", error_description="{message}"'
        ),
    }
    assert headers.get("www-authenticate") == challenges[says.challenge], where


def require_the_same(cell: Cell, says: Says, answers: dict[str, Answer]) -> None:
    """The same answer to the client by all ways, and the same caller behind them."""
    first_way, first = next(iter(answers.items()))
    for way, answer in answers.items():
        where = f"{cell} by {way}, not as by {first_way}: {answer} / {first}"
        if says.is_permission:
            if way != BUILT_IN:
                require_caller(cell, answer, where)
                assert answer.caller == first.caller, where
            elif cell.audience == "AppServer" and answer.body:
                found = json.loads(answer.body)
                assert found["Login"] == first.caller["x-mintgate-login"], where
                assert " ".join(found["Scopes"]) == first.caller["x-mintgate-scope"], where
            continue
        assert IDS.sub(b"", answer.body) == IDS.sub(b"", first.body), where
        for name in COMPARED:
            if name == "retry-after" and says.status == 429:
                # Each counts by itself; the seconds depend on when it was asked.
                assert f";t={answer.headers[name]}" in answer.headers["ratelimit"], where
                continue
            assert answer.headers.get(name) == first.headers.get(name), f"{name} of {where}"


def require_caller(cell: Cell, answer: Answer, where: str) -> None:
    caller = answer.caller
    if cell.row.check == "API-25":
        assert caller == {}, where
        return
    is_admin = cell.row.id == "API-18-admin"
    assert caller["x-mintgate-admin"] == str(is_admin).lower(), where
    assert caller["x-mintgate-login"] == ("ada" if is_admin else LOGINS[cell.kind]), where
    assert caller["x-mintgate-kind"] == (
        "user" if "user" in cell.kind or cell.kind == "PAT" else "service"
    ), where
    assert caller["x-mintgate-database"] == "ORION_PROD X-1", where


def test_no_check_is_left_out() -> None:
    """Each check is asked with each credential at each audience, or it is said why not."""
    checks = {f"API-{number}" for number in (*range(1, 19), 21, 25, *range(30, 40))}
    for check in sorted(checks):
        found = {(c.kind, c.audience) for c in ALL if c.row.check == check}
        assert found == {(kind, api) for kind in KINDS for api in AUDIENCES}, check
        assert any(c.row.check == check for c in ASKED), check
    ids = [row.id for row in ROWS]
    assert len(set(ids)) == len(ids)
    for cell in ALL:
        reason = cell.row.reason(cell.kind, cell.audience)
        assert reason is None or reason.strip(), str(cell)


def test_the_documentation_has_every_check() -> None:
    text = (EXAMPLES.parent / "docs" / "what-is-checked.md").read_text()
    documented = set(re.findall(r"^\| (API-\d+) \|", text, re.MULTILINE))
    assert documented == {row.check for row in ROWS if row.id.startswith("API-")}
    for says in {row.answer(USER, api) for row in ROWS for api in AUDIENCES}:
        assert says.error in text
        assert says.status == 200 or str(says.status) in text

"""Counting, naming and sharing of what a server shows of itself; no sockets but of one listener."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mintgate.contract import request_ids
from mintgate.contract.errors import InvalidClient
from mintgate.contract.tallies import MAX_CELLS, OVERFLOW, Spread, Spreads, Tally
from mintgate.gate.access_log import LOGGER, Record
from mintgate.server.logs import configure_logs
from mintgate.server.telemetry import workers
from mintgate.server.telemetry.endpoints import endpoint_of
from mintgate.server.telemetry.families import Family, Histogram, Sample
from mintgate.server.telemetry.tracing import are_wanted, from_environment


def test_a_tally_counts_by_labels() -> None:
    tally = Tally("kind")
    cell = tally.cell("a")
    cell[0] += 2
    tally.add("a")
    tally.add("b")
    assert dict(tally) == {("a",): 3, ("b",): 1}


def test_a_tally_is_bounded() -> None:
    tally = Tally("kind", "other")
    for number in range(MAX_CELLS + 50):
        tally.add(str(number), "x")
    counts = dict(tally)
    assert len(counts) == MAX_CELLS + 1
    assert counts[OVERFLOW, OVERFLOW] == 50
    spreads = Spreads((1,), "kind")
    for number in range(MAX_CELLS + 50):
        spreads.of(str(number)).note(0.5)
    assert len(list(spreads)) == MAX_CELLS + 1


def test_a_spread_counts_at_the_first_bound_that_is_not_exceeded() -> None:
    spread = Spread((1, 2))
    for amount in (0.5, 1, 1.5, 2, 3):
        spread.note(amount)
    assert spread.read() == ([2, 2, 1], 8.0)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/id/connect/token", "token"),
        ("/id/connect/token/x", "other"),
        ("/gate/nginx/orion/Orders", "forward_auth"),
        ("/api/domain/odata/Crm_Sales_Customers", "DomainAPI"),
        ("/manage/api/v1/users", "management"),
        ("/healthz", "health"),
        ("/whatever/a/caller/thinks/of", "other"),
        ("", "other"),
    ],
)
def test_paths_have_few_names(path: str, name: str) -> None:
    assert endpoint_of(path) == name


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_SERVICE_NAME": "mintgate"}, False),
    ],
)
def test_traces_are_made_when_a_place_for_them_is_named(
    environment: dict[str, str], wanted: bool
) -> None:
    assert are_wanted(environment) is wanted
    if not wanted:
        assert from_environment(environment) is None


def test_nothing_is_imported_while_it_is_off(tmp_path: Path) -> None:
    program = (
        "import sys, mintgate.server.telemetry.observing as o;"
        "from mintgate.store import Database; from mintgate.store.keys import KeyEncryptionKey;"
        "from mintgate.server.application import Application;"
        "a = Application(Database('sqlite://'), KeyEncryptionKey(bytes(32)));"
        "assert o.observe_server(a, o.Wishes(), {}) is a;"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'prometheus_client'))"
        " or m == 'mintgate.server.telemetry.opentelemetry_traces'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.stdout == "[]\n", done.stderr


def test_refusals_are_named_by_their_request() -> None:
    assert request_ids.current() is None
    alone = InvalidClient()
    assert len(alone.id) == 16
    record = Record({"type": "http", "raw_path": b"/", "headers": []})
    first, second = InvalidClient(), InvalidClient()
    assert first.id == str(record.request_id) == first.id
    assert second.id == f"{record.request_id}-2"
    request_ids._current.set(None)


def test_a_token_in_a_path_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """[TOK-14]"""
    caplog.set_level("INFO", logger=LOGGER)
    secret = "enrt_" + "0123456789ABCDEF" * 4
    record = Record({"type": "http", "raw_path": f"/x/{secret}/y".encode(), "headers": []})
    record.end()
    request_ids._current.set(None)
    assert secret[:20] not in caplog.text
    assert "path=/x/…/y" in caplog.text


def test_logs_in_json_have_an_object_in_each_line(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    access = logging.getLogger(LOGGER)
    try:
        configure_logs("json", access_log=True)
        record = Record({"type": "http", "raw_path": b"/a b", "headers": [], "method": "GET"})
        record.status, record.endpoint, record.instance = 200, "token", "orion"
        record.end()
        try:
            raise ValueError("in a traceback")
        except ValueError:
            logging.getLogger("mintgate.x").exception("it %s", "failed")
        configure_logs("console", access_log=True)
        record.end()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        access.setLevel(logging.NOTSET)
        request_ids._current.set(None)
    one, two, *rest = capfd.readouterr().err.splitlines()
    line, failed = json.loads(one), json.loads(two)
    assert line["event"] == "request"
    assert line["level"] == "info"
    assert line["time"].endswith("Z")
    assert (line["status"], line["endpoint"], line["instance"]) == (200, "token", "orion")
    assert line["request_id"] == failed["request_id"] == str(record.request_id)
    assert failed["event"] == "it failed"
    assert "ValueError: in a traceback" in failed["exception"]
    assert "endpoint=token" in rest[0]


def figures(tokens: int) -> list[Family]:
    return [
        Family("mintgate_tokens", "counter", "Tokens.", ("kind",), [Sample(("access",), tokens)]),
        Family(
            "mintgate_seconds",
            "histogram",
            "Seconds.",
            (),
            [Sample((), spread=Histogram((1.0, 2.0), (tokens, 0, 1), 7.5))],
        ),
    ]


def test_workers_leave_their_figures_for_one_to_show(tmp_path: Path) -> None:
    for number, tokens in enumerate((3, 4)):
        workers.Publisher(lambda tokens=tokens: figures(tokens), tmp_path, str(number)).publish()
    (tmp_path / "mintgate-worker-x.json").write_text("{")  # one that is not whole is left out
    tokens_of, seconds_of = workers.of_all_workers(tmp_path)
    assert tokens_of.labels == ("kind", "worker")
    assert [(s.labels, s.value) for s in tokens_of.samples] == [
        (("access", "0"), 3),
        (("access", "1"), 4),
    ]
    assert [s.spread.counts for s in seconds_of.samples if s.spread] == [(3, 0, 1), (4, 0, 1)]
    later = os.stat(tmp_path / "mintgate-worker-0.json").st_mtime + workers.FORGOTTEN_SECONDS + 1
    assert workers.of_all_workers(tmp_path, lambda: later) == []
    workers.empty(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="letters"):
        workers.Publisher(lambda: [], tmp_path, "../x")


def test_figures_become_text_for_prometheus(tmp_path: Path) -> None:
    prometheus = pytest.importorskip("prometheus_client", reason="pip install prometheus-client")
    from mintgate.server.telemetry.exposition import registry_of

    workers.Publisher(lambda: figures(3), tmp_path, "0").publish()
    registry = registry_of(lambda: workers.of_all_workers(tmp_path))
    text = prometheus.generate_latest(registry).decode()
    assert 'mintgate_tokens_total{kind="access",worker="0"} 3.0' in text
    for bucket, count in (("1", 3), ("2", 3), ("+Inf", 4)):
        assert f'mintgate_seconds_bucket{{le="{bucket}",worker="0"}} {count}.0' in text
    assert 'mintgate_seconds_sum{worker="0"} 7.5' in text

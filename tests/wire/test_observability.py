"""What an operator sees of a real `mintgate serve` and of a real `mintgate gate` in front of it."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from mintgate.contract.identifiers import secret_hash
from mintgate.store import Database, apis, audit, instances
from tests.gate_world import API_SECRET, Upstream, until
from tests.leaks import Leaks
from tests.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.wire.gate.test_gate_command import FILE
from tests.wire.test_serve import PROGRAM, free_port, run, serving

parser = pytest.importorskip("prometheus_client.parser", reason="pip install prometheus-client")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="pip install 'mintgate[otel]'")
EXAMPLES = Path(__file__).parents[2] / "examples" / "monitoring"
CLIENT = "demo.app/service"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
HIDDEN = "a-value-of-a-query"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Metrics:
    """What `/metrics` says."""

    def __init__(self, port: int) -> None:
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
        assert answer.status_code == 200
        self.text = answer.text
        self.families = list(parser.text_string_to_metric_families(answer.text))
        self.names = {sample.name for family in self.families for sample in family.samples} | set(
            re.findall(r"^# TYPE (\S+)", answer.text, re.MULTILINE)
        )

    def value(self, name: str, **labels: str) -> float:
        found = [
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no {name} with {labels}"
        return float(sum(found))

    @property
    def label_values(self) -> set[str]:
        return {v for f in self.families for s in f.samples for v in s.labels.values()}


class Seen(NamedTuple):
    """The answers to what was asked, and what was seen of it afterwards."""

    refused: httpx.Response
    failed: httpx.Response
    issued: httpx.Response
    through: httpx.Response
    token: str
    serve: Metrics
    gate: Metrics
    upstream: Upstream
    receiver: OtlpReceiver
    lines: list[dict[str, Any]]
    gate_lines: list[dict[str, Any]]
    folder: Path
    gate_log: Path
    leaks: Leaks


@contextlib.contextmanager
def gating(folder: Path, issuer: str, upstream: str, metrics: int) -> Iterator[int]:
    port = free_port()
    text = FILE.format(port=port, issuer=issuer, database="DEMO", upstream=upstream)
    (folder / "gate.toml").write_text(text)
    (folder / "secret.txt").write_text(API_SECRET + "\n")
    with (folder / "gate.log").open("wb") as file:
        process = subprocess.Popen(
            [*PROGRAM, "gate", "gate.toml", "--metrics-port", str(metrics), "--log-format", "json"],
            cwd=folder,
            stdout=file,
            stderr=subprocess.STDOUT,
        )

    def is_ready() -> bool:
        assert process.poll() is None, (folder / "gate.log").read_text()
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{port}/-/ready").is_success
        return False

    try:
        until(is_ready, 90)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One server, one gate, a few requests; everything else looks at what is left of them."""
    folder = tmp_path_factory.mktemp("observed")
    gate_folder = tmp_path_factory.mktemp("gate")
    receiver, upstream, leaks = OtlpReceiver(), Upstream(), Leaks()
    http = leaks.watch(httpx.Client(timeout=30))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        port, metrics, gate_metrics = free_port(), free_port(), free_port()
        watched = ("--metrics-port", str(metrics), "--log-format", "json", "--access-log")
        base = f"http://127.0.0.1:{port}"
        with serving(folder, port, "--demo", *watched):
            database = Database(f"sqlite:///{folder / 'mintgate.db'}")
            instance = database.read_now(instances.all_of)[0]
            with database.begin() as tx:
                apis.set_secret(tx, instance.id, "DomainAPI", secret_hash(API_SECRET))
            database.close()
            token_url = f"{base}/id/connect/token"
            form = {"grant_type": "client_credentials", "client_id": CLIENT}
            good, bad = {"client_secret": "demo-secret"}, {"client_secret": "a-wrong-secret"}
            issued = http.post(token_url, data=form | good, headers=TRACEPARENT)
            token = issued.json()["access_token"]
            failed = http.post(token_url, data=form | bad)
            customers = f"{base}/api/domain/odata/Crm_Sales_Customers?$top=1&x={HIDDEN}"
            bearer = {"Authorization": f"Bearer {token}"}
            assert http.get(customers, headers=bearer).status_code == 200
            refused = http.get(customers)
            with gating(gate_folder, f"{base}/id", upstream.url, gate_metrics) as gate_port:
                orders = f"http://127.0.0.1:{gate_port}/orders/7?x={HIDDEN}"
                through = http.get(orders, headers=bearer | TRACEPARENT)
                assert http.get(orders).status_code == 401
                gate_seen = Metrics(gate_metrics)
            serve_seen = Metrics(metrics)
    upstream.stop()
    receiver.stop()
    http.close()
    return Seen(
        refused,
        failed,
        issued,
        through,
        token,
        serve_seen,
        gate_seen,
        upstream,
        receiver,
        json_lines(folder / "output.txt"),
        json_lines(gate_folder / "gate.log"),
        folder,
        gate_folder / "gate.log",
        leaks,
    )


def json_lines(file: Path) -> list[dict[str, Any]]:
    text = file.read_text().splitlines()
    return [json.loads(line) for line in text if line.startswith("{")]


def test_what_happened_was_counted(seen: Seen) -> None:
    value = seen.serve.value
    assert value("mintgate_tokens_issued_total", kind="access", grant="client_credentials") == 1
    assert value("mintgate_refusals_total", endpoint="token", error="invalid_client") == 1
    assert value("mintgate_refusals_total", endpoint="api", error="invalid_token") == 1
    assert value("mintgate_api_checks_total", api="DomainAPI", outcome="admitted") == 1
    assert value("mintgate_api_checks_total", api="DomainAPI", outcome="invalid_token") == 1
    assert value("mintgate_requests_total", endpoint="token", status="2xx") == 1
    assert value("mintgate_request_seconds_count", endpoint="token") == 2
    assert value("mintgate_write_group_size_sum") >= 3
    assert value("mintgate_licence_slots", instance_name="demo", state="total") == 1000
    assert value("mintgate_licence_slots", state="taken") == 1
    assert value("mintgate_licence_slots", state="free") == 999
    assert value("mintgate_erp_sessions", instance_name="demo") == 1
    assert value("mintgate_signing_keys", instance_name="demo", state="active") == 1
    assert 0 <= value("mintgate_signing_key_age_seconds") < 300
    assert 0 <= value("mintgate_state_age_seconds") < 60
    assert value("mintgate_database_up") == 1
    assert value("mintgate_build_info", program="serve", database="sqlite") == 1


def test_the_gate_counts_too(seen: Seen) -> None:
    value = seen.gate.value
    assert value("mintgate_requests_total", endpoint="DomainAPI", status="2xx") == 1
    assert value("mintgate_requests_total", endpoint="DomainAPI", status="4xx") == 1
    assert value("mintgate_refusals_total", endpoint="gate", error="invalid_token") == 1
    assert value("mintgate_upstream_seconds_count", api="DomainAPI") == 1
    assert 0 <= value("mintgate_tenant_state_age_seconds", tenant="orion") < 60
    assert value("mintgate_build_info", program="gate") == 1


def test_no_caller_adds_a_label(seen: Seen) -> None:
    for metrics in (seen.serve, seen.gate):
        for part in ("demo.app", "/", HIDDEN, "Crm_Sales", "127.0.0.1"):
            assert not [value for value in metrics.label_values if part in value]


def line_of(lines: list[dict[str, Any]], request_id: str) -> dict[str, Any]:
    [line] = [one for one in lines if one.get("request_id") == request_id]
    return line


def test_every_request_has_a_line_with_the_id_that_its_caller_got(seen: Seen) -> None:
    for answer, endpoint in (
        (seen.issued, "token"),
        (seen.failed, "token"),
        (seen.refused, "DomainAPI"),
    ):
        line = line_of(seen.lines, answer.headers["x-request-id"])
        assert line["status"] == answer.status_code
        assert (line["endpoint"], line["instance"], line["level"]) == (endpoint, "demo", "info")
        assert line["ms"] > 0
        assert line["time"].startswith("20")
    [line] = [
        one for one in seen.gate_lines if one.get("path") == "/orders/7" and "error" not in one
    ]
    assert (line["endpoint"], line["instance"], line["client_id"]) == ("DomainAPI", "DEMO", CLIENT)


def test_the_audit_log_has_the_same_id(seen: Seen) -> None:
    database = Database(f"sqlite:///{seen.folder / 'mintgate.db'}")
    instance = database.read_now(instances.all_of)[0]
    events = database.read_now(lambda c: audit.latest(c, instance.id, 100))
    database.close()
    for answer, name in ((seen.refused, "api.refused"), (seen.failed, "token.refused")):
        request_id = answer.headers["x-request-id"]
        found = [e.event for e in events if (e.details or {}).get("request_id") == request_id]
        assert found == [name]


def test_nothing_secret_was_logged(seen: Seen) -> None:
    """[TOK-14]"""
    seen.leaks.note("secret", "a-wrong-secret")
    seen.leaks.note("query", HIDDEN)
    seen.leaks.check(None, [seen.folder / "output.txt", seen.gate_log])


def spans_of(seen: Seen, name: str, trace_id: str = TRACE) -> list[ReceivedSpan]:
    return [s for s in seen.receiver.spans if s.name == name and s.trace_id == trace_id]


def test_a_trace_goes_on_from_the_caller_to_the_database(seen: Seen) -> None:
    [request] = spans_of(seen, "POST token")
    assert request.parent_id == SPAN
    assert request.attributes["http.response.status_code"] == "200"
    assert request.attributes["mintgate.request_id"] == seen.issued.headers["x-request-id"]
    assert request.span_id in {span.parent_id for span in spans_of(seen, "database commit")}


def test_a_trace_goes_on_through_the_gate(seen: Seen) -> None:
    assert seen.through.status_code == 200
    [request] = spans_of(seen, "GET DomainAPI")
    [check] = spans_of(seen, "token check")
    [passed_on] = spans_of(seen, "GET upstream")
    assert request.parent_id == SPAN
    assert check.parent_id == request.span_id
    told = seen.upstream.seen[-1].one("traceparent")
    assert told == f"00-{TRACE}-{passed_on.span_id}-01"


def test_a_span_tells_why_a_request_was_refused(seen: Seen) -> None:
    refused = [s for s in seen.receiver.spans if s.attributes.get("error.type") == "invalid_client"]
    assert [span.name for span in refused] == ["POST token"]


def test_nothing_secret_is_in_a_trace(seen: Seen) -> None:
    for part in (seen.token, "demo-secret", "a-wrong-secret", CLIENT, HIDDEN, "/orders", "odata"):
        assert part.encode() not in seen.receiver.raw
    assert len(seen.receiver.spans) > 5


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\b(?:mintgate|process)_[a-z_]+", text))


@pytest.mark.parametrize("file", ["alerts.yml", "dashboard.json"])
def test_the_examples_name_metrics_that_there_are(seen: Seen, file: str) -> None:
    text = (EXAMPLES / file).read_text()
    named = names_in(text)
    assert len(named) > 10
    known = seen.serve.names | seen.gate.names
    known |= {f"{n}_{part}" for n in known for part in ("bucket", "sum", "count")}
    assert named <= known


def test_every_metric_is_in_the_documentation(seen: Seen) -> None:
    documented = names_in((EXAMPLES.parents[1] / "docs" / "observability.md").read_text())
    exported = set(re.findall(r"^# TYPE (mintgate_\S+)", seen.serve.text, re.MULTILINE))
    exported |= set(re.findall(r"^# TYPE (mintgate_\S+)", seen.gate.text, re.MULTILINE))
    assert exported <= documented


def test_a_metrics_port_that_is_taken(tmp_path: Path) -> None:
    upstream = Upstream()
    try:
        taken = str(upstream.port)
        done = run(
            "serve", "--demo", "--port", str(free_port()), "--metrics-port", taken, cwd=tmp_path
        )
    finally:
        upstream.stop()
    assert done.returncode == 1
    assert f"127.0.0.1:{taken}" in done.stderr
    assert "--metrics-port" in done.stderr
    assert "Traceback" not in done.stderr

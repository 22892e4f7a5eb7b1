"""The figures of this process: what its rooms have counted, and how things stand now."""

from __future__ import annotations

import math
import platform
import time
from typing import TYPE_CHECKING

import mintgate
from mintgate.contract.clock import Clock, system_clock
from mintgate.contract.key_life import KeyState, active_key, state_of
from mintgate.contract.tallies import Spread, Spreads, Tally
from mintgate.gate import tallies as gate_tallies
from mintgate.identity import tallies as identity_tallies
from mintgate.identity.auditing import unwritten_refusals
from mintgate.server.application import Application
from mintgate.server.telemetry import requests
from mintgate.server.telemetry.database_facts import DatabaseFacts
from mintgate.server.telemetry.families import Family, Histogram, Sample, gauge
from mintgate.store import tallies as store_tallies
from mintgate.verify import tallies as verify_tallies

if TYPE_CHECKING:
    from mintgate.gate.assembly import Gate

KEY_STATES: tuple[KeyState, ...] = ("next", "active", "superseded")


def of_this_process(program: str, database: str) -> list[Family]:
    """What every process has.

    Args:
        program: `serve` or `gate`.
        database: `sqlite`, `postgresql`, or `none`.
    """
    waiting = identity_tallies.HASHING[0]
    build = Sample((mintgate.__version__, platform.python_version(), program, database), 1.0)
    labels = ("version", "python", "program", "database")
    return [
        Family("mintgate_build_info", "gauge", "What runs here; always 1.", labels, [build]),
        _counted("mintgate_requests", "Answers.", requests.REQUESTS),
        _spreads("mintgate_request_seconds", "How long answers took.", requests.SECONDS),
        _counted("mintgate_refusals", "Refusals.", verify_tallies.REFUSED),
        _counted("mintgate_api_checks", "Requests to APIs by outcome.", verify_tallies.CHECKED),
        _counted("mintgate_limited_requests", "Requests over a limit.", verify_tallies.LIMITED),
        _counted("mintgate_tokens_issued", "Tokens that were issued.", identity_tallies.MINTED),
        _counted("mintgate_sign_ins", "Passwords that came in.", identity_tallies.SIGN_INS),
        gauge("mintgate_password_hashes_waiting", "Passwords waiting to be hashed.", waiting),
    ]


class ServerFigures:
    """Those of `mintgate serve`; to be called in any thread.

    Args:
        clock: Unix seconds.
    """

    def __init__(
        self,
        application: Application,
        clock: Clock = system_clock,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._application = application
        self._facts = DatabaseFacts(application.database, clock, monotonic)
        self._clock = clock

    def __call__(self) -> list[Family]:
        database = self._application.database
        waiting, oldest = database.waiting
        unwritten = unwritten_refusals(database)
        return [
            *of_this_process("serve", database.engine.dialect.name),
            gauge(
                "mintgate_state_age_seconds",
                "Since the state feed was last read to its end.",
                _finite(self._application.follower.age),
            ),
            gauge("mintgate_writes_waiting", "Writes that are not committed yet.", waiting),
            gauge("mintgate_oldest_write_seconds", "How long the oldest waits.", oldest),
            gauge("mintgate_audit_refusals_unwritten", "Refusals only counted so far.", unwritten),
            _spread("mintgate_write_group_size", "Writes in one commit.", store_tallies.GROUPS),
            _spread("mintgate_write_group_seconds", "Commits.", store_tallies.COMMITS),
            _counted("mintgate_database_failures", "Failures.", store_tallies.FAILED),
            Family(
                "mintgate_database_connections",
                "counter",
                "Connections that were opened.",
                (),
                [Sample((), store_tallies.CONNECTED[0])],
            ),
            *self._keys(),
            *self._in_the_database(),
        ]

    def _keys(self) -> list[Family]:
        now = self._clock()
        ages: list[Sample] = []
        counts: list[Sample] = []
        for instance in self._application.instances:
            name = instance.instance.name
            times = instance.directory.key_times
            active = active_key(times, now)
            if active is not None:
                ages.append(Sample((name,), max(0.0, now - active.active_from)))
            states = [state_of(key, times, now) for key in times]
            counts += [Sample((name, state), states.count(state)) for state in KEY_STATES]
        return [
            Family(
                "mintgate_signing_key_age_seconds",
                "gauge",
                "Since the key that signs now began to.",
                ("instance_name",),
                ages,
            ),
            Family(
                "mintgate_signing_keys",
                "gauge",
                "Keys that can sign here.",
                ("instance_name", "state"),
                counts,
            ),
        ]

    def _in_the_database(self) -> list[Family]:
        facts = self._facts.read()
        up = gauge("mintgate_database_up", "Whether it could be read.", float(facts is not None))
        if facts is None:
            return [up]
        named = ("instance_name",)
        slots = [Sample((f.name, state), n) for f in facts for state, n in f.slots.items()]
        sessions = [Sample((f.name,), f.sessions) for f in facts]
        ages = [Sample((f.name,), f.checkpoint_age) for f in facts if f.checkpoint_age is not None]
        return [
            up,
            Family("mintgate_licence_slots", "gauge", "Licence slots.", (*named, "state"), slots),
            Family("mintgate_erp_sessions", "gauge", "Open ERP sessions.", named, sessions),
            Family(
                "mintgate_audit_checkpoint_age_seconds",
                "gauge",
                "Since the newest signed checkpoint of the audit log.",
                named,
                ages,
            ),
        ]


class GateFigures:
    """Those of `mintgate gate`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __call__(self) -> list[Family]:
        ages = [
            Sample((tenant.settings.name, tenant.api), _finite(tenant.state.age))
            for tenant in self._gate.tenants
            if tenant.state is not None
        ]
        return [
            *of_this_process("gate", "none"),
            _spreads("mintgate_upstream_seconds", "Until an answer began.", gate_tallies.UPSTREAM),
            Family(
                "mintgate_tenant_state_age_seconds",
                "gauge",
                "Since the state feed of a tenant was last read to its end.",
                ("tenant", "api"),
                ages,
            ),
        ]


def _counted(name: str, help_text: str, tally: Tally) -> Family:
    samples = [Sample(labels, count) for labels, count in tally]
    return Family(name, "counter", help_text, tally.labels, samples)


def _spread(name: str, help_text: str, spread: Spread) -> Family:
    return Family(name, "histogram", help_text, (), [_histogram((), spread)])


def _spreads(name: str, help_text: str, spreads: Spreads) -> Family:
    samples = [_histogram(labels, spread) for labels, spread in spreads]
    return Family(name, "histogram", help_text, spreads.labels, samples)


def _histogram(labels: tuple[str, ...], spread: Spread) -> Sample:
    counts, total = spread.read()
    return Sample(labels, spread=Histogram(spread.bounds, tuple(counts), total))


def _finite(seconds: float) -> float:
    """JSON knows no infinity; a number that no alert overlooks stands for it."""
    return seconds if math.isfinite(seconds) else 1e9

"""The audit log of half a year: who did what when, as the server would have written it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from bench.growth.rows import Row
from bench.pages.company import Company
from mintgate.store.audit import AuditEvent, Chain

DAYS = 180
HOUR = 3600
WORKERS = 2
RESTARTED_HOURS = 15 * 24
"""Each start of a process is another writer, with a chain of its own."""
NIGHT, WEEKEND = 0.15, 0.2
"""What happens then, of what happens in an hour of work."""
ADMINISTRATORS_SHARE = 0.004
SERVICE = "svc.programs"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of events.

    Args:
        share: of all, in parts of any size.
        by: `service`, `person`, or `nobody` who is known.
        causes: one of them, where it was refused.
        details: as the server tells them.
        about: whether somebody else is its subject.
    """

    event: str
    share: float
    by: str = "person"
    with_program: bool = True
    causes: tuple[str, ...] = ()
    details: Mapping[str, Any] | None = None
    about: bool = False


_SCOPES = {"scope": ["openid", "read", "update"]}
KINDS = (
    Kind(
        event="token.issued",
        share=46.0,
        by="service",
        details={"grant_type": "client_credentials", "scope": ["read", "update"]},
    ),
    Kind(event="token.refreshed", share=22.0, details=_SCOPES),
    Kind(
        event="token.issued",
        share=8.0,
        details={"grant_type": "authorization_code", **_SCOPES},
    ),
    Kind(event="user.signed_in", share=8.0, with_program=False, details={"amr": ["pwd"]}),
    Kind(
        event="erp_session.closed",
        share=5.0,
        details={"kind": "interactive", "reason": "idle", "requests": 412},
    ),
    Kind(
        event="token.refused",
        share=4.0,
        by="nobody",
        causes=(
            "invalid_grant: the code has expired",
            "invalid_client: the secret is wrong",
            "invalid_scope: update is not in Scope",
            "unauthorized_client: SystemUserAllowed is false",
        ),
        details={"grant_type": "authorization_code"},
    ),
    Kind(
        event="api.refused",
        share=3.0,
        causes=("invalid_token: the token has expired", "insufficient_scope: update is needed"),
    ),
    Kind(
        event="user.sign_in_failed",
        share=1.5,
        with_program=False,
        causes=("the password is wrong",),
    ),
    Kind(event="user.signed_out", share=1.5, with_program=False),
    Kind(event="consent.given", share=0.4, details={"scope": ["read"]}),
    Kind(event="reference_token.created", share=0.3, details={"kind": "PAT", "scope": ["read"]}),
    Kind(event="user.changed", share=0.2, with_program=False, about=True,
         details={"attributes": ["Email"]}),
    Kind(event="application.changed", share=0.02, details={"before": {"IsEnabled": True}}),
)  # fmt: skip


def rows(company: Company, count: int, now: float) -> Iterator[Row]:
    """The log up to an hour ago, one chain after the other as processes came and went."""
    made = _Events(company)
    chains: list[Chain] = []
    for number, (hour, events) in enumerate(_hours(count, now)):
        if number % RESTARTED_HOURS == 0:
            chains = [Chain() for _ in range(WORKERS)]
        written = made.of_hour(hour, events)
        for worker, chain in enumerate(chains):
            linked, heads = chain.link(written[worker::WORKERS])
            chain.advance(heads)
            yield from linked


def _hours(count: int, now: float) -> Iterator[tuple[int, int]]:
    """Each hour since 1970 with the number of its events; `count` altogether."""
    last = int(now // HOUR) - 1
    hours = range(last - DAYS * 24, last + 1)
    weights = [_busyness(hour) for hour in hours]
    ends = [round(count * sum_ / sum(weights)) for sum_ in itertools.accumulate(weights)]
    for hour, began, end in zip(hours, [0, *ends], ends, strict=False):
        yield hour, end - began


def _busyness(hour: int) -> float:
    at = datetime.fromtimestamp(hour * HOUR, UTC)
    if at.weekday() >= 5:
        return WEEKEND
    return 1.0 if 7 <= at.hour < 18 else NIGHT


class _Events:
    """Args: company: whose people do all of it."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._chance = random.Random(3)  # noqa: S311 - the same in every run
        # A few applications make most of the tokens.
        self._by_use = list(
            itertools.accumulate(1.0 / (n + 2) for n in range(len(company.programs)))
        )
        self._by_share = list(itertools.accumulate(kind.share for kind in KINDS))

    def of_hour(self, hour: int, count: int) -> list[AuditEvent]:
        """In the order of time."""
        chance = self._chance
        moments = sorted(hour * HOUR + chance.random() * HOUR for _ in range(count))
        kinds = chance.choices(KINDS, cum_weights=self._by_share, k=count)
        programs = chance.choices(self._company.programs, cum_weights=self._by_use, k=count)
        return [
            self._event(kind, at, program.uri)
            for kind, at, program in zip(kinds, moments, programs, strict=True)
        ]

    def _event(self, kind: Kind, at: float, uri: str) -> AuditEvent:
        chance, people = self._chance, self._company.people
        administrator = people[0]
        person = administrator
        if chance.random() >= ADMINISTRATORS_SHARE:
            person = people[int(len(people) * chance.random() ** 2)]  # some are busier
        actor = administrator if kind.about else person
        is_person = kind.by == "person"
        details = kind.details
        if kind.causes:
            details = {**(details or {}), "request_id": f"{chance.getrandbits(64):016x}"}
        return AuditEvent(
            instance_id=self._company.instance_id,
            at=at,
            event=kind.event,
            actor=actor.login if is_person else SERVICE if kind.by == "service" else None,
            actor_id=actor.id if is_person else None,
            subject_id=person.id if kind.about else None,
            application=uri if kind.with_program else None,
            session=f"{chance.getrandbits(128):032X}" if is_person else None,
            jti=f"{chance.getrandbits(128):032X}" if kind.event.startswith("token.") else None,
            address=f"10.{chance.randrange(256)}.{chance.randrange(256)}.7",
            cause=chance.choice(kind.causes) if kind.causes else None,
            details=dict(details) if details is not None else None,
            personal={"before": "old@company.example"} if kind.about else None,
        )

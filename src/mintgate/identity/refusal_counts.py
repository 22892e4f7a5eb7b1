"""Refusals that come too fast to be written one by one: counted in bounded memory, none lost."""

from __future__ import annotations

import msgspec

from mintgate.contract.networks import network_of
from mintgate.store import AuditEvent

WINDOW = 60.0
"""Seconds."""
OF_SOURCE = 10
"""Refusals from one address for one client that are written one by one in a minute."""
OF_ADDRESS = 60
"""The same over all clients: a sender may claim to be another one each time."""
MAX_SOURCES = 4096
"""How many are told apart at a time; beyond, those of one event are counted together."""

Source = tuple[str, str, str | None, str | None]
"""Instance, event, network, and client or login; None where all of them are taken together."""


class Sum(msgspec.Struct):
    """Refusals of one source that were not written; `since` in Unix seconds."""

    source: Source
    count: int
    since: float
    last: AuditEvent

    def event(self) -> AuditEvent:
        """One event for all of them; what is not counted or common is that of the last one."""
        _, _, network, name = self.source
        last = self.last
        if name is None:
            last = msgspec.structs.replace(
                last, application=None, actor=None, actor_id=None, subject_id=None, personal=None
            )
        return msgspec.structs.replace(
            last,
            address=last.address if network is not None else None,
            details={**(last.details or {}), "count": self.count, "since": self.since},
        )


class _Minute(msgspec.Struct):
    begun_at: float
    written: int = 0


class RefusalCounts:
    """Decides which refusals are written one by one, and keeps the sums of the others."""

    def __init__(self) -> None:
        self._minutes: dict[Source, _Minute] = {}
        self._sums: dict[Source, Sum] = {}

    def admits(self, event: AuditEvent) -> bool:
        """Whether the event is to be written by itself; if not, it is counted here."""
        network = network_of(event.address)
        source = (event.instance_id, event.event, network, event.application or event.actor or "")
        address = self._known((*source[:3], None))
        of_address = self._minute(address, event.at)
        if of_address.written >= OF_ADDRESS:
            self._add(address, event)  # without looking closer: that costs no memory
            return False
        of_source = self._minute(self._known(source), event.at)
        if of_source is not of_address and of_source.written >= OF_SOURCE:
            self._add(source, event)
            return False
        of_address.written += 1
        if of_source is not of_address:
            of_source.written += 1
        return True

    @property
    def unwritten(self) -> int:
        """How many refusals are held in sums now."""
        return sum(one.count for one in list(self._sums.values()))

    def take(self, now: float, *, everything: bool) -> list[Sum]:
        """Take out the sums that are a minute old at `now` (Unix seconds), or all of them."""
        for source, minute in list(self._minutes.items()):
            if now >= minute.begun_at + WINDOW:
                del self._minutes[source]
        due = [s for s in self._sums.values() if everything or now >= s.since + WINDOW]
        for one in due:
            del self._sums[one.source]
        return due

    def put_back(self, taken: Sum) -> None:
        """Keep a sum that could not be written."""
        newer = self._sums.get(taken.source)
        if newer is not None:
            newer.count, newer.since = newer.count + taken.count, taken.since
        else:
            self._sums[taken.source] = taken

    def _known(self, source: Source) -> Source:
        """The source itself, or the common one of the event when there are too many."""
        is_new = source not in self._minutes and len(self._minutes) >= MAX_SOURCES
        return (*source[:2], None, None) if is_new else source

    def _minute(self, source: Source, at: float) -> _Minute:
        minute = self._minutes.get(source)
        if minute is None or at >= minute.begun_at + WINDOW:
            minute = self._minutes[source] = _Minute(at)
        return minute

    def _add(self, source: Source, event: AuditEvent) -> None:
        if source not in self._sums and len(self._sums) >= MAX_SOURCES:
            source = (*source[:2], None, None)
        held = self._sums.get(source)
        if held is None:
            self._sums[source] = Sum(source, 1, event.at, event)
        else:
            held.count += 1
            held.last = event

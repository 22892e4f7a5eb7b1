"""The licence slots of an instance: how many there are, and how many are taken [SES-30, IMG-5]."""

from __future__ import annotations

from msgspec.structs import replace

from mintgate.contract.automation.licences import Licences, LicenceTotal
from mintgate.contract.automation.problems import Conflict
from mintgate.contract.instance import Instance
from mintgate.identity.administration.call import Call
from mintgate.identity.administration.changes import change_event
from mintgate.store import instances, licence_pools


def show(call: Call) -> Licences:
    found = licence_pools.counts(call.connection, call.instance.id, call.now, call.process)
    general = max(found.total - found.reserved, 0)
    return Licences(
        total=found.total,
        in_use=found.in_use,
        reserved=found.reserved,
        reserved_in_use=found.reserved_in_use,
        general=general,
        general_in_use=found.general_in_use,
        free=max(general - found.general_in_use, 0),
        sessions=found.sessions,
    )


def set_total(call: Call) -> Licences:
    """Change the number of slots; sessions that run go on, whatever it is [SES-38].

    Raises:
        Conflict: more seats are reserved than there would be [SES-36].
    """
    tx, instance_id = call.lock(), call.instance.id
    total = call.given(LicenceTotal).total
    # Whoever counts slots waits, so that nobody gets in by a number that is not true any more.
    licence_pools.lock(tx, instance_id)
    before = _stored(call)
    reserved = licence_pools.counts(call.connection, instance_id, call.now).reserved
    if total < reserved:
        raise Conflict(
            f"{reserved} licence slots are reserved; with {total} there would be fewer than that. "
            "Remove reservations first."
        )
    after = replace(before, licences=total)
    if after != before:
        instances.change(tx, after)
        _record(call, before, after)
    return show(call)


def _stored(call: Call) -> Instance:
    """The instance as it is now: the caller may know it from a second ago."""
    found = instances.by_id(call.connection, call.instance.id)
    return found if found is not None else call.instance


def _record(call: Call, before: Instance, after: Instance) -> None:
    event = "instance.changed"
    told = change_event(before.id, call.now, event, before=before, after=after, actor=None)
    call.record(event, details=told.details)

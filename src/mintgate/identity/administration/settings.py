"""Settings of an instance that may change while it runs."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.automation.settings import InstanceSettings
from mintgate.contract.instance import Instance, problems_of
from mintgate.identity.administration.call import Call
from mintgate.identity.administration.changes import change_event
from mintgate.store import instances


def show(call: Call) -> InstanceSettings:
    return _settings(_stored(call))


def change(call: Call) -> InstanceSettings:
    """Effective with the next request. Raises InvalidInput, PreconditionFailed."""
    tx = call.lock()
    before = _stored(call)
    call.require_match(_settings(before))
    after = replace(before, **msgspec.structs.asdict(call.given(InstanceSettings)))
    problems = problems_of(after)
    if problems:
        raise InvalidInput(problems=problems)
    if after != before:
        instances.change(tx, after)
        event = "instance.changed"
        told = change_event(before.id, call.now, event, before=before, after=after, actor=None)
        call.record(event, details=told.details)
    return _settings(after)


def _settings(instance: Instance) -> InstanceSettings:
    names = InstanceSettings.__struct_fields__
    return InstanceSettings(**{name: getattr(instance, name) for name in names})


def _stored(call: Call) -> Instance:
    """The instance as it is now: the caller may know it from a second ago."""
    found = instances.by_id(call.connection, call.instance.id)
    return found if found is not None else call.instance

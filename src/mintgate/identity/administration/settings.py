"""Settings of an instance that may change while it runs."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec.structs import replace

from mintgate.contract.automation.problems import InvalidInput
from mintgate.contract.automation.settings import (
    Appearance,
    InstanceSettings,
    SecondFactorRules,
)
from mintgate.contract.instance import Instance, problems_of
from mintgate.identity.administration.call import Call
from mintgate.identity.administration.changes import change_event
from mintgate.store import instances

S = TypeVar("S", InstanceSettings, Appearance, SecondFactorRules)


def show(call: Call) -> InstanceSettings:
    return _part(InstanceSettings, stored(call))


def change(call: Call) -> InstanceSettings:
    """Effective with the next request. Raises InvalidInput, PreconditionFailed."""
    return _changed(call, InstanceSettings)


def show_appearance(call: Call) -> Appearance:
    return _part(Appearance, stored(call))


def change_appearance(call: Call) -> Appearance:
    """Raises InvalidInput, PreconditionFailed."""
    return _changed(call, Appearance)


def remove_logo(call: Call) -> None:
    """There may be none."""
    call.lock()
    before = stored(call)
    _store(call, before, replace(before, logo=None))


def show_rules(call: Call) -> SecondFactorRules:
    return _part(SecondFactorRules, stored(call))


def change_rules(call: Call) -> SecondFactorRules:
    """Who is signed in stays so. Raises PreconditionFailed."""
    return _changed(call, SecondFactorRules)


def stored(call: Call) -> Instance:
    """The instance as it is now: the caller may know it from a second ago."""
    found = instances.by_id(call.connection, call.instance.id)
    return found if found is not None else call.instance


def _changed(call: Call, part: type[S]) -> S:
    call.lock()
    before = stored(call)
    call.require_match(_part(part, before))
    after = replace(before, **msgspec.structs.asdict(call.given(part)))
    problems = problems_of(after)
    if problems:
        raise InvalidInput(problems=problems)
    _store(call, before, after)
    return _part(part, after)


def _store(call: Call, before: Instance, after: Instance) -> None:
    if after == before:
        return
    instances.change(call.writing, after)
    event = "instance.changed"
    told = change_event(before.id, call.now, event, before=before, after=after, actor=None)
    call.record(event, details=told.details)


def _part(part: type[S], instance: Instance) -> S:
    return part(**{name: getattr(instance, name) for name in part.__struct_fields__})

"""The applications that an instance has by itself; no file declares them [TOP-12]."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from mintgate.contract.applications import TrustedApplication
from mintgate.contract.first_party import applications_of
from mintgate.contract.identifiers import new_guid
from mintgate.contract.instance import Instance
from mintgate.server.declaration.plan import ApplicationChange
from mintgate.server.declaration.stored import key_of


def built_in_changes(
    instance: Instance, stored: Iterable[TrustedApplication]
) -> list[ApplicationChange]:
    """What is missing, or follows from another base URL; none when all is as it must be."""
    known = {key_of(application.application_uri): application for application in stored}
    changes = []
    for wanted in applications_of(instance):
        before = known.get(key_of(wanted.application_uri))
        if before is None:
            changes.append(ApplicationChange(None, replace(wanted, id=new_guid())))
            continue
        after = replace(wanted, id=before.id, creation_time_utc=before.creation_time_utc)
        if after != before:
            changes.append(ApplicationChange(before, after))
    return changes

"""Who still uses the legacy schemes, and who could (specification §12)."""

from __future__ import annotations

import msgspec

from mintgate.contract.automation.credentials import LegacyQuery, LegacyReport, LegacyUse
from mintgate.identity.administration.call import Call
from mintgate.store import apis, applications, legacy_uses

USUAL_SECONDS = 30 * 24 * 3600.0


def report(call: Call) -> LegacyReport:
    """Uses from the audit log, and what is switched on."""
    query = call.given(LegacyQuery)
    since = query.since if query.since is not None else max(0.0, call.now - USUAL_SECONDS)
    found = legacy_uses.since(call.connection, call.instance.id, since)
    used = {uses.application for uses in found}
    allowed = [
        application.application_uri
        for application in applications.all_of(call.connection, call.instance.id)
        if application.is_enabled and application.basic_authentication_allowed
    ]
    return LegacyReport(
        since=since,
        uses=[LegacyUse(**msgspec.structs.asdict(uses)) for uses in found],
        apis=[
            api.settings.name
            for api in apis.all_of(call.connection, call.instance.id)
            if api.settings.allows_basic
        ],
        unused_applications=[uri for uri in allowed if uri not in used],
    )

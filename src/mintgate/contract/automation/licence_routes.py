"""The routes about ERP sessions and licence slots, a part of the automation API."""

from __future__ import annotations

from mintgate.contract.automation import licences as x
from mintgate.contract.automation.credentials import NoBody, Page, PageQuery
from mintgate.contract.automation.route import Route

LICENCE_ROUTES = (
    Route(
        name="erp_sessions.list",
        method="GET",
        path="/erp-sessions",
        summary="List the open ERP sessions, newest first.",
        query=x.ErpSessionQuery,
        result=Page[x.ErpSessionRecord],
        counts_sessions=True,
    ),
    Route(
        name="erp_sessions.close",
        method="POST",
        path="/erp-sessions/{session_id}/close",
        summary="Close an ERP session; its token stays as good as it was.",
        body=NoBody,
        result=x.Closed,
    ),
    Route(
        name="erp_sessions.close_many",
        method="POST",
        path="/erp-sessions/close",
        summary="Close every ERP session of a user, or of everybody.",
        body=x.SessionsToClose,
        result=x.Closed,
    ),
    Route(
        name="licences.show",
        method="GET",
        path="/licences",
        summary="Show how many licence slots there are, and how many are taken.",
        result=x.Licences,
        counts_sessions=True,
    ),
    Route(
        name="licences.set_total",
        method="POST",
        path="/licences/total",
        summary="Set the number of licence slots; no session is closed by it.",
        body=x.LicenceTotal,
        result=x.Licences,
        counts_sessions=True,
    ),
    Route(
        name="reserved_seats.list",
        method="GET",
        path="/licences/reserved-seats",
        summary="List who has a licence slot reserved, by login.",
        query=PageQuery,
        result=Page[x.ReservedSeat],
        counts_sessions=True,
    ),
    Route(
        name="reserved_seats.add",
        method="POST",
        path="/licences/reserved-seats",
        summary="Reserve a licence slot for a user; one who has one keeps it.",
        body=x.SeatHolder,
        result=x.ReservedSeat,
        counts_sessions=True,
    ),
    Route(
        name="reserved_seats.remove",
        method="POST",
        path="/licences/reserved-seats/remove",
        summary="Give a reserved slot back to the general pool; no session is closed by it.",
        body=x.SeatHolder,
        result=x.Licences,
        counts_sessions=True,
    ),
)

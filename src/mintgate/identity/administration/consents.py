"""What people allowed applications: list and withdraw, for administrators [EXT-2]."""

from __future__ import annotations

from mintgate.contract.automation.credentials import ConsentQuery, GivenConsent, Page
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.identity.administration.call import Call, page_of, place_of
from mintgate.store import applications, listings, users
from mintgate.store.listings import Consent


def list_all(call: Call) -> Page[GivenConsent]:
    """By user and application; the order has no other meaning."""
    query = call.given(ConsentQuery)
    after = place_of(query.cursor)
    return page_of(
        lambda: listings.consents_part(
            call.connection, call.instance.id, after, query.limit, user_id=query.user_id
        ),
        lambda consent: _shown(call, consent),
    )


def withdraw(call: Call) -> None:
    """The application asks again; what it renews itself by ends. Raises NoSuchRecord."""
    tx = call.lock()
    user_id, application_id = call.path["user_id"], call.path["application_id"]
    user = users.by_id(call.connection, call.instance.id, user_id)
    application = applications.by_id(call.connection, call.instance.id, application_id)
    if user is None or application is None:
        raise NoSuchRecord
    found = applications.withdraw_consent(
        tx,
        call.instance.id,
        user,
        application,
        actor=call.acting.name[:64],
        address=call.acting.address,
    )
    if not found:
        raise NoSuchRecord("This consent was withdrawn already.")


def _shown(call: Call, consent: Consent) -> GivenConsent:
    user = users.by_id(call.connection, call.instance.id, consent.user_id)
    application = applications.by_id(call.connection, call.instance.id, consent.application_id)
    return GivenConsent(
        user_id=consent.user_id,
        login=user.login if user else None,
        application_id=consent.application_id,
        application=application.application_uri if application else None,
        application_name=application.name.get("en") if application else None,
        scopes=consent.scopes,
        given_at=consent.given_at,
    )

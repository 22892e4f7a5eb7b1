"""The built-in APIs of an instance; each is imported when it is made (`server.late`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance
from mintgate.gate.sessions import ErpSessions
from mintgate.store import Database
from mintgate.store.keys import KeyEncryptionKey
from mintgate.verify import Verifier

if TYPE_CHECKING:
    from mintgate.apis.management.tables import ManagementApis


def domain_api(instance: Instance, database: Database, clock: Clock) -> ASGIApp:
    from mintgate.apis.domain import DomainApi
    from mintgate.identity.passwords import hash_password

    return DomainApi(instance, database, clock, hash_password)


def table_api(instance: Instance, database: Database, clock: Clock) -> ASGIApp:
    from mintgate.apis.table_api import TableApi

    return TableApi(instance, database, clock)


def olap_api(instance: Instance, database: Database, clock: Clock) -> ASGIApp:
    from mintgate.apis.olap import OlapApi

    return OlapApi(instance, database, clock)


def app_server(instance: Instance, database: Database, clock: Clock) -> ASGIApp:
    from mintgate.apis.app_server import AppServer

    return AppServer(instance)


def management_apis(
    instance: Instance,
    database: Database,
    key_encryption_key: KeyEncryptionKey,
    verifier: Verifier,
    people: Verifier,
    erp_sessions: ErpSessions,
    *,
    can_mail: bool,
) -> ManagementApis:
    from mintgate.apis.management.tables import ManagementApis

    return ManagementApis(
        instance,
        database,
        key_encryption_key,
        verifier,
        people,
        erp_sessions,
        can_mail=can_mail,
    )

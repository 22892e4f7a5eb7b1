"""One declared instance, filled as half a year of work would have left it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from pathlib import Path

from sqlalchemy import Table

from bench.engines import NewDatabase
from bench.growth.filling import fill
from bench.growth.rows import Row
from bench.instance import Site
from bench.pages import happenings
from bench.pages.company import (
    ADMINISTRATOR,
    PERSON,
    PROGRAM,
    Company,
    rows_of_people,
    rows_of_programs,
    rows_of_the_moment,
)
from bench.pages.sizes import Sizes
from bench.progress import Progress
from mintgate.store import Database, audit_counts, instances
from mintgate.store.tables import applications, audit_events, users

PASSWORD = "Nobody-Signs-In-With-This-1"
ASKS, REDIRECT = "company.example/asks", "http://127.0.0.1:9/signed-in"
"""An application that asks people for their consent."""
SERVICE, SERVICE_SECRET = "company.example/service", "the-secret-of-the-service-of-the-company"
DECLARATION = f"""
[instance]
name = "company"
database = "COMPANY"
base_url = "http://127.0.0.1:{{port}}"
licences = 300

[[applications]]
ApplicationUri = "{ASKS}"
Name = "Asks"
ClientType = "Public"
ImpersonateAsInternalUserAllowed = true
ImpersonateLoginUrl = "{REDIRECT}"
Scope = "openid profile read update"
RequireConsent = true

[[applications]]
ApplicationUri = "{SERVICE}"
Name = "Service"
ApplicationSecret = "{SERVICE_SECRET}"
SystemUserAllowed = true
SystemUser = "{happenings.SERVICE}"
Scope = "read update"

[[applications]]
ApplicationUri = "{PROGRAM}"
Name = "Program"
ApplicationSecret = "{SERVICE_SECRET}"
SystemUserAllowed = true
SystemUser = "{happenings.SERVICE}"
ImpersonateAsInternalUserAllowed = true
ImpersonateLoginUrl = "{REDIRECT}"
Scope = "read update"
ReferenceTokens = "AuthenticatedUsers"

[[users]]
Login = "{happenings.SERVICE}"
Name = "Service"
UserType = "SystemUserNoLogin"

[[users]]
Login = "{ADMINISTRATOR}"
Name = "Mira"
UserType = "InternalUser"
IsAdmin = true
Email = "mira.k@company.example"
EmailConfirmed = true
Password = "{PASSWORD}"

[[users]]
Login = "{PERSON}"
Name = "Zero"
UserType = "InternalUser"
Password = "{PASSWORD}"
"""


def filled(
    folder: Path, sizes: Sizes, new_database: NewDatabase, progress: Progress
) -> tuple[Site, Company]:
    """Declare an instance and fill it; `folder` is made.

    Raises:
        Unmeasurable: what `mintgate apply` said.
    """
    site = Site(folder, new_database(), declaration=DECLARATION)
    now = time.time()
    database = Database(site.url)
    try:
        (instance,) = database.read_now(instances.all_of)
        people, rows_of_users = rows_of_people(database, sizes)
        programs, rows_of_applications = rows_of_programs(database, sizes)
    finally:
        database.close()
    company = Company(instance_id=instance.id, people=people, programs=programs)
    fill(site.url, users, rows_of_users)
    fill(site.url, applications, rows_of_applications)
    progress.say(f"pages: filling {sizes}")
    fill(site.url, audit_events, happenings.rows(company, sizes.audit_rows, now))
    held: dict[Table, list[Row]] = defaultdict(list)
    for table, one in rows_of_the_moment(company, now):
        held[table].append(one)
    for table, its_rows in held.items():
        fill(site.url, table, its_rows)
    progress.say("pages: counting the log by hours, as the server does in the background")
    _count(site.url, instance.id)
    return site, company


def _count(url: str, instance_id: str) -> None:
    database = Database(url)
    try:
        asyncio.run(audit_counts.keep_counts(database, instance_id))
    finally:
        database.close()

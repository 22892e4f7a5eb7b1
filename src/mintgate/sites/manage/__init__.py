"""Instance Manager: what administrators see and change of the instance [IMG-1..6]."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from mintgate.sites.manage.acts import ActPages
from mintgate.sites.manage.appearance import APPEARANCE_ACTS, AppearancePages
from mintgate.sites.manage.application_acts import APPLICATION_ACTS
from mintgate.sites.manage.application_tokens import ApplicationTokenPages
from mintgate.sites.manage.applications import ApplicationPages
from mintgate.sites.manage.audit import AuditPages
from mintgate.sites.manage.consents import CONSENT_ACTS, ConsentPages
from mintgate.sites.manage.desk import Desk
from mintgate.sites.manage.home import HomePages
from mintgate.sites.manage.inspector import InspectorPages
from mintgate.sites.manage.install import InstallPages
from mintgate.sites.manage.invitations import InvitationPages
from mintgate.sites.manage.keys import KEY_ACTS, KeyPages
from mintgate.sites.manage.licences import LicencePages
from mintgate.sites.manage.lifecycle import LIFECYCLE_ACTS, LifecyclePages
from mintgate.sites.manage.second_factor_rules import SecondFactorRulePages
from mintgate.sites.manage.sessions import SESSION_ACTS, SessionPages
from mintgate.sites.manage.settings import SettingPages
from mintgate.sites.manage.user_acts import USER_ACTS
from mintgate.sites.manage.users import UserPages
from mintgate.sites.visiting.making import SiteGround

ACTS = (
    *APPLICATION_ACTS,
    *LIFECYCLE_ACTS,
    *USER_ACTS,
    *SESSION_ACTS,
    *KEY_ACTS,
    *CONSENT_ACTS,
    *APPEARANCE_ACTS,
)
PAGES = (
    HomePages,
    InstallPages,
    LifecyclePages,
    ApplicationPages,
    ApplicationTokenPages,
    UserPages,
    InvitationPages,
    SessionPages,
    LicencePages,
    KeyPages,
    ConsentPages,
    AuditPages,
    InspectorPages,
    SettingPages,
    AppearancePages,
    SecondFactorRulePages,
)


def routes(ground: SiteGround) -> Sequence[BaseRoute]:
    """The pages of the site."""
    desk = Desk(ground)
    pages = [pages(desk) for pages in PAGES]
    return [
        *(route for one in pages for route in one.routes()),
        *ActPages(desk, ACTS).routes(),
    ]

"""An instance: one tenant, with one issuer, and the addresses of its sites (specification §1)."""

from __future__ import annotations

import enum
from urllib.parse import urlsplit

import msgspec

from mintgate.contract import lifetimes
from mintgate.contract.appearance import colour_problem, logo_problem, name_problem
from mintgate.contract.redirects import LOOPBACK_HOSTS

API_AUDIENCES = ("DomainAPI", "TableAPI", "OLAP", "AppServer")
"""[TOP-5] Exact spelling and order."""

# Site paths below the base URL [TOP-3, TOP-4]; everything that needs one asks here.
ID_PATH = "/id"
PROFILE_PATH = "/profile"
MANAGE_PATH = "/manage"
DOMAIN_API_PATH = "/api"
ODATA_ROOT_PATH = "/api/domain/odata/"
TABLE_API_PATH = "/tableapi"
TABLE_ROOT_PATH = "/tableapi/odata/"
OLAP_PATH = "/olap"
APP_SERVER_PATH = "/appserver"


class SigningAlgorithm(enum.StrEnum):
    """What the next signing key is made for [EXT-6]; the names are those of token headers."""

    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


class SecondFactorRule(enum.StrEnum):
    """Whether people of one type have a second factor.

    `off`: none is asked for and none can be set up. `allowed`: whoever has one is asked for it.
    `required`: whoever has none sets one up before a sign-in ends.
    """

    OFF = "off"
    ALLOWED = "allowed"
    REQUIRED = "required"


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """The row that decides issuer and audiences; never a header of a request [DSC-2].

    Args:
        base_url: scheme, host and perhaps port, without trailing slash [TOP-1].
        database: free text, never altered in claims [TOP-11].
        licences: the number of licence slots (`CAL01`).
        access_token_lifetime: seconds [LIF-1].
        public_refresh_tokens: whether Public applications get refresh tokens [LIF-5].
        refresh_grace_seconds: see [EXT-4]; 0 is off.
        signing_algorithm: of the keys that are made from now on [EXT-6].
        max_reference_token_days: how long a reference token may live at most [EXT-9].
        audit_retention_days: how long audit events are kept; None is for ever.
        allow_private_logout_targets: whether logout tokens go to private addresses too [EXT-3].
        allow_basic_auth_for_all_users: ERP.net's option `AllowBasicAuthForAllUsers` [LEG-3].
        display_name: what people see of it; None is `name`.
        accent_colour: of its pages, as `#rrggbb`; each theme makes it dark or light enough.
        logo: a picture as a data URI.
        fresh_sign_in_seconds: how long ago a person may have signed in for dangerous acts of
            Profile and Instance Manager.
        second_factor_internal, second_factor_community: for the two types of users who sign in.
    """

    id: str
    name: str
    database: str
    base_url: str
    licences: int = 10
    access_token_lifetime: int = lifetimes.ACCESS_TOKEN
    public_refresh_tokens: bool = True
    refresh_grace_seconds: int = 0
    signing_algorithm: SigningAlgorithm = SigningAlgorithm.RS256
    max_reference_token_days: int | None = None
    audit_retention_days: int | None = None
    allow_private_logout_targets: bool = False
    allow_basic_auth_for_all_users: bool = False
    display_name: str | None = None
    accent_colour: str | None = None
    logo: str | None = None
    fresh_sign_in_seconds: int = lifetimes.FRESH_SIGN_IN
    second_factor_internal: SecondFactorRule = SecondFactorRule.ALLOWED
    second_factor_community: SecondFactorRule = SecondFactorRule.ALLOWED

    @property
    def issuer(self) -> str:
        return self.base_url + ID_PATH

    @property
    def odata_root(self) -> str:
        return self.base_url + ODATA_ROOT_PATH

    @property
    def table_root(self) -> str:
        return self.base_url + TABLE_ROOT_PATH

    @property
    def shown_name(self) -> str:
        """What people see of it."""
        return self.display_name or self.name

    @property
    def is_loopback(self) -> bool:
        """Whether the base URL is for development on this machine only [TOP-8]."""
        return urlsplit(self.base_url).hostname in LOOPBACK_HOSTS

    @property
    def is_https(self) -> bool:
        return self.base_url.startswith("https:")

    @property
    def cookie_suffix(self) -> str:
        """Keeps the cookies of two instances on one host apart [SGN-4]."""
        return self.id.replace("-", "")[:8]


def problems_of(instance: Instance) -> list[tuple[str, str]]:
    """What is wrong with an instance, as (key, sentence) pairs named as in the declared file."""
    found: list[tuple[str, str]] = []
    if not instance.name.strip():
        found.append(("name", "must not be empty"))
    if not instance.database.strip():
        found.append(("database", "must not be empty"))
    problem = _base_url_problem(instance.base_url)
    if problem:
        found.append(("base_url", problem))
    if instance.display_name is not None and (problem := name_problem(instance.display_name)):
        found.append(("display_name", problem))
    if instance.accent_colour is not None and (problem := colour_problem(instance.accent_colour)):
        found.append(("accent_colour", problem))
    if instance.logo is not None and (problem := logo_problem(instance.logo)):
        found.append(("logo", problem))
    for key, value, low, high in (
        ("licences", instance.licences, 0, 1_000_000),
        ("access_token_lifetime", instance.access_token_lifetime, 60, 86_400),
        ("refresh_grace_seconds", instance.refresh_grace_seconds, 0, 300),
        ("max_reference_token_days", instance.max_reference_token_days, 1, 36_500),
        ("audit_retention_days", instance.audit_retention_days, 1, 36_500),
        # Less, and nobody gets a form filled in; more, and a browser that was left open is enough.
        ("fresh_sign_in_seconds", instance.fresh_sign_in_seconds, 60, 3600),
    ):
        if value is not None and not low <= value <= high:
            found.append((key, f"must be between {low} and {high}"))
    return found


def _base_url_problem(base_url: str) -> str | None:
    example = "such as https://orion.my.example or http://127.0.0.1:8080"
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        return f"must be a URL {example}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return f"must be an http or https URL {example}"
    if (
        parts.path
        or parts.query
        or parts.fragment
        or parts.username
        or base_url.endswith(("#", "?"))
    ):
        return f"must have no path, query or trailing slash, {example}"
    if base_url != base_url.lower():
        return "must be in lower case, as clients compare it byte by byte"
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        return "must be https (http is for localhost, 127.0.0.1 and [::1] only) [TOP-8]"
    return None

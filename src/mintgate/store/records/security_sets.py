"""The entity sets over the tables of trusted applications and users [API-33, API-72]."""

from __future__ import annotations

from mintgate.contract.applications import ClientType, ReferenceTokenPolicy
from mintgate.contract.users import UserType
from mintgate.store import tables
from mintgate.store.records.attributes import (
    DISPLAY_TEXT,
    IDENTIFIER,
    Attribute,
    EntitySet,
    Kind,
    enumeration,
    plain,
    reference,
    secret,
    string,
    translated,
)

APPLICATIONS = "Systems_Security_TrustedApplications"
USERS = "Systems_Security_Users"

# [TAP-1..18], [API-72]
_APPLICATIONS = EntitySet(
    name=APPLICATIONS,
    type_name="Systems_Security_TrustedApplication",
    table=tables.applications,
    attributes=(
        IDENTIFIER,
        translated("Name", "name"),
        string("ApplicationUri", "application_uri", 254, required=True),
        plain("IsEnabled", "is_enabled", Kind.BOOLEAN, True),
        enumeration("ClientType", "client_type", ClientType, ClientType.CONFIDENTIAL),
        secret("ApplicationSecretHash", "application_secret_hash", 250),
        string("ImpersonateLoginUrl", "impersonate_login_url", 500),
        string("ImpersonateLogoutUrl", "impersonate_logout_url", 500),
        plain(
            "ImpersonateAsInternalUserAllowed",
            "impersonate_as_internal_user_allowed",
            Kind.BOOLEAN,
            False,
        ),
        plain(
            "ImpersonateAsCommunityUserAllowed",
            "impersonate_as_community_user_allowed",
            Kind.BOOLEAN,
            False,
        ),
        plain("SystemUserAllowed", "system_user_allowed", Kind.BOOLEAN, False),
        reference("SystemUser", "system_user", USERS),
        string("SystemUserLoginUrl", "system_user_login_url", 254),
        string("Scope", "scope", None),
        string("Audiences", "audiences", None),
        enumeration(
            "ReferenceTokens",
            "reference_tokens",
            ReferenceTokenPolicy,
            ReferenceTokenPolicy.NONE,
        ),
        plain("BasicAuthenticationAllowed", "basic_authentication_allowed", Kind.BOOLEAN, False),
        plain("RequireConsent", "require_consent", Kind.BOOLEAN, False),
        string("BackChannelLogoutUrl", "back_channel_logout_url", 500),
        string("FrontChannelLogoutUrl", "front_channel_logout_url", 500),
        Attribute(
            name="CreationTimeUtc", kind=Kind.TIME, column="creation_time_utc", read_only=True
        ),
        string("Notes", "notes", None),
        DISPLAY_TEXT,
    ),
    search=("Name", "ApplicationUri"),
)

# [USR-1..10], [API-72]
_USERS = EntitySet(
    name=USERS,
    type_name="Systems_Security_User",
    table=tables.users,
    attributes=(
        IDENTIFIER,
        string("Login", "login", 64, required=True),
        translated("Name", "name"),
        enumeration("UserType", "user_type", UserType, UserType.INTERNAL),
        string("Email", "email", 254),
        plain("EmailConfirmed", "email_confirmed", Kind.BOOLEAN, False),
        plain("Active", "active", Kind.BOOLEAN, True),
        plain("IsAdmin", "is_admin", Kind.BOOLEAN, False),
        string("DefaultLanguage", "default_language", 15),
        string("PhoneNumber", "phone_number", 64),
        plain("BasicAuthenticationAllowed", "basic_authentication_allowed", Kind.BOOLEAN, False),
        secret("Password", "password_hash", 256),
        plain("LockoutEndUtc", "locked_until", Kind.TIME),
        Attribute(
            name="AccessFailedCount",
            kind=Kind.INTEGER,
            column="access_failed_count",
            read_only=True,
        ),
        Attribute(
            name="TwoFactorEnabled",
            kind=Kind.BOOLEAN,
            column="two_factor_enabled",
            read_only=True,
        ),
        DISPLAY_TEXT,
    ),
    search=("Name", "Login", "Email"),
)

SECURITY_SETS = (_APPLICATIONS, _USERS)

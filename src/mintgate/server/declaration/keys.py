"""The keys of each table of the file, and what each may hold."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mintgate.contract import declared_apis
from mintgate.contract.appearance import MAX_LOGO
from mintgate.contract.applications import ClientType, ReferenceTokenPolicy
from mintgate.contract.instance import SecondFactorRule, SigningAlgorithm
from mintgate.contract.users import UserType
from mintgate.server.declaration import kinds, secrets
from mintgate.server.declaration.kinds import Kind


class TableShape(msgspec.Struct, frozen=True):
    """What a table may hold.

    Args:
        kinds: by key.
        required: keys that must be there; the first one identifies the record.
        aliases: other spellings that are accepted, to the key.
        tables: what the tables within it may hold, by key.
        exclusive: pairs of keys of which at most one may be given.
    """

    kinds: Mapping[str, Kind]
    required: tuple[str, ...]
    aliases: Mapping[str, str] = {}
    tables: Mapping[str, TableShape] = {}
    exclusive: tuple[tuple[str, str], ...] = ()


INSTANCE = TableShape(
    kinds={
        "name": kinds.text(128),
        "database": kinds.text(128),
        "base_url": kinds.text(254),
        "licences": kinds.integer,
        "reserved_seats": kinds.texts,
        "access_token_lifetime": kinds.integer,
        "public_refresh_tokens": kinds.flag,
        "refresh_grace_seconds": kinds.integer,
        "signing_algorithm": kinds.one_of(SigningAlgorithm),
        "max_reference_token_days": kinds.integer,
        "audit_retention_days": kinds.integer,
        "allow_private_logout_targets": kinds.flag,
        "allow_basic_auth_for_all_users": kinds.flag,
        "display_name": kinds.optional_text(128),
        "accent_colour": kinds.optional_text(7),
        "logo": kinds.optional_text(MAX_LOGO),
        "fresh_sign_in_seconds": kinds.integer,
        "second_factor_internal": kinds.one_of(SecondFactorRule),
        "second_factor_community": kinds.one_of(SecondFactorRule),
    },
    required=("name", "database", "base_url"),
)


POLICY = TableShape(
    kinds={
        "read_methods": kinds.texts,
        "update_methods": kinds.texts,
        "security": kinds.texts,
        "reading": kinds.texts,
        "batch": kinds.flag,
    },
    required=(),
)
LIMITS = TableShape(
    kinds={
        "per_session": kinds.integer,
        "per_client": kinds.integer,
        "per_user": kinds.integer,
        "per_address": kinds.integer,
    },
    required=(),
)


def api(environment: Mapping[str, str]) -> TableShape:
    """An API, and how it is guarded [ITR-1, EXT-12]."""
    return TableShape(
        kinds={
            "Name": kinds.text(declared_apis.MAX_NAME),
            "Secret": secrets.secret(environment, secrets.problem_of_secret),
            "SecretHash": secrets.secret(environment, secrets.problem_of_secret_hash),
            "basic_client": kinds.optional_text(254),
        },
        required=("Name",),
        tables={"policy": POLICY, "limits": LIMITS},
        exclusive=(("Secret", "SecretHash"),),
    )


def application(environment: Mapping[str, str]) -> TableShape:
    """The attributes of a trusted application [TAP-1..18, EXT-2, EXT-3].

    `SystemUser` is a login.
    """
    return TableShape(
        kinds={
            "Id": kinds.guid,
            "ApplicationUri": kinds.text(254),
            "Name": kinds.texts_by_language,
            "IsEnabled": kinds.flag,
            "ClientType": kinds.one_of(ClientType),
            "ApplicationSecret": secrets.secret(environment, secrets.problem_of_secret),
            "ApplicationSecretHash": secrets.secret(environment, secrets.problem_of_secret_hash),
            "ApplicationSecretEndUtc": kinds.end,
            "SecondSecret": secrets.secret(environment, secrets.problem_of_secret),
            "SecondSecretHash": secrets.secret(environment, secrets.problem_of_secret_hash),
            "SecondSecretEndUtc": kinds.end,
            "ImpersonateLoginUrl": kinds.optional_text(500),
            "ImpersonateLogoutUrl": kinds.optional_text(500),
            "ImpersonateAsInternalUserAllowed": kinds.flag,
            "ImpersonateAsCommunityUserAllowed": kinds.flag,
            "SystemUserAllowed": kinds.flag,
            "SystemUser": kinds.optional_text(64),
            "SystemUserLoginUrl": kinds.optional_text(254),
            "Scope": kinds.optional_text(1024),
            "Audiences": kinds.optional_text(4096),
            "ReferenceTokens": kinds.one_of(ReferenceTokenPolicy),
            "BasicAuthenticationAllowed": kinds.flag,
            "RequireConsent": kinds.flag,
            "BackChannelLogoutUrl": kinds.optional_text(500),
            "FrontChannelLogoutUrl": kinds.optional_text(500),
            "Notes": kinds.optional_text(32_000, lines=True),
        },
        required=("ApplicationUri", "Name"),
        aliases={"AccessTokens": "ReferenceTokens"},  # [TAP-15, DIF-13]
        exclusive=(
            ("ApplicationSecret", "ApplicationSecretHash"),
            ("SecondSecret", "SecondSecretHash"),
        ),
    )


def user(environment: Mapping[str, str]) -> TableShape:
    """The attributes of a user [USR-1..10]."""
    return TableShape(
        kinds={
            "Id": kinds.guid,
            "Login": kinds.text(64),
            "Name": kinds.texts_by_language,
            "UserType": kinds.one_of(UserType),
            "Email": kinds.optional_text(254),
            "EmailConfirmed": kinds.flag,
            "Active": kinds.flag,
            "IsAdmin": kinds.flag,
            "DefaultLanguage": kinds.optional_text(15),
            "PhoneNumber": kinds.optional_text(64),
            "BasicAuthenticationAllowed": kinds.flag,
            "LockoutEndUtc": kinds.moment,
            "Password": secrets.secret(environment, secrets.problem_of_password),
            "PasswordHash": secrets.secret(environment, secrets.problem_of_password_hash),
        },
        required=("Login", "Name", "UserType"),
        aliases={"EmailVerified": "EmailConfirmed", "Locale": "DefaultLanguage"},
        exclusive=(("Password", "PasswordHash"),),
    )
